/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/survey.h"

#include <stdlib.h>

#include "lib/bus/kafka/topic.h"
#include "lib/memory.h"

enum {
	ASK_MS = 5000,
	/* Clocks of several publishers, and time between stamp and write. */
	DISORDER_MS = 60000,
};

static bool find_ends(struct kafka_survey *survey)
{
	for (int32_t i = 0; i < survey->count; i++) {
		struct kafka_span *span = &survey->spans[i];
		rd_kafka_resp_err_t err = rd_kafka_query_watermark_offsets(
			survey->rk, survey->topic, i, &span->from, &span->to, ASK_MS);
		if (err)
			return fault_temporary(&survey->fault, "topic %s: %s",
				survey->topic, rd_kafka_err2str(err));
	}
	return true;
}

/* The first offset of each partition that was written at `time_ms` or later. */
static bool find_time(struct kafka_survey *survey, int64_t time_ms, bool is_start)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(
		survey->count);
	for (int32_t i = 0; i < survey->count; i++)
		rd_kafka_topic_partition_list_add(list, survey->topic, i)->offset =
			time_ms;
	rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(survey->rk, list, ASK_MS);
	for (int32_t i = 0; i < survey->count && !err; i++) {
		struct kafka_span *span = &survey->spans[list->elems[i].partition];
		int64_t offset = list->elems[i].offset;
		err = list->elems[i].err;
		/* None so late: a start is the end, an end stays. */
		if (offset < 0)
			offset = span->to;
		if (is_start)
			span->from = offset;
		else if (offset < span->to)
			span->to = offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return !err || fault_temporary(&survey->fault, "topic %s: %s", survey->topic,
			       rd_kafka_err2str(err));
}

static void run_survey(struct kafka_errand *errand)
{
	struct kafka_survey *survey = (struct kafka_survey *)errand;
	survey->count = kafka_topic_partitions(
		survey->rk, survey->topic, ASK_MS, &survey->fault);
	if (survey->count <= 0)
		return;
	survey->spans = NEW_ARRAY(struct kafka_span, (size_t)survey->count);
	if (!find_ends(survey))
		return;
	if (survey->from_ms > 0 && !find_time(survey, survey->from_ms, true))
		return;
	if (survey->to_ms > 0)
		find_time(survey, survey->to_ms + DISORDER_MS, false);
}

static void end_survey(struct kafka_errand *errand)
{
	struct kafka_survey *survey = (struct kafka_survey *)errand;
	if (errand->owner)
		survey->found(errand->owner, survey);
	free(survey->topic);
	free(survey->spans);
	free(survey);
}

struct kafka_survey *kafka_survey_start(struct kafka *kafka, const char *topic,
	const struct bus_range *range,
	void (*found)(void *with, const struct kafka_survey *survey), void *with)
{
	struct kafka_survey *survey = NEW(struct kafka_survey);
	*survey = (struct kafka_survey){
		.errand = { .run = run_survey, .done = end_survey, .owner = with },
		.kafka = kafka,
		.rk = kafka->producer->rk,
		.topic = memory_string(slice_of(topic)),
		.from_ms = range->from_ms,
		.to_ms = range->to_ms,
		.found = found,
	};
	kafka_errands_add(kafka->errands, &survey->errand);
	return survey;
}
