/* SPDX-License-Identifier: MIT
 *
 * Threads that take work off the loop and hand it back to it done. Workers own no work:
 * it stays its maker's, who must not touch it between workers_add() and `done`. */
#ifndef SIGNER_WORKERS_H
#define SIGNER_WORKERS_H

#include "lib/turns.h"

struct loop;
struct workers;

/* The first member of what is to be worked on; lane and app are its maker's to set. */
struct work {
	struct turn turn;
};

struct workers_calls {
	void (*run)(void *with, struct work *work);  /* on one of the threads */
	void (*done)(void *with, struct work *work); /* on the loop's thread */
};

/* One thread more than there are processors where `threads` is 0; and one that does
 * nothing but newcomers (lib/turns.h), before all others. */
struct workers *workers_new(struct loop *loop, unsigned threads,
	const struct workers_calls *calls, void *with);
void workers_add(struct workers *workers, struct work *work);
/* Waits for what is being run; calls `done` for nothing any more. */
void workers_free(struct workers *workers);

#endif
