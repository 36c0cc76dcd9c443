/* SPDX-License-Identifier: MIT
 *
 * Housekeeping of a bus's topics on a thread of its own, off every commit: checkpoints
 * once a WAL has grown, retention in small steps. It wakes when it is nudged or when a
 * topic's retention is due, never else. Files do not shrink; their free pages are used
 * again. */
#ifndef LIB_BUS_LOCAL_KEEPER_H
#define LIB_BUS_LOCAL_KEEPER_H

#include "lib/bus/local/database.h"
#include "lib/bus/local/local.h"

/* From the loop's thread; once for each topic is enough. */
void keeper_add(struct local_bus *bus, const char *topic);
/* After a commit: asks for a checkpoint if the WAL has grown. From any thread. */
void keeper_look(struct local_bus *bus, const char *topic, struct database *database);
void keeper_close(struct local_bus *bus);
/* The same on the caller's own thread, for a publisher that leaves: where all publishers
 * are as short-lived as posternctl no keeper ever hears of what they have written. */
void keeper_checkpoint(struct database *database);

/* A topic in the keeper's hands; its thread's. */
struct kept {
	struct kept *next;
	struct local_bus *bus;
	char *topic;
	const struct bus_topic *rules; /* NULL: kept for ever */
	bool wants_checkpoint;         /* guarded by the bus's lock */
	int64_t sweep_ms;              /* when to look for what has outlived its time */
	int64_t time_ms, id;           /* how far this sweep has come */
	int64_t bodies;                /* bytes of its bodies; -1: not added up yet */
	bool is_open;
	struct bell bell;
	struct database records, groups; /* groups may be not there */
	struct trouble trouble;
};

/* The next step is the first of a sweep. */
void kept_begin_anew(struct kept *kept);
/* One small step of retention; `ret_is_done`: nothing more to do now. */
bool kept_sweep(struct kept *kept, bool *ret_is_done, struct fault *fault);

#endif
