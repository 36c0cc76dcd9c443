/* SPDX-License-Identifier: MIT
 *
 * A client is one librdkafka handle with its settings and its threads, wired to the loop:
 * when one of its queues gets something, `ready` is called and polls. Closing one blocks,
 * so that is an errand. */
#ifndef LIB_BUS_KAFKA_CLIENT_H
#define LIB_BUS_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "lib/fault.h"

struct kafka;
struct watch;

enum kafka_role {
	KAFKA_PRODUCER, /* publishes; also asks for metadata */
	KAFKA_MEMBER,   /* of a group */
	KAFKA_CURSOR,   /* reads partitions that it is told */
};

struct kafka_client_calls {
	void (*ready)(void *with);
	/* KAFKA_PRODUCER: this record is durable, or not. */
	void (*delivered)(void *with, const rd_kafka_message_t *message);
	/* KAFKA_MEMBER: given or told to give up these; answered by rd_kafka_assign(). */
	void (*rebalanced)(void *with, rd_kafka_resp_err_t what,
		const rd_kafka_topic_partition_list_t *partitions);
	void (*committed)(void *with, rd_kafka_resp_err_t err);
};

struct kafka_client {
	struct kafka *kafka;
	rd_kafka_t *rk;
	enum kafka_role role;
	const struct kafka_client_calls *calls;
	void *with;
	int bell; /* eventfd that librdkafka's threads ring */
	struct watch *watch;
	bool is_joining;           /* has subscribed and wasn't given anything yet */
	bool is_retired;           /* nobody is called any more */
	rd_kafka_resp_err_t fatal; /* the handle has to be replaced */
};

struct kafka_setting {
	const char *name, *value; /* NULL ends a list */
};

/* `more`: settings beyond those of the role. */
struct kafka_client *kafka_client_open(struct kafka *kafka, enum kafka_role role,
	const struct kafka_setting *more, struct fault *fault);
/* From now on `calls` are called. */
void kafka_client_start(
	struct kafka_client *client, const struct kafka_client_calls *calls, void *with);
/* Has `ready` called from the loop. */
void kafka_client_ring(struct kafka_client *client);
/* Rings when this queue gets something. */
void kafka_client_attach(struct kafka_client *client, rd_kafka_queue_t *queue);
/* Serves callbacks and errors; messages of partitions come from queues of their own. */
void kafka_client_poll(struct kafka_client *client);
/* Leaves the group if it is in one, and closes. All topics, queues and messages of the
 * handle must have been destroyed. NULL does nothing. */
void kafka_client_retire(struct kafka_client *client);

#endif
