/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/refetch.h"

#include <stdlib.h>

#include "lib/bus/kafka/cursor.h"
#include "lib/bus/kafka/joiner.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"

enum { READS_A_TURN = 32, AGAIN_MS = 500 };

struct kafka_refetch {
	struct kafka_refetch *next; /* waiting; the first of the bus is under way */
	struct kafka *kafka;
	char *topic;
	struct kafka_record *head;
	kafka_refetched *refetched;
	void *with;
	struct kafka_joiner *joiner;
	struct kafka_cursor *cursor;
	struct timer *begin;
	int64_t last; /* the highest offset of a piece */
};

static void read_pieces(void *with);

static void begin(void *with)
{
	struct kafka_refetch *refetch = with;
	const struct kafka_record *head = refetch->head;
	struct fault fault;
	int64_t first = kafka_record_piece(head, 0);
	refetch->last = first;
	for (uint32_t i = 1; i < head->marks.count; i++) {
		int64_t offset = kafka_record_piece(head, i);
		first = offset < first ? offset : first;
		refetch->last = offset > refetch->last ? offset : refetch->last;
	}
	refetch->cursor = kafka_cursor_open(
		refetch->kafka, refetch->topic, head->partition + 1, &fault);
	if (!refetch->cursor) {
		timer_start(refetch->begin, AGAIN_MS);
		return;
	}
	refetch->joiner = kafka_joiner_new(
		KAFKA_JOINER_SIZE(refetch->kafka->value_ceiling));
	kafka_cursor_start(refetch->cursor, head->partition, first);
	kafka_cursor_listen(refetch->cursor, read_pieces, refetch);
}

static void free_refetch(struct kafka_refetch *refetch)
{
	kafka_cursor_close(refetch->cursor);
	kafka_joiner_free(refetch->joiner);
	timer_free(refetch->begin);
	free(refetch->topic);
	free(refetch);
}

static void unlink_refetch(struct kafka_refetch *refetch)
{
	struct kafka *kafka = refetch->kafka;
	struct kafka_refetch **place = &kafka->refetches;
	while (*place != refetch)
		place = &(*place)->next;
	*place = refetch->next;
	if (place == &kafka->refetches && kafka->refetches)
		timer_start(kafka->refetches->begin, 0);
}

static void finish(struct kafka_refetch *refetch)
{
	kafka_refetched *refetched = refetch->refetched;
	void *with = refetch->with;
	bool is_whole = kafka_joiner_join(refetch->joiner, refetch->head) == KAFKA_JOINED;
	unlink_refetch(refetch);
	free_refetch(refetch);
	refetched(with, is_whole);
}

static bool is_wanted(const struct kafka_record *head, int64_t offset)
{
	for (uint32_t i = 0; i < head->marks.count; i++)
		if (kafka_record_piece(head, i) == offset)
			return true;
	return false;
}

static void read_pieces(void *with)
{
	struct kafka_refetch *refetch = with;
	struct kafka_record *head = refetch->head, *record;
	int64_t offset;
	for (unsigned reads = 0; reads < READS_A_TURN; reads++) {
		enum kafka_step step = kafka_cursor_next(
			refetch->cursor, head->partition, &record, &offset);
		if (step == KAFKA_STEP_NONE)
			return;
		if (step == KAFKA_STEP_RECORD && is_wanted(head, offset) &&
			record->marks.form == KAFKA_PIECE) {
			record->stream = head->stream;
			kafka_joiner_keep(refetch->joiner, record, 0);
		} else if (step == KAFKA_STEP_RECORD) {
			kafka_record_free(record);
		}
		/* At the end without it: it is gone. */
		if (step == KAFKA_STEP_END || offset >= refetch->last) {
			finish(refetch);
			return;
		}
	}
	kafka_cursor_ring(refetch->cursor);
}

struct kafka_refetch *kafka_refetch_start(struct kafka *kafka, const char *topic,
	struct kafka_record *head, kafka_refetched *refetched, void *with)
{
	struct kafka_refetch *refetch = NEW(struct kafka_refetch);
	*refetch = (struct kafka_refetch){ .kafka = kafka,
		.topic = memory_string(slice_of(topic)),
		.head = head,
		.refetched = refetched,
		.with = with };
	refetch->begin = timer_new(kafka->loop, begin, refetch);
	struct kafka_refetch **place = &kafka->refetches;
	while (*place)
		place = &(*place)->next;
	*place = refetch;
	if (kafka->refetches == refetch)
		timer_start(refetch->begin, 0);
	return refetch;
}

void kafka_refetch_stop(struct kafka_refetch *refetch)
{
	if (!refetch)
		return;
	unlink_refetch(refetch);
	free_refetch(refetch);
}
