/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/record.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

static struct slice copy(char **to, struct slice from)
{
	if (!from.size)
		return (struct slice){ 0 };
	char *start = *to;
	memcpy(start, from.data, from.size);
	*to += from.size;
	return (struct slice){ start, from.size };
}

int64_t kafka_record_piece(const struct kafka_record *head, uint32_t index)
{
	return kafka_offset_read(head->value.data + (size_t)index * 8);
}

static bool is_head_sane(const struct kafka_record *head)
{
	if (head->value.size != (size_t)head->marks.count * 8)
		return false;
	for (uint32_t i = 0; i < head->marks.count; i++) {
		int64_t offset = kafka_record_piece(head, i);
		if (offset < 0 || offset >= head->offset)
			return false;
	}
	return true;
}

struct kafka_record *kafka_record_new(const struct kafka_source *source)
{
	const struct kafka_marks *marks = &source->marks;
	struct kafka_record *record = memory_new(sizeof(*record) + source->key.size +
						 source->value.size + source->body.size +
						 marks->topic.size + marks->group.size +
						 marks->id.size);
	char *to = record->bytes;
	record->stream = source->stream;
	record->partition = source->partition;
	record->offset = source->offset;
	record->stamp_ms = source->stamp_ms;
	record->is_damaged = source->is_damaged;
	record->key = copy(&to, source->key);
	record->value = (struct slice){ to, source->value.size + source->body.size };
	copy(&to, source->value);
	copy(&to, source->body);
	record->marks = *marks;
	record->marks.topic = copy(&to, marks->topic);
	record->marks.group = copy(&to, marks->group);
	record->marks.id = copy(&to, marks->id);
	if (marks->form == KAFKA_HEAD && !is_head_sane(record))
		record->is_damaged = true;
	return record;
}

void kafka_record_free(struct kafka_record *record)
{
	if (!record)
		return;
	free(record->joined);
	free(record);
}

size_t kafka_record_size(const struct kafka_record *record)
{
	return sizeof(*record) + record->key.size + record->value.size;
}

int64_t kafka_record_published_ms(const struct kafka_record *record)
{
	return record->marks.published_ms ? record->marks.published_ms : record->stamp_ms;
}
