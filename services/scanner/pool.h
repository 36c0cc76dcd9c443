/* SPDX-License-Identifier: MIT
 *
 * The pool of worker processes: queues messages, gives each to a worker, tries one that a
 * worker did not survive once more, and follows the signatures with new generations of
 * workers. One loop's; it never blocks on a worker. Reports back exactly once for each
 * order, unless the pool is closed before. */
#ifndef SERVICES_SCANNER_POOL_H
#define SERVICES_SCANNER_POOL_H

#include "lib/arena.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/turns.h"
#include "services/scanner/generation.h"

struct pool;

struct pool_plan {
	struct generation_plan generation;
	unsigned workers;   /* and one for newcomers (lib/turns.h) */
	int64_t timeout_ms; /* see seat.h */
	const struct log *log;
	/* Once, if the pool can inspect: the first generation has loaded. */
	void (*ready)(void *with);
	/* Once, if it can't: the pool is of no use, `why` says what to do. */
	void (*failed)(void *with, const struct fault *why);
	/* Somebody must act: new signatures that can't be loaded, a worker program that
	 * dies. */
	void (*alert)(void *with, const char *reason);
	void *with;
};

/* `plan` outlives the pool. What is pushed before it is ready waits. */
struct pool *pool_open(
	struct loop *loop, const struct pool_plan *plan, struct fault *fault);
void pool_close(struct pool *pool);
/* The signatures have changed: a new generation is loaded beside the one that works. */
void pool_reload(struct pool *pool);
bool pool_is_ready(const struct pool *pool, struct fault *why);
/* NULL while there is none. */
const Postern__WorkerReady *pool_facts(const struct pool *pool);

/* A message to inspect. The caller's, and alive until `done` was called; the pool chains
 * it and counts in it. */
struct order {
	struct turn turn; /* first; lane and app are the caller's to set */
	struct slice content;
	struct arena *arena; /* for the inspection */
	const struct log *log;
	/* `inspection` NULL: FAULT_TEMPORARY, try again later; FAULT_PERMANENT, it was
	 * tried twice and cost a worker each time. */
	void (*done)(
		void *with, Postern__Inspection *inspection, const struct fault *fault);
	void *with;

	unsigned losses;
};
void pool_inspect(struct pool *pool, struct order *order);

#endif
