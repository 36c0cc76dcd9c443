/* SPDX-License-Identifier: MIT
 *
 * Publishing: a record waits until its topic exists, is cut into pieces if it is large,
 * and is reported once all of it is durable or can't be. */
#ifndef LIB_BUS_KAFKA_PUBLISH_H
#define LIB_BUS_KAFKA_PUBLISH_H

#include "lib/bus/kafka/kafka.h"

/* What the engine publishes for itself or for others; all is borrowed for the call. */
struct kafka_publication {
	const char *topic;
	struct slice key, value, body; /* bus_record says what the body is */
	bool can_wait, goes_on;        /* bus_record.can_wait, and whether it has `of` */
	struct kafka_marks marks;      /* attempt, published_ms, due_ms, topic, group */
	bus_published *published;
	void *with;
	bool is_own; /* the engine's: reported even if the bus is closed before */
};

/* The producer. */
bool kafka_publish_open(struct kafka *kafka, struct fault *fault);
void kafka_publish_close(struct kafka *kafka);
/* Once the producer is gone: its threads look at what is under way. */
void kafka_publish_done(struct kafka *kafka);
void kafka_publish(struct kafka *kafka, const struct kafka_publication *publication);
/* Likewise, but if marks.due_ms is in the future the record goes by way of the retry
 * topics (mover.c). */
void kafka_publish_due(struct kafka *kafka, const struct kafka_publication *publication);
/* Once a second: gives up what has waited too long for its topic. */
void kafka_publish_tick(struct kafka *kafka);
/* Where the pieces of the key's value before this one are, so that they can be deleted
 * when it changes: whoever reads a head of a compacted topic tells. */
void kafka_publish_saw_head(
	struct kafka *kafka, const char *topic, const struct kafka_record *head);
/* The partition of a key, among `count`; bus_topic says what the prefix is. */
int32_t kafka_partition_of(struct slice key, size_t prefix, int32_t count);

#endif
