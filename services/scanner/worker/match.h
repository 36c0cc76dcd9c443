/* SPDX-License-Identifier: MIT
 *
 * Runs all detectors over text: one pass of Hyperscan for the candidates, then each
 * detector decides on its own. Made once before the workers are forked; a matcher then
 * serves one message at a time. */
#ifndef SERVICES_SCANNER_WORKER_MATCH_H
#define SERVICES_SCANNER_WORKER_MATCH_H

#include "lib/fault.h"
#include "lib/slice.h"

struct matcher;
struct report;

/* Distinct values of one detector that are told apart in a message; past that the count
 * stays. */
#define VALUES_MAX 512

struct matcher *matcher_new(struct fault *fault);
void matcher_free(struct matcher *matcher);

/* Forgets the message before. */
void matcher_begin(struct matcher *matcher);
/* `part` (borrowed until matcher_report) says where the text stands. */
bool matcher_scan(struct matcher *matcher, struct slice text, const char *part,
	struct fault *fault);
/* One finding for each detector that has hits. */
void matcher_report(const struct matcher *matcher, struct report *report);

#endif
