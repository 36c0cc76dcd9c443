/* SPDX-License-Identifier: MIT
 *
 * The findings about one message while it is inspected. Text that came from the message
 * (file names, signature names) is cut and made printable here. Bounded: what does not
 * fit raises the last finding of its check, so nothing is ever left out of the count. */
#ifndef SERVICES_SCANNER_WORKER_REPORT_H
#define SERVICES_SCANNER_WORKER_REPORT_H

#include "lib/arena.h"
#include "proto/inspection.pb-c.h"

#define REPORT_FINDINGS 64

/* The checks of a finding; otherwise it is a detector's name. */
#define CHECK_MALWARE     "malware"
#define CHECK_ENCRYPTED   "encrypted"
#define CHECK_UNSCANNABLE "unscannable"

struct report {
	struct arena *arena;
	Postern__Finding *findings[REPORT_FINDINGS];
	size_t count;
};

struct observation {
	const char *check;
	const char *name;
	const char *evidence; /* NULL = "" */
	const char *part;     /* NULL = "" */
	unsigned count;
};

void report_add(struct report *report, const struct observation *observation);
/* Printable UTF-8 of at most 120 bytes, in the arena. */
const char *report_text(struct arena *arena, const char *text);

#endif
