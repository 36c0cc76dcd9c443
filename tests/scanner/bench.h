/* SPDX-License-Identifier: MIT
 *
 * A pool of real workers on a loop, with messages pushed through it. For tests. */
#ifndef TESTS_SCANNER_BENCH_H
#define TESTS_SCANNER_BENCH_H

#include "services/scanner/folder.h"
#include "services/scanner/pool.h"

#define BENCH_MAX 64

struct outcome {
	struct bench *bench;
	struct order order;
	Postern__Inspection *inspection; /* NULL: `fault` says why */
	struct fault fault;
	unsigned place; /* 1 = was done first */
};

struct bench {
	struct loop *loop;
	struct arena *arena;
	struct folder *folder;
	char signatures[64]; /* a folder of its own */
	Postern__WorkerPlan worker_plan;
	struct pool_plan plan;
	struct pool *pool;
	struct timer *patience;
	struct outcome outcomes[BENCH_MAX];
	bool is_ready;
	struct fault failure; /* why the pool can't open */
	unsigned n_outcomes, n_done, n_alerts;
	char alert[600];
};

/* `program` is beside the test runner, or a path. */
void bench_open(struct bench *bench, const char *program, unsigned workers);
/* Waits until the pool is ready. */
void bench_start(struct bench *bench);
/* Waits until it has failed. */
void bench_fail(struct bench *bench);
void bench_close(struct bench *bench);
/* A path beside the test runner. */
const char *bench_path(struct bench *bench, const char *name);
void bench_put_signature(struct bench *bench, const char *file, const char *text);

struct outcome *bench_push(struct bench *bench, struct slice content, Postern__Lane lane);
/* A message that misbehaves, or not: NULL. */
struct outcome *bench_push_how(struct bench *bench, const char *how);
/* Runs the loop until all that was pushed is done. */
void bench_run(struct bench *bench);
/* Runs the loop until `is_so`. */
void bench_wait(struct bench *bench, bool (*is_so)(struct bench *bench));
/* Runs the loop that long. */
void bench_pass(struct bench *bench, int64_t ms);
/* Process ids of the children of `pid` (0: this process); how many. */
unsigned bench_children(int pid, int *pids, unsigned max);

#endif
