/* SPDX-License-Identifier: MIT
 *
 * Reads what rspamd answers to POST /checkv2. It may be another program's answer, or half
 * of one: whatever is not a whole and sane answer is a fault, never "no spam". No I/O. */
#ifndef SERVICES_SCANNER_SPAM_ANSWER_H
#define SERVICES_SCANNER_SPAM_ANSWER_H

#include "lib/arena.h"
#include "lib/fault.h"

struct spam_answer {
	double score;
	const char *action;  /* "no action", "reject", "soft reject", … */
	const char *symbols; /* "GTUBE(15.0), MISSING_MID(2.5)": what weighed most */
};

/* FAULT_TEMPORARY. */
bool spam_answer_parse(struct arena *arena, struct slice bytes,
	struct spam_answer *ret_answer, struct fault *fault);

#endif
