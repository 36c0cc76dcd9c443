/* SPDX-License-Identifier: MIT
 *
 * What became of a message for each of its recipients, as its events tell in the order
 * of their times. */
#ifndef CLI_FATE_H
#define CLI_FATE_H

#include "lib/arena.h"
#include "proto/event.pb-c.h"

struct fate {
	struct arena *arena;
	struct fate_recipient {
		const char *address;
		const char *state; /* for people */
		bool is_final;     /* delivered, bounced, expired, discarded */
		bool is_resting;   /* nothing happens until a person acts */
	} * recipients;
	size_t count, room;
};

void fate_init(struct fate *fate, struct arena *arena);
/* The event is borrowed as long as the fate is used. */
void fate_add(struct fate *fate, const Postern__Event *event);
/* Are there recipients, and is each final or resting? */
bool fate_is_settled(const struct fate *fate);

#endif
