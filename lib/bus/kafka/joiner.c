/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/joiner.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

enum { BUCKETS = 256 };

struct kept {
	struct kept *next_in_bucket;
	struct kept *older, *newer;
	struct kafka_record *piece;
	int64_t kept_ms;
};

struct kafka_joiner {
	size_t ceiling, size;
	struct kept *oldest, *newest;
	struct kept *buckets[BUCKETS];
};

struct kafka_joiner *kafka_joiner_new(size_t ceiling)
{
	struct kafka_joiner *joiner = NEW(struct kafka_joiner);
	joiner->ceiling = ceiling;
	return joiner;
}

static struct kept **bucket_of(struct kafka_joiner *joiner, int64_t offset)
{
	return &joiner->buckets[(uint64_t)offset % BUCKETS];
}

static struct kept *find(struct kafka_joiner *joiner, unsigned stream, int64_t offset)
{
	struct kept *kept = *bucket_of(joiner, offset);
	while (kept && (kept->piece->offset != offset || kept->piece->stream != stream))
		kept = kept->next_in_bucket;
	return kept;
}

static void drop(struct kafka_joiner *joiner, struct kept *kept)
{
	struct kept **place = bucket_of(joiner, kept->piece->offset);
	while (*place != kept)
		place = &(*place)->next_in_bucket;
	*place = kept->next_in_bucket;
	*(kept->older ? &kept->older->newer : &joiner->oldest) = kept->newer;
	*(kept->newer ? &kept->newer->older : &joiner->newest) = kept->older;
	joiner->size -= kafka_record_size(kept->piece);
	kafka_record_free(kept->piece);
	free(kept);
}

void kafka_joiner_free(struct kafka_joiner *joiner)
{
	if (!joiner)
		return;
	while (joiner->oldest)
		drop(joiner, joiner->oldest);
	free(joiner);
}

void kafka_joiner_keep(
	struct kafka_joiner *joiner, struct kafka_record *piece, int64_t now_ms)
{
	struct kept *again = find(joiner, piece->stream, piece->offset);
	if (again)
		drop(joiner, again);
	struct kept *kept = NEW(struct kept);
	struct kept **bucket = bucket_of(joiner, piece->offset);
	*kept = (struct kept){ .next_in_bucket = *bucket,
		.older = joiner->newest,
		.piece = piece,
		.kept_ms = now_ms };
	*bucket = kept;
	*(joiner->newest ? &joiner->newest->newer : &joiner->oldest) = kept;
	joiner->newest = kept;
	joiner->size += kafka_record_size(piece);
	while (joiner->size > joiner->ceiling)
		drop(joiner, joiner->oldest);
}

static enum kafka_joined look(
	struct kafka_joiner *joiner, const struct kafka_record *head)
{
	uint64_t size = 0;
	for (uint32_t i = 0; i < head->marks.count; i++) {
		struct kept *kept = find(
			joiner, head->stream, kafka_record_piece(head, i));
		if (!kept)
			return KAFKA_MISSING;
		const struct kafka_marks *marks = &kept->piece->marks;
		if (!slice_equal(marks->id, head->marks.id) || marks->index != i ||
			marks->count != head->marks.count)
			return KAFKA_DAMAGED;
		size += kept->piece->value.size;
	}
	return size == head->marks.size ? KAFKA_JOINED : KAFKA_DAMAGED;
}

enum kafka_joined kafka_joiner_join(
	struct kafka_joiner *joiner, struct kafka_record *head)
{
	if (head->is_damaged || head->marks.size > joiner->ceiling)
		return KAFKA_DAMAGED;
	enum kafka_joined joined = look(joiner, head);
	if (joined != KAFKA_JOINED)
		return joined;
	char *value = memory_new(head->marks.size);
	size_t size = 0;
	for (uint32_t i = 0; i < head->marks.count; i++) {
		struct kept *kept = find(
			joiner, head->stream, kafka_record_piece(head, i));
		memcpy(value + size, kept->piece->value.data, kept->piece->value.size);
		size += kept->piece->value.size;
		drop(joiner, kept);
	}
	head->joined = value;
	head->value = (struct slice){ value, size };
	return KAFKA_JOINED;
}

void kafka_joiner_expire(struct kafka_joiner *joiner, int64_t before_ms)
{
	while (joiner->oldest && joiner->oldest->kept_ms < before_ms)
		drop(joiner, joiner->oldest);
}

size_t kafka_joiner_size(const struct kafka_joiner *joiner)
{
	return joiner->size;
}
