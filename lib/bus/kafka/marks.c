/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/marks.h"

#include <stdio.h>
#include <string.h>

#include "lib/id.h"

static bool parse_number(struct slice text, uint64_t most, uint64_t *ret_number)
{
	uint64_t number = 0;
	if (text.size == 0 || text.size > 18)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(text.data[i] - '0');
	}
	*ret_number = number;
	return number <= most;
}

static bool parse_next(struct slice *rest, uint64_t most, uint64_t *ret_number)
{
	struct slice part;
	return slice_split(rest, ' ', &part) && parse_number(part, most, ret_number);
}

static bool read_attempt(struct kafka_marks *marks, struct slice text)
{
	uint64_t number;
	if (!parse_number(text, 1000000000, &number))
		return false;
	marks->attempt = (unsigned)number;
	return true;
}

static bool read_published(struct kafka_marks *marks, struct slice text)
{
	uint64_t number;
	if (!parse_number(text, INT64_MAX, &number))
		return false;
	marks->published_ms = (int64_t)number;
	return true;
}

static bool read_due(struct kafka_marks *marks, struct slice text)
{
	uint64_t number;
	if (!parse_number(text, INT64_MAX, &number))
		return false;
	marks->due_ms = (int64_t)number;
	return true;
}

static bool read_topic(struct kafka_marks *marks, struct slice text)
{
	marks->topic = text;
	return text.size > 0;
}

static bool read_group(struct kafka_marks *marks, struct slice text)
{
	marks->group = text;
	return text.size > 0;
}

/* "ID INDEX COUNT" */
static bool read_piece(struct kafka_marks *marks, struct slice text)
{
	uint64_t index, count;
	if (marks->form != KAFKA_WHOLE || !slice_split(&text, ' ', &marks->id) ||
		!id_is_valid(marks->id) || !parse_next(&text, UINT32_MAX, &index) ||
		!parse_next(&text, UINT32_MAX, &count) || text.data || index >= count)
		return false;
	marks->form = KAFKA_PIECE;
	marks->index = (uint32_t)index;
	marks->count = (uint32_t)count;
	return true;
}

/* "ID COUNT SIZE" */
static bool read_head(struct kafka_marks *marks, struct slice text)
{
	uint64_t count, size;
	if (marks->form != KAFKA_WHOLE || !slice_split(&text, ' ', &marks->id) ||
		!id_is_valid(marks->id) || !parse_next(&text, UINT32_MAX, &count) ||
		!parse_next(&text, INT64_MAX, &size) || text.data || count == 0 ||
		size > count * KAFKA_PIECE_SIZE)
		return false;
	marks->form = KAFKA_HEAD;
	marks->count = (uint32_t)count;
	marks->size = size;
	return true;
}

static const struct {
	const char *name;
	bool (*read)(struct kafka_marks *marks, struct slice text);
	bool is_vital; /* without it the value can't be told from a part of another */
} rows[] = {
	{ "postern-attempt", read_attempt, false },
	{ "postern-published", read_published, false },
	{ "postern-due", read_due, false },
	{ "postern-topic", read_topic, false },
	{ "postern-group", read_group, false },
	{ "postern-piece", read_piece, true },
	{ "postern-head", read_head, true },
};

bool kafka_marks_read(struct kafka_marks *marks, struct slice name, struct slice text)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (slice_equal(name, slice_of(rows[i].name)))
			return rows[i].read(marks, text) || !rows[i].is_vital;
	return true;
}

static void put_number(
	kafka_marks_put *put, void *with, const char *name, uint64_t number)
{
	char text[24];
	if (number == 0)
		return;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	put(with, name, slice_of(text));
}

void kafka_marks_write(const struct kafka_marks *marks, kafka_marks_put *put, void *with)
{
	char text[ID_LENGTH + 48];
	put_number(put, with, "postern-attempt", marks->attempt);
	put_number(put, with, "postern-published", (uint64_t)marks->published_ms);
	put_number(put, with, "postern-due", (uint64_t)marks->due_ms);
	if (marks->topic.size)
		put(with, "postern-topic", marks->topic);
	if (marks->group.size)
		put(with, "postern-group", marks->group);
	if (marks->form == KAFKA_PIECE) {
		snprintf(text, sizeof(text), "%.*s %u %u", SLICE_ARG(marks->id),
			marks->index, marks->count);
		put(with, "postern-piece", slice_of(text));
	}
	if (marks->form == KAFKA_HEAD) {
		snprintf(text, sizeof(text), "%.*s %u %llu", SLICE_ARG(marks->id),
			marks->count, (unsigned long long)marks->size);
		put(with, "postern-head", slice_of(text));
	}
}

void kafka_offset_write(char *bytes, int64_t offset)
{
	for (int i = 7; i >= 0; i--, offset >>= 8)
		bytes[i] = (char)(offset & 0xff);
}

int64_t kafka_offset_read(const char *bytes)
{
	uint64_t offset = 0;
	for (int i = 0; i < 8; i++)
		offset = offset << 8 | (unsigned char)bytes[i];
	return (int64_t)offset;
}
