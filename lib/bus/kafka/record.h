/* SPDX-License-Identifier: MIT
 *
 * A record as read from a partition, copied out of librdkafka's memory (one fetched
 * message would keep megabytes of its neighbours alive). One block on the heap, owned by
 * whoever holds it. */
#ifndef LIB_BUS_KAFKA_RECORD_H
#define LIB_BUS_KAFKA_RECORD_H

#include "lib/bus/kafka/marks.h"

struct kafka_record {
	struct kafka_record *next; /* for its holder's list */
	unsigned stream; /* names topic and partition among those of one reader */
	int32_t partition;
	int64_t offset;
	int64_t stamp_ms; /* when the record was written */
	bool is_damaged;  /* part of a large value, but its header can't be right */
	struct kafka_marks marks;
	struct slice key, value;
	char *joined; /* the value of a head, once it has been put together */
	char bytes[];
};

/* What a record is made of; borrowed. */
struct kafka_source {
	unsigned stream;
	int32_t partition;
	int64_t offset, stamp_ms;
	struct slice key, value, body; /* the body follows the value */
	struct kafka_marks marks;
	bool is_damaged;
};

/* A head whose list of pieces can't be is damaged. */
struct kafka_record *kafka_record_new(const struct kafka_source *source);
void kafka_record_free(struct kafka_record *record);
/* Bytes it holds. */
size_t kafka_record_size(const struct kafka_record *record);
/* When its value was published first. */
int64_t kafka_record_published_ms(const struct kafka_record *record);
/* The offset of a head's piece; not of a damaged one. */
int64_t kafka_record_piece(const struct kafka_record *head, uint32_t index);

#endif
