/* SPDX-License-Identifier: MIT
 *
 * A fault says why something failed and what kind of failure it is. The kind alone
 * decides what follows: SMTP 4xx / 5xx / 421; on the bus retry / dead letter or hold /
 * exit and be restarted. A function that can fail takes a `struct fault *` last and
 * returns false. */
#ifndef LIB_FAULT_H
#define LIB_FAULT_H

#include <stdbool.h>

enum fault_kind {
	FAULT_NONE,
	FAULT_TEMPORARY, /* may succeed later, unchanged */
	FAULT_PERMANENT, /* never succeeds with this input */
	FAULT_FATAL,     /* this process cannot go on */
};

struct fault {
	enum fault_kind kind;
	char text[512];
};

/* Each fills `fault` (which may be NULL) and returns false, so a failure is one line:
 *     return fault_temporary(fault, "DNS for %s: %s", host, why); */
bool fault_temporary(struct fault *fault, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool fault_permanent(struct fault *fault, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool fault_fatal(struct fault *fault, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Puts "context: " before the text, keeps the kind, returns false. */
bool fault_within(struct fault *fault, const char *context);

#endif
