/* SPDX-License-Identifier: MIT
 *
 * A mail as the pipeline holds it, and posternctl called as main() calls it. */
#ifndef TESTS_POSTERNCTL_SAMPLE_H
#define TESTS_POSTERNCTL_SAMPLE_H

#include "cli/command.h"
#include "proto/mail.pb-c.h"

#define SAMPLE_ID "01890000-0000-7000-8000-000000000000"

/* Of app "shop", lane urgent, to ann and bob, with a Received and a DKIM-Signature that
 * were added, an empty verdict, and no hold. */
Postern__Mail *sample_mail(struct arena *arena, const char *id);

struct outcome {
	enum status status;
	char out[65536], errors[65536];
};

/* Runs posternctl on the bus `where` with `input` at stdin; the words end with NULL. */
void run_words(struct outcome *outcome, const char *where, const char *input,
	const char *const *words);
#define RUN(outcome, where, input, ...) \
	run_words(outcome, where, input, (const char *const[]){ __VA_ARGS__, NULL })

#endif
