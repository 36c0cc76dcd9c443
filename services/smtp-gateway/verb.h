/* SPDX-License-Identifier: MIT
 *
 * One SMTP command: a const record at the foot of its file in verbs/, found by the
 * generated registry. The session dispatches through the record and knows no verb by
 * name. */
#ifndef SMTP_GATEWAY_VERB_H
#define SMTP_GATEWAY_VERB_H

#include <stdbool.h>

#include "lib/slice.h"

struct session;

enum verb_flag {
	VERB_NEEDS_HELO = 1,
	VERB_TAKES_ARGUMENT = 2, /* otherwise one is a syntax error */
};

struct verb {
	const char *name;
	unsigned states; /* of enum session_state: where it may be given */
	unsigned flags;
	const char *usage; /* what HELP says; NULL: nothing */
	/* May it be done now? Replies itself if not. NULL: always. */
	bool (*may)(struct session *session, struct slice argument);
	void (*act)(struct session *session, struct slice argument);
};

/* Ended by NULL. */
extern const struct verb *const verb_registry[];

#endif
