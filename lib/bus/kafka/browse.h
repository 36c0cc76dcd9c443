/* SPDX-License-Identifier: MIT
 *
 * Browsing: each partition is read within its span of offsets, forwards or in steps
 * backwards, and what is held of them is merged by time. browse.c has the browser's life
 * and what it shows, span.c reads the partitions. */
#ifndef LIB_BUS_KAFKA_BROWSE_H
#define LIB_BUS_KAFKA_BROWSE_H

#include "lib/bus/kafka/cursor.h"
#include "lib/bus/kafka/joiner.h"
#include "lib/bus/kafka/kafka.h"
#include "lib/bus/kafka/newest.h"

enum { KAFKA_HELD_MAX = 128 }; /* records of a partition that wait to be merged */

struct kafka_part {
	int32_t number;
	int64_t from, to; /* offsets still to be read: [from, to) */
	/* Forwards: all up to `to` has been read. */
	bool is_at_end;
	/* Backwards: the step under way covers [step, to). */
	bool is_stepping;
	int64_t step, stride;
	/* By rising offset. */
	struct kafka_record *held[KAFKA_HELD_MAX];
	unsigned count;
	size_t bytes;
};

struct kafka_browser {
	struct bus_browser browser;
	struct kafka *kafka;
	char *topic, *key;
	struct bus_range range; /* with our copies of topic and key */
	bus_seen *seen;
	void *with;
	size_t key_prefix;
	bool is_compacted;
	bool is_backward; /* until it turns to what is live */
	bool is_indexing; /* first pass: which record of each key is the newest */
	bool is_over, is_calling, is_closed;
	uint64_t shown;
	struct kafka_errand *asking;
	struct timer *patience;
	struct kafka_cursor *cursor;
	struct kafka_part *parts;
	int32_t count;
	int64_t *ends; /* where what is live begins, by partition */
	struct kafka_joiner *joiner;
	struct kafka_newest *newest; /* of compacted topics: keys without values */
	struct kafka_record *torn;   /* a head whose pieces are read again */
	struct kafka_refetch *refetch;
};

struct bus_browser *kafka_browse(struct bus *bus, const struct bus_range *range,
	bus_seen *seen, void *with, struct fault *fault);
void kafka_unbrowse(struct bus_browser *browser);

/* In span.c. Reads what is there, as far as it may be held. False: nothing was there. */
bool kafka_part_read(struct kafka_browser *browser, struct kafka_part *part);
/* Nothing can come any more that belongs before what it holds. */
bool kafka_part_is_ready(
	const struct kafka_browser *browser, const struct kafka_part *part);
/* The next to be shown, still held; NULL if none is. */
struct kafka_record *kafka_part_peek(
	const struct kafka_browser *browser, const struct kafka_part *part);
struct kafka_record *kafka_part_take(
	const struct kafka_browser *browser, struct kafka_part *part);
void kafka_part_done(struct kafka_part *part);

#endif
