/* SPDX-License-Identifier: MIT
 *
 * In a compacted topic the pieces of a large value have keys of their own, so nothing
 * removes them when the value changes. This remembers which pieces the newest value of a
 * key has, for the keys this process has read or written lately; when it publishes the
 * next value, it deletes them. A forgotten one costs room in the topic, nothing else. */
#ifndef LIB_BUS_KAFKA_REMAINS_H
#define LIB_BUS_KAFKA_REMAINS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/id.h"

struct kafka_remains;

/* Where the pieces of a key's newest value are. */
struct kafka_remain {
	struct id id;
	uint32_t count; /* 0 = it has none */
	int32_t partition;
	int64_t offset; /* of the value's head */
};

struct kafka_remains *kafka_remains_new(void);
void kafka_remains_free(struct kafka_remains *remains);
/* NULL: none is known. */
const struct kafka_remain *kafka_remains_find(
	const struct kafka_remains *remains, struct slice topic, struct slice key);
/* Unless a newer one is known. */
void kafka_remains_note(struct kafka_remains *remains, struct slice topic,
	struct slice key, const struct kafka_remain *now);

/* The key of a piece in a compacted topic. */
void kafka_piece_key(
	struct buffer *buffer, struct slice key, const char *id, uint32_t index);

#endif
