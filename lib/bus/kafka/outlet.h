/* SPDX-License-Identifier: MIT
 *
 * An outlet is a topic as this process publishes to it: whether it exists yet, and what
 * waits for that or for others to go along with. Lives as long as the bus. */
#ifndef LIB_BUS_KAFKA_OUTLET_H
#define LIB_BUS_KAFKA_OUTLET_H

#include "lib/bus/gather.h"
#include "lib/bus/kafka/publish.h"
#include "lib/bus/kafka/remains.h"
#include "lib/id.h"

/* In a compacted topic the values of a key are written in the order in which they were
 * published, though a retry could change it: so of the keys that share a slot one value
 * is under way at a time. */
#define KAFKA_KEY_SLOTS 512

struct kafka_outlet {
	struct kafka_outlet *next;
	struct kafka *kafka;
	char *name;
	bool is_ready, is_compacted;
	bool is_busy[KAFKA_KEY_SLOTS];
	rd_kafka_topic_t *rkt; /* of the producer; NULL until it is ready */
	struct kafka_publish *waiting, **last_waiting;
	struct kafka_errand *ensuring;
	struct timer *again;
	struct gather gather;
	struct timer *send; /* what has been gathered */
	int64_t send_us;    /* when that is due, while it runs */
	size_t key_prefix;
};

/* A record on its way. */
struct kafka_publish {
	struct kafka_publish *previous, *next; /* of all that are not reported */
	struct kafka_publish *next_waiting;    /* at an outlet, or to be reported */
	struct kafka *kafka;
	struct kafka_outlet *outlet; /* NULL: it failed before it had one */
	bus_published *published;
	void *with;
	struct kafka_record *record; /* our copy of key, value and marks */
	struct handed *handed;       /* its messages that librdkafka has */
	int64_t deadline_ms;         /* while it waits */
	struct fault fault;
	bool is_own, can_wait, goes_on;
	bool is_homeless;        /* failed for want of its topic, which may come */
	bool is_sent;            /* to a compacted topic; its key's slot is busy */
	struct kafka_remain old; /* what has to go once this is durable */
	int64_t offset;          /* where it was written */
	/* A large value: */
	struct id id;
	uint32_t count;      /* pieces in all; 0 = it isn't large */
	uint32_t sent, kept; /* handed over, durable */
	unsigned under_way;
	int32_t partition;
	char *offsets; /* what the head will say */
	bool has_head; /* it has been handed over */
};

struct kafka_outlet *kafka_outlet_of(struct kafka *kafka, const char *name);
/* Sends it as soon as the topic is ready and no value of its key is before it. */
void kafka_outlet_add(struct kafka_outlet *outlet, struct kafka_publish *publish);
/* Likewise, but before all others, and once the topic has been looked at again. */
void kafka_outlet_return(struct kafka_outlet *outlet, struct kafka_publish *publish);
/* Sends what may be sent. */
void kafka_outlet_release(struct kafka_outlet *outlet);
/* In a compacted topic: its key's slot, from sending to report. */
void kafka_outlet_occupy(struct kafka_publish *publish);
void kafka_outlet_vacate(struct kafka_publish *publish);
/* Takes out what has waited beyond its deadline, NULL at the end. */
struct kafka_publish *kafka_outlet_overdue(struct kafka_outlet *outlet, int64_t now_ms);
void kafka_outlets_close(struct kafka *kafka);

/* In publish.c. */
void kafka_publish_send(struct kafka_publish *publish);
void kafka_publish_fail(struct kafka_publish *publish);
/* In pieces.c, for compacted topics: remembers those of the value that is current now,
 * deletes its own, or deletes those that aren't current any more. */
void kafka_pieces_begin(struct kafka_publish *publish);
void kafka_pieces_drop(struct kafka_publish *publish);
void kafka_pieces_tidy(struct kafka_publish *publish);
int32_t kafka_publish_partition(const rd_kafka_topic_t *rkt, const void *key,
	size_t key_size, int32_t count, void *rkt_opaque, void *opaque);

#endif
