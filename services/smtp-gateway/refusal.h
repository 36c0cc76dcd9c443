/* SPDX-License-Identifier: MIT
 *
 * Why something is refused, as SMTP says it: code, enhanced code (RFC 3463), text. */
#ifndef SMTP_GATEWAY_REFUSAL_H
#define SMTP_GATEWAY_REFUSAL_H

#include <stdbool.h>

struct refusal {
	const char *code, *enhanced; /* literals */
	char text[512];
};

/* Fills `refusal`, returns false. */
bool refuse(struct refusal *refusal, const char *code, const char *enhanced,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
