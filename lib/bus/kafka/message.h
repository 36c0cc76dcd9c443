/* SPDX-License-Identifier: MIT
 *
 * Our records as librdkafka's messages, and back. */
#ifndef LIB_BUS_KAFKA_MESSAGE_H
#define LIB_BUS_KAFKA_MESSAGE_H

#include <librdkafka/rdkafka.h>

#include "lib/bus/kafka/record.h"

struct kafka_message {
	rd_kafka_topic_t *rkt;
	int32_t partition; /* or RD_KAFKA_PARTITION_UA: as the topic's partitioner says */
	struct slice key, value;
	const struct kafka_marks *marks;
	void *opaque; /* comes with the delivery report */
};

/* librdkafka copies all of it. An empty value is none, which in a compacted topic deletes
 * the key. */
rd_kafka_resp_err_t kafka_message_send(
	rd_kafka_t *rk, const struct kafka_message *message);
/* The record in `message`, which may be destroyed then. Never a message with an error. */
struct kafka_record *kafka_record_of(const rd_kafka_message_t *message, unsigned stream);

#endif
