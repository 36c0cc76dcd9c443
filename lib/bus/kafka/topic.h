/* SPDX-License-Identifier: MIT
 *
 * Topics are created before their first use, as the bus's table says they are kept;
 * topics that exist are taken as they are. The first message to a topic that Kafka makes
 * by itself waits for seconds and gets one partition. */
#ifndef LIB_BUS_KAFKA_TOPIC_H
#define LIB_BUS_KAFKA_TOPIC_H

#include "lib/bus/kafka/kafka.h"

/* `ensured` is called from the loop once all of `names` (a list ended by NULL) exist, or
 * couldn't be had. To go away before, set the errand's owner to NULL. */
typedef void kafka_ensured(void *with, const struct fault *fault);
struct kafka_errand *kafka_topics_ensure(struct kafka *kafka, const char *const *names,
	kafka_ensured *ensured, void *with);

/* Partitions of `topic`, from metadata; 0 = no such topic; -1 = no answer. Blocks. */
int kafka_topic_partitions(
	rd_kafka_t *rk, const char *topic, int timeout_ms, struct fault *fault);

#endif
