/* SPDX-License-Identifier: MIT
 *
 * The newest record of each key, in the order in which they were written. No I/O. */
#ifndef LIB_BUS_KAFKA_NEWEST_H
#define LIB_BUS_KAFKA_NEWEST_H

#include "lib/bus/kafka/record.h"

struct kafka_newest;

struct kafka_newest *kafka_newest_new(void);
void kafka_newest_free(struct kafka_newest *newest);
/* Takes the record over; the one with the same key before it is dropped. */
void kafka_newest_add(struct kafka_newest *newest, struct kafka_record *record);
/* The one that was written first, for the caller to free; NULL if there is none. */
struct kafka_record *kafka_newest_take(struct kafka_newest *newest);
/* That of a key, or NULL; stays here. */
const struct kafka_record *kafka_newest_find(
	const struct kafka_newest *newest, struct slice key);
/* Bytes held. */
size_t kafka_newest_size(const struct kafka_newest *newest);

#endif
