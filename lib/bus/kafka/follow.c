/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/follow.h"

#include <stdlib.h>

#include "lib/bus/kafka/cursor.h"
#include "lib/bus/kafka/joiner.h"
#include "lib/bus/kafka/newest.h"
#include "lib/bus/kafka/publish.h"
#include "lib/bus/kafka/refetch.h"
#include "lib/bus/kafka/survey.h"
#include "lib/bus/kafka/topic.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"

enum {
	AGAIN_MS = 500,
	READS_A_TURN = 256,
	/* Until it has caught up a follower holds back values that newer ones may
	 * replace. Beyond this it lets them out: then a key may come twice. */
	HELD_BYTES = 64 << 20,
};

struct follower {
	struct bus_follower follower;
	struct kafka *kafka;
	char *topic;
	struct bus_follow_calls calls;
	void *with;
	struct kafka_errand *asking; /* ensuring the topic, then the survey */
	struct timer *again;
	struct kafka_cursor *cursor;
	int32_t count;
	bool *has_ended;  /* partitions that were read up to their end once */
	bool is_behind;   /* not all have */
	bool has_let_out; /* some before it had caught up */
	bool is_calling, is_closed;
	struct kafka_joiner *joiner;
	struct kafka_newest *newest; /* to be let out */
	struct kafka_record *torn;   /* a head whose pieces are read again */
	struct kafka_refetch *refetch;
};

static void free_follower(struct follower *follower)
{
	if (!follower->is_calling)
		free(follower);
}

static void ensure(void *with);

static void let_out(struct follower *follower);

static void call_changed(struct follower *follower, struct kafka_record *record)
{
	/* Of a key that was gone before we knew it there is nothing to tell. */
	bool is_news = record->value.size || !follower->is_behind ||
		       follower->has_let_out;
	follower->is_calling = true;
	if (is_news)
		follower->calls.changed(follower->with, record->key, record->value);
	follower->is_calling = false;
	kafka_record_free(record);
}

static void refetched(void *with, bool is_whole)
{
	struct follower *follower = with;
	struct kafka_record *record = follower->torn;
	follower->refetch = NULL;
	follower->torn = NULL;
	if (is_whole) {
		call_changed(follower, record);
	} else {
		kafka_note_loss(follower->kafka, "topic %s: %.*s can't be put together",
			follower->topic, SLICE_ARG(slice_head(record->key, 100)));
		kafka_record_free(record);
	}
	if (!follower->is_closed)
		let_out(follower);
	if (follower->is_closed)
		free(follower);
}

/* False: it has to wait for pieces, or the taker has closed us. */
static bool let_out_one(struct follower *follower, struct kafka_record *record)
{
	enum kafka_joined joined = KAFKA_JOINED;
	if (record->marks.form == KAFKA_HEAD) {
		kafka_publish_saw_head(follower->kafka, follower->topic, record);
		joined = kafka_joiner_join(follower->joiner, record);
	}
	if (joined == KAFKA_JOINED) {
		call_changed(follower, record);
		return !follower->is_closed;
	}
	follower->torn = record;
	follower->refetch = kafka_refetch_start(
		follower->kafka, follower->topic, record, refetched, follower);
	return false;
}

static bool has_caught_up(const struct follower *follower)
{
	for (int32_t i = 0; i < follower->count; i++)
		if (!follower->has_ended[i])
			return false;
	return true;
}

static void let_out(struct follower *follower)
{
	struct kafka_record *record;
	bool is_over = has_caught_up(follower);
	if (follower->torn || (follower->is_behind && !is_over &&
				      kafka_newest_size(follower->newest) < HELD_BYTES))
		return;
	while ((record = kafka_newest_take(follower->newest)))
		if (!let_out_one(follower, record))
			return;
	if (!is_over) {
		follower->has_let_out = true;
	} else if (follower->is_behind) {
		follower->is_behind = false;
		follower->is_calling = true;
		if (follower->calls.caught_up)
			follower->calls.caught_up(follower->with);
		follower->is_calling = false;
	}
}

static void take(struct follower *follower, struct kafka_record *record)
{
	if (record->is_damaged)
		kafka_note_loss(follower->kafka,
			"topic %s: record %d/%lld can't be put together", follower->topic,
			(int)record->partition, (long long)record->offset);
	if (record->is_damaged ||
		(record->marks.form == KAFKA_PIECE && !record->value.size))
		kafka_record_free(record);
	else if (record->marks.form == KAFKA_PIECE)
		kafka_joiner_keep(follower->joiner, record, clock_monotonic_ms());
	else
		kafka_newest_add(follower->newest, record);
}

static void read_changes(void *with)
{
	struct follower *follower = with;
	struct kafka_record *record;
	int64_t offset;
	unsigned reads = 0;
	for (int32_t i = 0; i < follower->count; i++) {
		enum kafka_step step;
		while (reads++ < READS_A_TURN && !follower->is_closed &&
			(step = kafka_cursor_next(follower->cursor, i, &record,
				 &offset)) != KAFKA_STEP_NONE) {
			if (step == KAFKA_STEP_RECORD)
				take(follower, record);
			else
				follower->has_ended[i] = true;
			if (!follower->is_behind)
				let_out(follower);
		}
	}
	if (!follower->is_closed)
		let_out(follower);
	if (follower->is_closed)
		free(follower);
	else if (reads >= READS_A_TURN)
		kafka_cursor_ring(follower->cursor);
}

static void surveyed(void *with, const struct kafka_survey *survey)
{
	struct follower *follower = with;
	struct fault fault;
	follower->asking = NULL;
	if (survey->fault.kind == FAULT_NONE && survey->count > 0)
		follower->cursor = kafka_cursor_open(
			follower->kafka, follower->topic, survey->count, &fault);
	if (!follower->cursor) {
		timer_start(follower->again, AGAIN_MS);
		return;
	}
	follower->count = survey->count;
	follower->has_ended = NEW_ARRAY(bool, (size_t)survey->count);
	for (int32_t i = 0; i < survey->count; i++)
		kafka_cursor_start(follower->cursor, i, RD_KAFKA_OFFSET_BEGINNING);
	kafka_cursor_listen(follower->cursor, read_changes, follower);
}

static void ensured(void *with, const struct fault *fault)
{
	struct follower *follower = with;
	follower->asking = NULL;
	if (fault) {
		kafka_note_error(follower->kafka, RD_KAFKA_RESP_ERR__FAIL, fault->text);
		timer_start(follower->again, AGAIN_MS);
		return;
	}
	follower->asking = &kafka_survey_start(follower->kafka, follower->topic,
		&(struct bus_range){ 0 }, surveyed, follower)
				    ->errand;
}

static void ensure(void *with)
{
	struct follower *follower = with;
	follower->asking = kafka_topics_ensure(follower->kafka,
		(const char *const[]){ follower->topic, NULL }, ensured, follower);
}

struct bus_follower *kafka_follow(struct bus *bus, const char *topic,
	const struct bus_follow_calls *calls, void *with, struct fault *fault)
{
	struct kafka *kafka = (struct kafka *)bus;
	if (!bus_topic_check(topic, fault))
		return NULL;
	struct follower *follower = NEW(struct follower);
	*follower = (struct follower){ .follower = { .bus = bus },
		.kafka = kafka,
		.topic = memory_string(slice_of(topic)),
		.calls = *calls,
		.with = with,
		.is_behind = true,
		.joiner = kafka_joiner_new(KAFKA_JOINER_SIZE(kafka->value_ceiling)),
		.newest = kafka_newest_new() };
	follower->again = timer_new(kafka->loop, ensure, follower);
	ensure(follower);
	return &follower->follower;
}

void kafka_unfollow(struct bus_follower *bus_follower)
{
	struct follower *follower = (struct follower *)bus_follower;
	follower->is_closed = true;
	if (follower->asking)
		follower->asking->owner = NULL;
	kafka_refetch_stop(follower->refetch);
	kafka_cursor_close(follower->cursor);
	kafka_record_free(follower->torn);
	kafka_joiner_free(follower->joiner);
	kafka_newest_free(follower->newest);
	timer_free(follower->again);
	free(follower->has_ended);
	free(follower->topic);
	free_follower(follower);
}
