/* SPDX-License-Identifier: MIT
 *
 * A message taken apart by GMime: its leaf parts decoded, and the text in them ready for
 * detectors, if somebody asks for them. Only reads; never re-serialises. Everything it
 * gives lives in the arena or is part of the message.
 * What goes beyond a limit is not looked at and named in `excess`, so that nobody takes
 * the rest for the whole. What is inside archives and office documents is not text here:
 * libclamav alone sees it. */
#ifndef SERVICES_SCANNER_WORKER_MESSAGE_H
#define SERVICES_SCANNER_WORKER_MESSAGE_H

#include "lib/arena.h"
#include "proto/inspection.pb-c.h"

struct part {
	const char *label;    /* "2", "1.3", "2 (invoice.pdf)", "subject" */
	struct slice content; /* decoded bytes; empty for what is only text */
	struct slice text;    /* empty if it is none, or no detector is to run */
	bool is_verbatim;     /* a plain text body that stands in the message as it is */
};

struct message {
	struct part *parts;
	size_t n_parts;
	const char *excess; /* the limit that was passed, for people; NULL = none */
};

/* Once in a process, before any fork. */
void message_init(void);
void message_open(struct arena *arena, struct slice content,
	const Postern__WorkerPlan *limits, struct message *ret_message);

#endif
