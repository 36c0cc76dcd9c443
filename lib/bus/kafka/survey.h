/* SPDX-License-Identifier: MIT
 *
 * A survey finds out which partitions a topic has and where a range of time lies in them.
 * It blocks, so it is an errand. */
#ifndef LIB_BUS_KAFKA_SURVEY_H
#define LIB_BUS_KAFKA_SURVEY_H

#include "lib/bus/kafka/kafka.h"

struct kafka_span {
	int64_t from, to; /* offsets; `to` is the first beyond */
};

struct kafka_survey {
	struct kafka_errand errand;
	struct kafka *kafka;
	rd_kafka_t *rk;
	char *topic;
	int64_t from_ms, to_ms;
	int64_t deadline_ms; /* for what passes by itself */
	/* From the loop; never after errand.owner has been set to NULL. */
	void (*found)(void *with, const struct kafka_survey *survey);
	int32_t count; /* of partitions; 0 = no such topic */
	struct kafka_span *spans;
	struct fault fault; /* FAULT_NONE: it went well */
};

/* All of [from_ms, to_ms] lies within the spans; 0 = from the beginning, up to now. */
struct kafka_survey *kafka_survey_start(struct kafka *kafka, const char *topic,
	const struct bus_range *range,
	void (*found)(void *with, const struct kafka_survey *survey), void *with);

/* The first offset of each that was written at `time_ms` or later, -1 if none;
 * RD_KAFKA_OFFSET_BEGINNING and _END as times are the ends. Blocks; unlike librdkafka's
 * query for watermarks, which asks a dead leader for half a minute, no longer than told.
 */
rd_kafka_resp_err_t kafka_offsets_at(rd_kafka_t *rk,
	rd_kafka_topic_partition_list_t *partitions, int64_t time_ms, int timeout_ms);

#endif
