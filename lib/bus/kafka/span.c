/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "lib/bus/kafka/browse.h"
#include "lib/clock.h"

enum {
	HELD_BYTES =
		1 << 20, /* of a partition; one record larger than this is held too */
	STRIDE_MIN = 64,
	STRIDE_MAX = 8192,
	READS_A_TURN = 256,
};

static void remove_held(struct kafka_part *part, unsigned index)
{
	part->bytes -= kafka_record_size(part->held[index]);
	part->count--;
	memmove(&part->held[index], &part->held[index + 1],
		(part->count - index) * sizeof(*part->held));
}

/* Pieces are noted on the way; what was republished for a group has been seen already. */
static bool is_shown(struct kafka_browser *browser, const struct kafka_record *record)
{
	const struct bus_range *range = &browser->range;
	return record->marks.form != KAFKA_PIECE && record->marks.attempt <= 1 &&
	       !record->is_damaged && record->stamp_ms >= range->from_ms &&
	       (range->to_ms == 0 || record->stamp_ms <= range->to_ms) &&
	       (range->key.size == 0 || slice_equal(record->key, range->key));
}

static void hold(struct kafka_browser *browser, struct kafka_part *part,
	struct kafka_record *record)
{
	if (record->marks.form == KAFKA_PIECE && record->value.size &&
		!record->is_damaged && !browser->is_indexing) {
		kafka_joiner_keep(browser->joiner, record, clock_monotonic_ms());
		return;
	}
	if (!is_shown(browser, record)) {
		kafka_record_free(record);
		return;
	}
	if (browser->is_indexing) {
		record->value = (struct slice){ 0 };
		kafka_newest_add(browser->newest, record);
		return;
	}
	part->bytes += kafka_record_size(record);
	part->held[part->count++] = record;
}

static bool is_full(const struct kafka_part *part)
{
	return part->count == KAFKA_HELD_MAX || part->bytes >= HELD_BYTES;
}

/* Backwards the newest must stay: what is dropped is read again by a later step. */
static void make_room(struct kafka_part *part)
{
	struct kafka_record *oldest = part->held[0];
	part->step = oldest->offset + 1;
	part->stride = STRIDE_MIN;
	remove_held(part, 0);
	kafka_record_free(oldest);
}

static void begin_step(struct kafka_browser *browser, struct kafka_part *part)
{
	if (part->stride < STRIDE_MIN)
		part->stride = STRIDE_MIN;
	part->step = part->to - part->stride > part->from ? part->to - part->stride
							  : part->from;
	part->is_stepping = true;
	kafka_cursor_start(browser->cursor, part->number, part->step);
}

static void end_step(struct kafka_browser *browser, struct kafka_part *part)
{
	kafka_cursor_stop(browser->cursor, part->number);
	part->is_stepping = false;
	part->to = part->step;
	if (part->count < KAFKA_HELD_MAX / 4 && part->stride < STRIDE_MAX)
		part->stride *= 2;
}

static bool read_backward(struct kafka_browser *browser, struct kafka_part *part)
{
	struct kafka_record *record;
	int64_t offset;
	if (!part->is_stepping) {
		if (part->count || part->to <= part->from)
			return false;
		begin_step(browser, part);
	}
	for (unsigned reads = 0; reads < READS_A_TURN; reads++) {
		enum kafka_step step = kafka_cursor_next(
			browser->cursor, part->number, &record, &offset);
		if (step == KAFKA_STEP_NONE)
			return reads > 0;
		if (step == KAFKA_STEP_RECORD && offset < part->to) {
			while (part->count && is_full(part))
				make_room(part);
			hold(browser, part, record);
		} else if (step == KAFKA_STEP_RECORD) {
			kafka_record_free(record);
		}
		if (step == KAFKA_STEP_END || offset >= part->to - 1) {
			end_step(browser, part);
			return true;
		}
	}
	return true;
}

static bool read_forward(struct kafka_browser *browser, struct kafka_part *part)
{
	struct kafka_record *record;
	int64_t offset;
	unsigned reads = 0;
	while (!is_full(part) && reads < READS_A_TURN &&
		(!part->is_at_end || browser->range.live)) {
		enum kafka_step step = kafka_cursor_next(
			browser->cursor, part->number, &record, &offset);
		if (step == KAFKA_STEP_NONE)
			break;
		reads++;
		if (step == KAFKA_STEP_RECORD && offset >= part->to &&
			!browser->range.live)
			kafka_record_free(record);
		else if (step == KAFKA_STEP_RECORD)
			hold(browser, part, record);
		if (offset >= part->to - 1)
			part->is_at_end = true;
	}
	return reads > 0;
}

bool kafka_part_read(struct kafka_browser *browser, struct kafka_part *part)
{
	return browser->is_backward ? read_backward(browser, part)
				    : read_forward(browser, part);
}

bool kafka_part_is_ready(
	const struct kafka_browser *browser, const struct kafka_part *part)
{
	if (browser->is_backward)
		return !part->is_stepping && (part->count || part->to <= part->from);
	return part->count || part->is_at_end;
}

struct kafka_record *kafka_part_peek(
	const struct kafka_browser *browser, const struct kafka_part *part)
{
	if (!part->count)
		return NULL;
	return part->held[browser->is_backward ? part->count - 1 : 0];
}

struct kafka_record *kafka_part_take(
	const struct kafka_browser *browser, struct kafka_part *part)
{
	unsigned index = browser->is_backward ? part->count - 1 : 0;
	struct kafka_record *record = part->held[index];
	remove_held(part, index);
	return record;
}

void kafka_part_done(struct kafka_part *part)
{
	while (part->count) {
		struct kafka_record *record = part->held[0];
		remove_held(part, 0);
		kafka_record_free(record);
	}
}
