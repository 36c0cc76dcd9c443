/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/newest.h"

#include <stdlib.h>

#include "lib/memory.h"

enum { BUCKETS = 4096 };

struct held {
	struct held *next_in_bucket;
	struct held *older, *younger;
	struct kafka_record *record;
};

struct kafka_newest {
	size_t size;
	struct held *oldest, *youngest;
	struct held *buckets[BUCKETS];
};

struct kafka_newest *kafka_newest_new(void)
{
	return NEW(struct kafka_newest);
}

/* FNV-1a. */
static size_t bucket_of(struct slice key)
{
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < key.size; i++)
		hash = (hash ^ (unsigned char)key.data[i]) * 16777619u;
	return hash % BUCKETS;
}

static struct kafka_record *take_out(struct kafka_newest *newest, struct held *held)
{
	struct kafka_record *record = held->record;
	struct held **place = &newest->buckets[bucket_of(record->key)];
	while (*place != held)
		place = &(*place)->next_in_bucket;
	*place = held->next_in_bucket;
	*(held->older ? &held->older->younger : &newest->oldest) = held->younger;
	*(held->younger ? &held->younger->older : &newest->youngest) = held->older;
	newest->size -= kafka_record_size(record);
	free(held);
	return record;
}

void kafka_newest_free(struct kafka_newest *newest)
{
	if (!newest)
		return;
	while (newest->oldest)
		kafka_record_free(take_out(newest, newest->oldest));
	free(newest);
}

static struct held *find(const struct kafka_newest *newest, struct slice key)
{
	struct held *held = newest->buckets[bucket_of(key)];
	while (held && !slice_equal(held->record->key, key))
		held = held->next_in_bucket;
	return held;
}

void kafka_newest_add(struct kafka_newest *newest, struct kafka_record *record)
{
	struct held *before = find(newest, record->key);
	if (before)
		kafka_record_free(take_out(newest, before));
	struct held *held = NEW(struct held);
	struct held **bucket = &newest->buckets[bucket_of(record->key)];
	*held = (struct held){
		.next_in_bucket = *bucket, .older = newest->youngest, .record = record
	};
	*bucket = held;
	*(newest->youngest ? &newest->youngest->younger : &newest->oldest) = held;
	newest->youngest = held;
	newest->size += kafka_record_size(record);
}

struct kafka_record *kafka_newest_take(struct kafka_newest *newest)
{
	return newest->oldest ? take_out(newest, newest->oldest) : NULL;
}

const struct kafka_record *kafka_newest_find(
	const struct kafka_newest *newest, struct slice key)
{
	struct held *held = find(newest, key);
	return held ? held->record : NULL;
}

size_t kafka_newest_size(const struct kafka_newest *newest)
{
	return newest->size;
}
