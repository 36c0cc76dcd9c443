/* SPDX-License-Identifier: MIT
 *
 * The mails in quarantine, and the three ways out of it. Each way is ordered so that a
 * kill at any point leaves the mail in quarantine, or on its way, or both; the sender's
 * delivery record sees to the latter. What deletes a hold never deletes a later one. */
#ifndef CLI_HELD_H
#define CLI_HELD_H

#include "cli/filter.h"
#include "cli/session.h"

struct held {
	const char *key; /* of the hold: mail_hold_key() */
	const char *id, *app, *stage, *from, *subject, *reason;
	int64_t held_us;
	size_t recipients;
};

struct held_list {
	struct held **list; /* oldest first */
	size_t count;
};

struct held_query {
	const struct filter *filter;
	int64_t since_us;
};

bool held_survey(struct session *session, struct arena *arena,
	const struct held_query *query, struct held_list *ret_list, struct fault *fault);

/* By the key of a hold, or by the id of a message: its oldest hold. NULL with
 * FAULT_PERMANENT: it is not in quarantine. */
Postern__Mail *held_read(struct session *session, struct arena *arena, const char *word,
	struct fault *fault);

struct held_act {
	struct session *session;
	struct arena *arena;
	const char *why; /* for people; "" = nothing is said */
};

/* To where its holder wanted it to go on, in spite of its verdict. */
bool held_release(
	const struct held_act *act, const Postern__Mail *held, struct fault *fault);
/* To the scanner, to be judged anew. */
bool held_rescan(
	const struct held_act *act, const Postern__Mail *held, struct fault *fault);
/* Nowhere. */
bool held_discard(
	const struct held_act *act, const Postern__Mail *held, struct fault *fault);

/* The topic family to which a release publishes it. */
const char *held_release_family(const Postern__Mail *held);

#endif
