/* SPDX-License-Identifier: MIT
 *
 * Records of a partition as a hostile writer could make them: headers, offsets and
 * values. Input: records of  stream:1 offset:1 header:1 length:1 text  value length:1
 * value. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/bus/kafka/joiner.h"

enum { CEILING = 4096 };

static struct slice take(struct slice *rest, size_t size)
{
	struct slice part = slice_head(*rest, size);
	*rest = slice_skip(*rest, part.size);
	return part;
}

static unsigned take_byte(struct slice *rest)
{
	struct slice byte = take(rest, 1);
	return byte.size ? (unsigned char)*byte.data : 0;
}

static void offer(
	struct kafka_joiner *joiner, struct kafka_record *record, int64_t now_ms)
{
	if (record->is_damaged || record->marks.form == KAFKA_WHOLE) {
		kafka_record_free(record);
	} else if (record->marks.form == KAFKA_PIECE) {
		kafka_joiner_keep(joiner, record, now_ms);
	} else {
		uint64_t size = record->marks.size;
		if (kafka_joiner_join(joiner, record) == KAFKA_JOINED)
			assert(record->value.size == size && size <= CEILING);
		kafka_record_free(record);
	}
	assert(kafka_joiner_size(joiner) <= CEILING);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const names[] = { "postern-piece", "postern-head",
		"postern-attempt", "postern-published", "postern-due", "postern-topic",
		"postern-group", "other" };
	struct slice rest = { (const char *)bytes, size };
	struct kafka_joiner *joiner = kafka_joiner_new(CEILING);
	for (int64_t now_ms = 0; rest.size; now_ms++) {
		struct kafka_source source = { .stream = take_byte(&rest) % 2 };
		source.offset = take_byte(&rest);
		const char *name = names[take_byte(&rest) % 8];
		struct slice text = take(&rest, take_byte(&rest));
		source.is_damaged = !kafka_marks_read(
			&source.marks, slice_of(name), text);
		source.value = take(&rest, take_byte(&rest));
		offer(joiner, kafka_record_new(&source), now_ms);
		kafka_joiner_expire(joiner, now_ms - 50);
	}
	kafka_joiner_free(joiner);
	return 0;
}
