/* SPDX-License-Identifier: MIT
 *
 * What the engine notes on a record, as Kafka record headers in plain text ("postern-…"),
 * so that kcat shows them. They come from the broker and may be damaged: what can't be
 * read is refused, never guessed. */
#ifndef LIB_BUS_KAFKA_MARKS_H
#define LIB_BUS_KAFKA_MARKS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/slice.h"

/* A broker with default settings takes records up to 1 MiB; librdkafka's own default
 * limit is 1,000,000 with key and headers. */
#define KAFKA_PIECE_SIZE ((size_t)900000)
/* Longest key that still fits beside a piece. */
#define KAFKA_KEY_SIZE ((size_t)32768)

enum kafka_form {
	KAFKA_WHOLE, /* the value as it is */
	KAFKA_PIECE, /* one piece of a large value; nobody is given it */
	KAFKA_HEAD,  /* stands for a large value; its own bytes are the pieces' offsets */
};

struct kafka_marks {
	unsigned attempt;     /* 0 = not noted, which is the first */
	int64_t published_ms; /* at first; 0 = when this record was written */
	int64_t due_ms;       /* of a record on a retry topic */
	struct slice topic;   /* where a record on a retry topic belongs */
	struct slice group;   /* the only group that is given it; empty = all */
	enum kafka_form form;
	struct slice id; /* of the large value */
	uint32_t index;  /* of the piece */
	uint32_t count;  /* of pieces */
	uint64_t size;   /* of the large value in bytes, told by its head */
};

/* One header. False: it says that the record is part of a large value, but not how. What
 * else can't be read, and headers of others, are passed over. The slices in `marks` point
 * into `text`. */
bool kafka_marks_read(struct kafka_marks *marks, struct slice name, struct slice text);

/* Calls `put` for each header that says what `marks` says. */
typedef void kafka_marks_put(void *with, const char *name, struct slice text);
void kafka_marks_write(const struct kafka_marks *marks, kafka_marks_put *put, void *with);

/* The offsets of a large value's pieces, as the head's bytes: 8 each, most significant
 * first. */
void kafka_offset_write(char *bytes, int64_t offset);
int64_t kafka_offset_read(const char *bytes);

#endif
