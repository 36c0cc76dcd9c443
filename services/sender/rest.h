/* SPDX-License-Identifier: MIT
 *
 * A destination that could not be reached rests: when it is tried again, and when the
 * mail that waits for it comes back from the bus. A lane stands in one line, so that it
 * comes evenly, whether the destination is back or not. Times are monotonic: a step of
 * the clock makes nobody wait longer. Pure: clock and chance are arguments. */
#ifndef SERVICES_SENDER_REST_H
#define SERVICES_SENDER_REST_H

#include <stddef.h>
#include <stdint.h>

#include "services/sender/reply.h"

struct rest {
	unsigned failures; /* connections in a row that came to nothing; 0: it works */
	int64_t since_ms;  /* of the first */
	int64_t until_ms;  /* no connection before */
	int64_t length_ms;
	size_t untried; /* messages that came since then, and were put off */
	size_t crowd;   /* how many wait, as far as was seen before */
	struct reply why;
};

/* The mail of a lane for all destinations of a process, as it comes back. */
struct rest_line {
	struct rest_pace {
		size_t messages, bytes; /* a second: what that may cost */
	} pace;
	int64_t end_us; /* when the last of it comes */
};

/* A connection came to nothing, and `queued` messages waited for it. */
void rest_begin(struct rest *rest, size_t queued, const struct reply *why, int64_t now_ms,
	uint32_t chance);
/* A connection worked. */
void rest_end(struct rest *rest);
/* How many ms later a message that can't go now comes again. */
int64_t rest_put_off(const struct rest *rest, struct rest_line *line, size_t size_bytes,
	int64_t now_ms, uint32_t chance);

#endif
