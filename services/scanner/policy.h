/* SPDX-License-Identifier: MIT
 *
 * What a policy makes of what was found: a pure function. It fails closed: what a policy
 * does not mention, or could not be checked, is held or tried again, never cleared. */
#ifndef SERVICES_SCANNER_POLICY_H
#define SERVICES_SCANNER_POLICY_H

#include "lib/arena.h"
#include "proto/control.pb-c.h"
#include "proto/inspection.pb-c.h"
#include "services/scanner/spam_answer.h"

struct evidence {
	const Postern__Inspection *inspection;
	bool is_spam_asked;
	const struct spam_answer *spam; /* NULL: not asked, or no answer */
	const char *no_spam_answer;     /* why there is none */
	/* Of another copy of the scanner that runs other checks, or NULL. */
	const Postern__Verdict *earlier;
	unsigned checks; /* that this copy runs: enum check */
};

struct judgement {
	Postern__Verdict *verdict; /* NULL: try again later */
	const char *why;           /* of that */
};

/* The findings of the inspection get their decisions; all else is made in the arena. */
struct judgement policy_judge(struct arena *arena, const Postern__Policy *policy,
	const struct evidence *evidence);

/* "cleared", "protected", "held", "rejected". */
const char *decision_name(Postern__Decision decision);

#endif
