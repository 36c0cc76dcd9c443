/* SPDX-License-Identifier: MIT
 *
 * A cursor reads partitions of one topic from offsets that it is told, without a group.
 * Followers, browsers and the refetching of pieces are made of it. */
#ifndef LIB_BUS_KAFKA_CURSOR_H
#define LIB_BUS_KAFKA_CURSOR_H

#include "lib/bus/kafka/kafka.h"

struct kafka_cursor;

enum kafka_step {
	KAFKA_STEP_NONE,   /* nothing there now; `ready` will be called */
	KAFKA_STEP_RECORD, /* a record, for the caller to free */
	KAFKA_STEP_END,    /* the end of the partition, for now */
};

/* Reads partitions below `count`; `ready` is called from the loop. */
struct kafka_cursor *kafka_cursor_open(
	struct kafka *kafka, const char *topic, int32_t count, struct fault *fault);
void kafka_cursor_listen(struct kafka_cursor *cursor, void (*ready)(void *), void *with);
/* From `offset` (or RD_KAFKA_OFFSET_BEGINNING), whether it was reading or not. */
void kafka_cursor_start(struct kafka_cursor *cursor, int32_t partition, int64_t offset);
void kafka_cursor_stop(struct kafka_cursor *cursor, int32_t partition);
/* The record's stream is its partition. `ret_offset`: its offset, or that of the end. */
enum kafka_step kafka_cursor_next(struct kafka_cursor *cursor, int32_t partition,
	struct kafka_record **ret_record, int64_t *ret_offset);
/* Has `ready` called again. */
void kafka_cursor_ring(struct kafka_cursor *cursor);
/* NULL does nothing. May be called from `ready`. */
void kafka_cursor_close(struct kafka_cursor *cursor);

#endif
