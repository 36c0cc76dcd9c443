/* SPDX-License-Identifier: MIT
 *
 * The worker program's first process: loads what workers need, then forks one off it each
 * time the scanner asks, so that a large signature database is in memory once. It sees no
 * message itself, owns the workers' folders and empties them after a death. It ends with
 * its control socket, and its workers with it. */
#ifndef SERVICES_SCANNER_WORKER_ZYGOTE_H
#define SERVICES_SCANNER_WORKER_ZYGOTE_H

#include "lib/arena.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "proto/inspection.pb-c.h"

extern const struct log worker_log;

/* Where the scanner leaves the control socket. */
#define CONTROL_FD 3

struct duty {
	/* Once, before any fork. `plan` outlives it; what `ready` is given as well. NULL:
	 * `fault` says why. */
	void *(*load)(const Postern__WorkerPlan *plan, Postern__WorkerReady *ready,
		struct fault *fault);
	/* In a worker: fills `result`, whose memory is in the arena or older. */
	void (*inspect)(void *self, struct arena *arena, const Postern__Inspect *request,
		struct slice content, Postern__Inspection *result);
	void (*unload)(void *self);
};

/* Returns the exit status of the program. */
int zygote_run(int control, const struct duty *duty);

#endif
