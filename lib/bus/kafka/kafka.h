/* SPDX-License-Identifier: MIT
 *
 * The Kafka engine's bus: what the files of this folder share. One producer publishes for
 * the whole process; each reader, follower and browser has a consumer of its own.
 * Everything here runs on the loop's thread unless it says otherwise. */
#ifndef LIB_BUS_KAFKA_KAFKA_H
#define LIB_BUS_KAFKA_KAFKA_H

#include <librdkafka/rdkafka.h>

#include "lib/bus/engine.h"
#include "lib/bus/kafka/client.h"
#include "lib/bus/kafka/errand.h"
#include "lib/bus/kafka/record.h"

/* Of topics that are not compacted, when we create them. Divides evenly among 1, 2, 3 and
 * 6 members. */
#define KAFKA_PARTITIONS 6
/* Topics of the engine's own begin so; nobody is told of them. */
#define KAFKA_OWN_PREFIX "postern.retry."
/* What can't be moved to where it is due: the record as it was, kept for ever. */
#define KAFKA_REFUSED "postern.refused"
/* Longer than any wait for a due time plus any time without a process that reads. */
#define KAFKA_RETRY_KEPT_MS (INT64_C(14) * 24 * 3600 * 1000)

struct listing;
struct kafka_mover;
struct kafka_outlet;
struct kafka_publish;
struct kafka_reader;
struct kafka_refetch;
struct kafka_remains;

struct kafka {
	struct bus bus;
	struct loop *loop;
	char *brokers, *instance;
	const struct bus_topic *topics;
	size_t value_ceiling;
	int64_t publish_timeout_ms;
	struct kafka_errands *errands;
	struct timer *tick; /* once a second */

	struct kafka_client *producer;
	struct kafka_outlet *outlets;
	struct kafka_publish *publishes; /* all that are not reported */
	struct kafka_publish *failed;    /* of these, what `report` reports next */
	struct timer *report;
	struct kafka_remains *remains;

	struct kafka_reader *readers;
	struct kafka_refetch *refetches;
	struct timer *mover_start; /* NULL: this process subscribes to nothing */
	struct kafka_mover *mover;

	/* Health, on the monotonic clock; 0 = never. */
	int64_t answered_ms, silent_ms, refused_ms;
	struct kafka_errand *probe;
	struct listing *lists;
	char error[256]; /* the last that was heard */
	char loss[256];  /* the last that was noticed */
	unsigned losses; /* not told of yet */
};

/* The broker answered one of us. */
void kafka_note_answer(struct kafka *kafka);
void kafka_note_error(struct kafka *kafka, rd_kafka_resp_err_t err, const char *reason);
/* Records that somebody was to be given are gone or can't be read. */
void kafka_note_loss(struct kafka *kafka, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
