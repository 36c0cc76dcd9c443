/* SPDX-License-Identifier: MIT
 *
 * Asks rspamd about a message. What it can't or won't say in time is told apart from "no
 * spam"; what follows from that is the policy's business. */
#ifndef SERVICES_SCANNER_SPAM_H
#define SERVICES_SCANNER_SPAM_H

#include "lib/loop.h"
#include "proto/mail.pb-c.h"
#include "services/scanner/spam_answer.h"

struct spam;

/* `where` is "http://HOST:PORT" or "unix:PATH"; FAULT_PERMANENT otherwise. */
struct spam *spam_open(
	struct loop *loop, const char *where, int64_t timeout_ms, struct fault *fault);
/* Questions under way are dropped. */
void spam_close(struct spam *spam);

/* Once, never within spam_ask(). `fault` set: rspamd is away, too slow, or answers
 * rubbish. */
typedef void spam_told(
	void *with, const struct spam_answer *answer, const struct fault *fault);

struct spam_question {
	const Postern__Mail *mail; /* borrowed until told */
	struct arena *arena;
	spam_told *told;
	void *with;
	struct slice *body; /* filled in here */
};
/* `question` is the caller's until told. */
void spam_ask(struct spam *spam, struct spam_question *question);

#endif
