/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/remains.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

/* Values of a megabyte and more that one process changes; kept in order of use. */
enum { ROOM = 1024 };

struct entry {
	struct entry *next;
	char *topic, *key;
	size_t topic_size, key_size;
	struct kafka_remain remain;
};

struct kafka_remains {
	struct entry *first;
	unsigned count;
};

struct kafka_remains *kafka_remains_new(void)
{
	return NEW(struct kafka_remains);
}

static void free_entry(struct entry *entry)
{
	free(entry->topic);
	free(entry->key);
	free(entry);
}

void kafka_remains_free(struct kafka_remains *remains)
{
	struct entry *entry;
	if (!remains)
		return;
	while ((entry = remains->first)) {
		remains->first = entry->next;
		free_entry(entry);
	}
	free(remains);
}

/* Where the entry hangs, or the end. */
static struct entry **find(
	struct kafka_remains *remains, struct slice topic, struct slice key)
{
	struct entry **place = &remains->first;
	for (; *place; place = &(*place)->next) {
		struct slice of_topic = { (*place)->topic, (*place)->topic_size };
		struct slice of_key = { (*place)->key, (*place)->key_size };
		if (slice_equal(of_key, key) && slice_equal(of_topic, topic))
			break;
	}
	return place;
}

const struct kafka_remain *kafka_remains_find(
	const struct kafka_remains *remains, struct slice topic, struct slice key)
{
	struct entry *entry = *find((struct kafka_remains *)remains, topic, key);
	return entry ? &entry->remain : NULL;
}

static void drop_last(struct kafka_remains *remains)
{
	struct entry **place = &remains->first;
	while ((*place)->next)
		place = &(*place)->next;
	free_entry(*place);
	*place = NULL;
	remains->count--;
}

void kafka_remains_note(struct kafka_remains *remains, struct slice topic,
	struct slice key, const struct kafka_remain *now)
{
	struct entry **place = find(remains, topic, key), *entry = *place;
	if (entry && entry->remain.partition == now->partition &&
		entry->remain.offset > now->offset)
		return;
	if (entry) {
		*place = entry->next;
		remains->count--;
		free_entry(entry);
	}
	if (now->count == 0)
		return;
	entry = NEW(struct entry);
	*entry = (struct entry){ .next = remains->first,
		.topic = memory_string(topic),
		.topic_size = topic.size,
		.key = memory_string(key),
		.key_size = key.size,
		.remain = *now };
	remains->first = entry;
	if (++remains->count > ROOM)
		drop_last(remains);
}

void kafka_piece_key(
	struct buffer *buffer, struct slice key, const char *id, uint32_t index)
{
	buffer_clear(buffer);
	buffer_append(buffer, key);
	buffer_append(buffer, (struct slice){ "", 1 });
	buffer_printf(buffer, "%s %u", id, index);
}
