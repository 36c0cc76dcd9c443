/* SPDX-License-Identifier: MIT
 *
 * "app=shop,verdict=hold": which mails are meant. All terms must hold; the values of the
 * addresses are patterns with '*' and '?', without regard to case. */
#ifndef CLI_FILTER_H
#define CLI_FILTER_H

#include "lib/arena.h"
#include "lib/fault.h"
#include "proto/mail.pb-c.h"

#define FILTER_HELP \
	"app=, lane=, pool=, verdict=, from=, to=, id=, by commas; all must hold"

struct filter {
	const struct filter_term *terms;
	size_t count;
};

/* Adds the terms of `text`; FAULT_PERMANENT says what is allowed. */
bool filter_add(struct filter *filter, struct arena *arena, const char *text,
	struct fault *fault);
bool filter_matches(const struct filter *filter, const Postern__Mail *mail);

#endif
