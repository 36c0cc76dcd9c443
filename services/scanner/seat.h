/* SPDX-License-Identifier: MIT
 *
 * A seat of the pool: holds one worker process at a time, hands it one message at a time,
 * minds the clock and kills it when that has run out. What the worker answers is checked
 * here; what becomes of the message is the pool's business. */
#ifndef SERVICES_SCANNER_SEAT_H
#define SERVICES_SCANNER_SEAT_H

#include "lib/loop.h"
#include "services/scanner/generation.h"
#include "services/scanner/processor_use.h"

struct order;
struct seat;

/* Why a worker is gone that had a message. */
enum loss {
	LOSS_TIMEOUT, /* killed: the time for the message had run out */
	LOSS_CRASH,   /* it died: a fault of its own, its memory limit, or forbidden calls
		       */
	LOSS_RUBBISH, /* killed: its answer made no sense */
	LOSS_FAULT,   /* it says itself that it could not inspect the message */
	LOSS_STARVED, /* killed: it could not be done in time, for want of a processor */
	LOSS_OURS,    /* its whole generation died, or it never got the message */
};

struct seat_calls {
	void (*answered)(
		void *with, struct order *order, Postern__Inspection *inspection);
	void (*lost)(void *with, struct order *order, enum loss loss, const char *why);
	/* Something has changed: it may be filled, emptied or given a message. */
	void (*changed)(void *with);
};

enum seat_state {
	SEAT_EMPTY,
	SEAT_RESTING, /* empty, and stays so for a while: its workers have died */
	SEAT_WAITING, /* for a worker that starts */
	SEAT_IDLE,
	SEAT_BUSY,
};

struct seat {
	const struct seat_calls *calls;
	void *with;
	struct loop *loop;
	int64_t timeout_ms; /* for a message of up to 1 MiB, a tenth more for each more */
	bool is_prompt;     /* for newcomers (lib/turns.h) */
	enum seat_state state;
	struct generation *generation; /* of its worker; NULL when empty */
	int socket, pidfd;
	int facts; /* of its worker's use of the processor */
	struct watch *on_packet;
	struct timer *clock;
	struct order *order;      /* while busy */
	int64_t given_ms;         /* when it was given it (monotonic) */
	struct processor_use use; /* its worker's by then */
	unsigned losses;          /* in a row */
};

void seat_init(struct seat *seat, struct loop *loop, const struct seat_calls *calls,
	void *with, int64_t timeout_ms, bool is_prompt);
/* Kills its worker; its order is not called. */
void seat_done(struct seat *seat);

/* An empty seat asks for a worker. */
void seat_fill(struct seat *seat, struct generation *generation);
/* The worker was forked (-1: it was not); it is waited for until it has locked itself in
 * and says so. */
void seat_hatched(struct seat *seat, int pidfd);
/* An idle seat takes a message. False: this process has no means for it now. */
bool seat_give(struct seat *seat, struct order *order, struct fault *fault);
/* An idle seat lets its worker go. */
void seat_clear(struct seat *seat);
/* Its generation is dead. */
void seat_lose(struct seat *seat);

#endif
