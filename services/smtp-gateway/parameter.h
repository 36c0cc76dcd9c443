/* SPDX-License-Identifier: MIT
 *
 * The parameters of MAIL and RCPT (RFC 5321 4.1.2, esmtp-param): each verb has a table
 * of those it knows. None may come twice. */
#ifndef SMTP_GATEWAY_PARAMETER_H
#define SMTP_GATEWAY_PARAMETER_H

#include "lib/slice.h"
#include "services/smtp-gateway/refusal.h"

struct parameter {
	const char *name; /* NULL ends a table */
	/* `value` without data: there was no "=". */
	bool (*take)(void *with, struct slice value, struct refusal *refusal);
};

/* At most 32 rows. */
bool parameters_take(struct slice text, const struct parameter *table, void *with,
	struct refusal *refusal);

/* RFC 3461 4: printable ASCII, '+' and two upper-case hexadecimal digits for others. */
bool xtext_is_valid(struct slice text);

#endif
