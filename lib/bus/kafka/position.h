/* SPDX-License-Identifier: MIT
 *
 * How far a group has come in one partition, where records are settled in any order: the
 * position moves only over a contiguous run of settled records. Plain arithmetic, no I/O.
 */
#ifndef LIB_BUS_KAFKA_POSITION_H
#define LIB_BUS_KAFKA_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Beyond this many records behind one that isn't settled nothing more should be taken: a
 * member that dies has them all delivered again. */
#define KAFKA_SPAN_MAX 65536

struct kafka_taken;

struct kafka_position {
	int64_t base; /* all before it are settled; -1 = not known yet */
	int64_t next; /* the first offset not seen yet; -1 = not known yet */
	/* Taken at or after base, by rising offset: a ring of `room` places. */
	struct kafka_taken *taken;
	size_t first, count, room;
};

/* `offset` -1: the first record seen says where it begins. */
void kafka_position_init(struct kafka_position *position, int64_t offset);
void kafka_position_done(struct kafka_position *position);
/* The record at `offset` is in hand. Offsets must rise; there may be gaps. */
void kafka_position_take(struct kafka_position *position, int64_t offset);
/* The record at `offset` is nobody's to settle (a piece, or another group's). */
void kafka_position_pass(struct kafka_position *position, int64_t offset);
/* True if base moved. An offset that isn't in hand changes nothing. */
bool kafka_position_settle(struct kafka_position *position, int64_t offset);
/* All before `offset` are settled, by others. */
void kafka_position_skip(struct kafka_position *position, int64_t offset);
/* Records between the base and the newest one taken. */
size_t kafka_position_span(const struct kafka_position *position);

#endif
