/* SPDX-License-Identifier: MIT
 *
 * Reading along a topic without a group, on a thread of its own: what followers and
 * browsers have in common. It reads in batches, has a bounded amount under way to the
 * loop, and keeps no read transaction open while it waits. */
#ifndef LIB_BUS_LOCAL_WALK_H
#define LIB_BUS_LOCAL_WALK_H

#include "lib/bus/local/bodies.h"
#include "lib/bus/local/database.h"
#include "lib/bus/local/local.h"

struct walk;

enum walk_result {
	WALK_ON,     /* there may be more */
	WALK_REST,   /* nothing until the bell rings */
	WALK_OVER,   /* never anything again */
	WALK_FAILED, /* see the fault */
};

enum sighting_kind {
	SIGHTING_RECORD,
	SIGHTING_CAUGHT_UP, /* a follower has seen all there was */
	SIGHTING_END,       /* of a browser; `fault` may tell why */
};

/* Something on its way to the loop. */
struct sighting {
	struct parcel parcel;
	struct walk *walk;
	enum sighting_kind kind;
	struct slice key, value;
	int64_t time_ms;
	char *bytes; /* its own */
	struct fault fault;
};

struct walk_plan {
	bool may_create;  /* makes the topic's files where there are none, else it is over
			   */
	bool is_stubborn; /* tries again after a failure, else a failure is the end */
	/* On the thread: reads a batch and sends it. */
	enum walk_result (*step)(struct walk *walk, struct fault *fault);
	/* In the loop; may close the walk. */
	void (*show)(struct walk *walk, const struct sighting *sighting);
};

struct walk {
	struct local_bus *bus;
	const struct walk_plan *plan;
	char *topic;
	pthread_t thread;
	pthread_cond_t wake;
	/* Guarded by the bus's lock. */
	bool is_closing;
	size_t under_way; /* bytes sent and not yet shown */
	/* The thread's. */
	bool is_open;
	bool is_fresh; /* just opened: it may be another file than before */
	struct bell bell;
	struct ear ear;
	struct database records;
	struct trouble trouble;
};

/* `walk` is embedded; its owner is zeroed memory. */
void walk_start(struct walk *walk, struct local_bus *bus, const struct walk_plan *plan,
	const char *topic);
/* Ends the thread; nothing is shown any more. */
void walk_stop(struct walk *walk);

/* The columns of a row that walk_send_rows() takes. */
#define WALK_COLUMNS "id, time, " STORED_COLUMNS

/* Borrowed for the call; the value without its body. */
struct walk_row {
	int64_t id, time_ms;
	struct slice key, value;
};

/* For `step`: sends the rows that are wanted. Stops at the end or after a batch. */
enum walk_result walk_send_rows(struct walk *walk, sqlite3_stmt *rows,
	bool (*wants)(struct walk *walk, const struct walk_row *row),
	struct fault *fault);
void walk_send(struct walk *walk, enum sighting_kind kind, const struct fault *fault);

#endif
