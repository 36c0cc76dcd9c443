/* SPDX-License-Identifier: MIT
 *
 * A subscription and its thread, and the sources (topics) that it reads. The loop hands
 * ended deliveries over through `ended`; everything else of a reader that changes belongs
 * to its thread. */
#ifndef LIB_BUS_LOCAL_READER_H
#define LIB_BUS_LOCAL_READER_H

#include "lib/bus/local/bodies.h"
#include "lib/bus/local/groups.h"
#include "lib/bus/local/local.h"
#include "lib/bus/local/member.h"

enum delivery_end {
	DELIVERY_SETTLED,
	DELIVERY_RETURNED,
	DELIVERY_UNSEEN, /* given back before anyone was called: no attempt */
};

struct local_delivery {
	struct bus_delivery base;
	struct parcel parcel;
	struct local_delivery *next, **link; /* `link` is NULL while not in hand */
	struct source *source;
	int64_t id, size;
	unsigned place; /* of its app in the crowd */
	struct stored stored;
	enum delivery_end end;
	int64_t due_ms;
};

struct source {
	struct local_reader *reader;
	char *topic;
	unsigned weight;
	int64_t credit; /* of its turns, while several sources have records */
	size_t quota;   /* records it may take now */
	size_t room;    /* and beyond these, of apps that have nothing in hand */
	size_t held;    /* of it, taken and not ended */
	bool may_have;  /* something may be ready */
	bool has_moved; /* its last work changed what a next round would find */
	bool has_news;  /* its bell rang: there may be something to admit */
	bool is_open, has_ear;
	int64_t retry_ms; /* when to try again after a failure; 0 = now */
	int64_t next_due_ms;
	int64_t peers_ms; /* when to look whether the other members live; 0 = no need */
	struct bell bell;
	struct ear ear;
	struct database records, groups;
	struct group group;
	struct trouble trouble;
	struct local_delivery *ended, **last_ended; /* to be noted */
};

struct local_reader {
	struct bus_reader base;
	struct local_bus *bus;
	bus_taken *taken;
	void *with;
	char *group;
	size_t window, window_bytes;
	struct local_delivery *in_hand; /* the loop's */
	pthread_t thread;
	pthread_cond_t wake;
	/* Guarded by the bus's lock. */
	struct local_delivery *ended, **last_ended;
	size_t ended_count;
	int64_t note_us; /* when what has ended must be noted (monotonic) */
	bool is_paused, is_closing;
	/* The thread's. */
	struct member member;
	size_t held, held_bytes; /* taken and not ended */
	struct crowd crowd;      /* of these */
	size_t source_count;
	unsigned top_weight;    /* of all its sources */
	struct source *blocked; /* its next record doesn't fit into window_bytes yet */
	struct source *sources;
};

/* From the loop's thread: notes soon how the delivery has ended. */
void reader_end(struct local_delivery *delivery);

/* All of these on the reader's thread. */

/* Notes what has ended, admits what is new and takes up to its quota. False if there was
 * a failure: the source rests until retry_ms. */
bool source_work(struct source *source);
/* Frees what dead members have in hand. */
void source_check_peers(struct source *source);
/* Notes what has ended and gives back everything else. */
void source_leave(struct source *source);

/* Gives up what it holds of the record. */
void delivery_empty(struct local_delivery *delivery);
void delivery_free(struct local_delivery *delivery);

#endif
