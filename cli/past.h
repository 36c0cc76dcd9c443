/* SPDX-License-Identifier: MIT
 *
 * The mails of the past that a replay means: first only their ids and places are kept,
 * later they are read again in batches, so that memory stays small however many there
 * are. */
#ifndef CLI_PAST_H
#define CLI_PAST_H

#include "cli/filter.h"
#include "cli/replay.h"
#include "cli/session.h"
#include "lib/table.h"

struct past_mail {
	const char *id, *app;
	const char *topic;
	int64_t published_ms;
	size_t size;
};

struct past_query {
	const char *topic; /* or a family of topics */
	int64_t from_ms, to_ms;
	const struct filter *filter;
	const struct replay_target *target;
};

struct past {
	struct past_mail **list; /* by topic, then time */
	size_t count;
	int64_t to_ms;
	size_t damaged, refused; /* not in the list */
	const char *refusal;     /* of the last one refused */
};

bool past_find(struct session *session, struct arena *arena,
	const struct past_query *query, struct past *ret_past, struct fault *fault);

/* Reads the mails again, some at a time; between the batches it waits until what `seen`
 * has begun to publish is durable. `seen` is given an arena of the one mail. */
typedef void past_seen(
	void *with, struct arena *arena, const char *topic, Postern__Mail *mail);
bool past_read(struct session *session, const struct past *past, past_seen *seen,
	void *with, struct fault *fault);

#endif
