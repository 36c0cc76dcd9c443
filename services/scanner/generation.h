/* SPDX-License-Identifier: MIT
 *
 * A generation of workers: one worker program that has loaded one state of the signatures
 * and hatches workers off it. A new state is a new generation beside the old one, which
 * stays until its last worker has ended. */
#ifndef SERVICES_SCANNER_GENERATION_H
#define SERVICES_SCANNER_GENERATION_H

#include "lib/fault.h"
#include "lib/loop.h"
#include "proto/inspection.pb-c.h"

struct generation;

struct generation_plan {
	const char *program;
	const char *folder;                /* for folders of generations */
	const Postern__WorkerPlan *worker; /* its `folder` is filled in here */
	int64_t load_ms;                   /* then it counts as failed */
};

/* All are called from the loop. */
struct generation_calls {
	/* It has loaded and may be asked for workers. */
	void (*ready)(void *with, struct generation *generation);
	/* It can't load, or has died: no worker will come of it any more. The callee may
	 * kill it. */
	void (*failed)(
		void *with, struct generation *generation, const struct fault *fault);
	/* It was retired and has ended; it is freed after the call. */
	void (*ended)(void *with, struct generation *generation);
	/* A worker waits at the other end of the socket; -1: there is none. The pidfd is
	 * the callee's. */
	void (*hatched)(void *with, void *who, int pidfd);
};

struct generation *generation_start(struct loop *loop, const struct generation_plan *plan,
	const struct generation_calls *calls, void *with, struct fault *fault);
/* Asks for a worker with that end of a socket pair, which stays the caller's; wire.h
 * says what a prompt one is. */
bool generation_hatch(struct generation *generation, int socket, bool is_prompt,
	void *who, struct fault *fault);
/* It does not answer `who`, who asks no longer: kills its program, so that it fails. */
void generation_abort(struct generation *generation, const void *who);
/* Has it died, as far as the kernel knows? Its workers die with it. */
bool generation_is_gone(const struct generation *generation);
const Postern__WorkerReady *generation_facts(const struct generation *generation);

/* A worker of it is in use, or no longer. */
void generation_hold(struct generation *generation);
void generation_release(struct generation *generation);
/* It ends when no worker of it is in use any more. */
void generation_retire(struct generation *generation);
/* At once, workers or not; blocks for the moment that a kill takes. */
void generation_kill(struct generation *generation);

#endif
