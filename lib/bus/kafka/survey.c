/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/survey.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/bus/kafka/topic.h"
#include "lib/clock.h"
#include "lib/memory.h"

enum {
	ASK_MS = 5000,
	AGAIN_MS = 50,
	/* Clocks of several publishers, and time between stamp and write. */
	DISORDER_MS = 60000,
};

/* A fresh topic's leaders know later than others that they are. */
static bool is_passing(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
	       err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
	       err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
	       err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
	       err == RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE;
}

rd_kafka_resp_err_t kafka_offsets_at(rd_kafka_t *rk,
	rd_kafka_topic_partition_list_t *partitions, int64_t time_ms, int timeout_ms)
{
	for (int i = 0; i < partitions->cnt; i++)
		partitions->elems[i].offset = time_ms;
	rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(rk, partitions, timeout_ms);
	for (int i = 0; i < partitions->cnt && !err; i++)
		err = partitions->elems[i].err;
	return err;
}

/* NULL: no answer, and the survey has failed. */
static rd_kafka_topic_partition_list_t *ask(struct kafka_survey *survey, int64_t time_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(
		survey->count);
	for (int32_t i = 0; i < survey->count; i++)
		rd_kafka_topic_partition_list_add(list, survey->topic, i);
	rd_kafka_resp_err_t err = kafka_offsets_at(survey->rk, list, time_ms, ASK_MS);
	while (is_passing(err) && clock_monotonic_ms() <= survey->deadline_ms) {
		usleep(AGAIN_MS * 1000);
		err = kafka_offsets_at(survey->rk, list, time_ms, ASK_MS);
	}
	if (!err)
		return list;
	fault_temporary(
		&survey->fault, "topic %s: %s", survey->topic, rd_kafka_err2str(err));
	rd_kafka_topic_partition_list_destroy(list);
	return NULL;
}

static bool find_ends(struct kafka_survey *survey)
{
	const int64_t ends[] = { RD_KAFKA_OFFSET_BEGINNING, RD_KAFKA_OFFSET_END };
	for (int end = 0; end < 2; end++) {
		rd_kafka_topic_partition_list_t *list = ask(survey, ends[end]);
		if (!list)
			return false;
		for (int i = 0; i < list->cnt; i++) {
			struct kafka_span *span =
				&survey->spans[list->elems[i].partition];
			*(end ? &span->to : &span->from) = list->elems[i].offset;
		}
		rd_kafka_topic_partition_list_destroy(list);
	}
	return true;
}

/* The first offset of each partition that was written at `time_ms` or later. */
static bool find_time(struct kafka_survey *survey, int64_t time_ms, bool is_start)
{
	rd_kafka_topic_partition_list_t *list = ask(survey, time_ms);
	if (!list)
		return false;
	for (int i = 0; i < list->cnt; i++) {
		struct kafka_span *span = &survey->spans[list->elems[i].partition];
		int64_t offset = list->elems[i].offset;
		/* None so late: a start is the end, an end stays. */
		if (offset < 0)
			offset = span->to;
		if (is_start)
			span->from = offset;
		else if (offset < span->to)
			span->to = offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return true;
}

static void run_survey(struct kafka_errand *errand)
{
	struct kafka_survey *survey = (struct kafka_survey *)errand;
	survey->deadline_ms = clock_monotonic_ms() + ASK_MS;
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
