/* SPDX-License-Identifier: MIT
 *
 * Where a mail of the past may be put again, and what must be taken off it before. What
 * protects recipients holds here too: nothing comes behind the scanner that the scanner
 * has not cleared, nothing comes behind the signer that is not signed. */
#ifndef CLI_REPLAY_H
#define CLI_REPLAY_H

#include "lib/arena.h"
#include "lib/fault.h"
#include "proto/mail.pb-c.h"

struct replay_target {
	const char *family; /* TOPIC_ACCEPTED, TOPIC_CLEARED or TOPIC_OUTBOUND */
	const char *pool;   /* of TOPIC_OUTBOUND; "": each into its own */
	Postern__Lane lane; /* unspecified: each into its own */
};

bool replay_target_parse(struct replay_target *ret_target, struct arena *arena,
	const char *text, struct fault *fault);
/* May mail of this topic be replayed at all, and to there? */
bool replay_check_source(
	const struct replay_target *target, const char *topic, struct fault *fault);
/* NULL: this mail may. Otherwise why not, in a few words. */
const char *replay_refusal(const struct replay_target *target, const Postern__Mail *mail);
/* Changes a decoded mail to what is to be published, and returns its topic. With
 * `is_again` it becomes a new message, under an id of its own. */
const char *replay_prepare(const struct replay_target *target, struct arena *arena,
	Postern__Mail *mail, bool is_again);

#endif
