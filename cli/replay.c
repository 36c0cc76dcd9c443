/* SPDX-License-Identifier: MIT */
#include "cli/replay.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mail.h"
#include "lib/topics.h"

#define INTO_FORM \
	TOPIC_ACCEPTED ", " TOPIC_CLEARED " or " TOPIC_OUTBOUND "[.POOL], and a lane"

/* "mail.accepted" and "mail.accepted.urgent" are in the family "mail.accepted". */
static bool is_in_family(const char *topic, const char *family)
{
	size_t length = strlen(family);
	return strncmp(topic, family, length) == 0 &&
	       (topic[length] == '.' || !topic[length]);
}

/* Takes ".urgent" off the end of `rest`. */
static Postern__Lane take_lane(struct arena *arena, const char **rest)
{
	const char *dot = strrchr(*rest, '.');
	Postern__Lane lane = dot ? lane_parse(dot + 1) : POSTERN__LANE__LANE_UNSPECIFIED;
	if (lane != POSTERN__LANE__LANE_UNSPECIFIED)
		*rest = arena_string(
			arena, (struct slice){ *rest, (size_t)(dot - *rest) });
	return lane;
}

bool replay_target_parse(struct replay_target *ret_target, struct arena *arena,
	const char *text, struct fault *fault)
{
	static const char *const families[] = { TOPIC_ACCEPTED, TOPIC_CLEARED };
	static const char outbound[] = TOPIC_OUTBOUND ".";
	struct replay_target target = { .pool = "" };
	const char *rest = text;
	if (strcmp(text, TOPIC_OUTBOUND) == 0) {
		target.family = TOPIC_OUTBOUND;
	} else if (strncmp(text, outbound, sizeof(outbound) - 1) == 0) {
		/* A pool may have a lane's name: "mail.outbound.bulk" is a pool. */
		rest = text + sizeof(outbound) - 1;
		target.family = TOPIC_OUTBOUND;
		target.lane = take_lane(arena, &rest);
		target.pool = rest;
	} else {
		target.lane = take_lane(arena, &rest);
		for (size_t i = 0; i < 2; i++)
			if (strcmp(rest, families[i]) == 0)
				target.family = families[i];
	}
	if (!target.family)
		return fault_permanent(fault, "\"%s\" is none of %s", text, INTO_FORM);
	*ret_target = target;
	return true;
}

bool replay_check_source(
	const struct replay_target *target, const char *topic, struct fault *fault)
{
	bool is_outbound = is_in_family(topic, TOPIC_OUTBOUND);
	if (strcmp(topic, TOPIC_QUARANTINE) == 0)
		return fault_permanent(fault,
			"held mail is let go with `posternctl quarantine release`");
	if (!is_outbound && !is_in_family(topic, TOPIC_ACCEPTED) &&
		!is_in_family(topic, TOPIC_CLEARED))
		return fault_permanent(fault,
			"\"%s\" holds no mail; those that do are %s, "
			"%s and %s, with or without a lane",
			topic, TOPIC_ACCEPTED, TOPIC_CLEARED, TOPIC_OUTBOUND);
	if (strcmp(target->family, TOPIC_OUTBOUND) == 0 && !is_outbound)
		return fault_permanent(fault,
			"mail of %s is not signed, so it can't go into %s: put it into %s",
			topic, TOPIC_OUTBOUND, TOPIC_CLEARED);
	return true;
}

const char *replay_refusal(const struct replay_target *target, const Postern__Mail *mail)
{
	int decision = mail->verdict ? (int)mail->verdict->decision : 0;
	bool is_cleared = decision == POSTERN__DECISION__DECISION_CLEAR ||
			  decision == POSTERN__DECISION__DECISION_PROTECT;
	if (strcmp(target->family, TOPIC_ACCEPTED) != 0 && !is_cleared && !mail->release)
		return "not cleared by the scanner";
	return NULL;
}

static void renew(struct arena *arena, Postern__Mail *mail)
{
	struct id id = id_mint();
	mail->id = arena_string(arena, slice_of(id.text));
	mail->n_steps = 0;
	/* It expires as late as one that is handed in now. */
	mail->submission->received_us = clock_unix_us();
}

const char *replay_prepare(const struct replay_target *target, struct arena *arena,
	Postern__Mail *mail, bool is_again)
{
	bool is_outbound = strcmp(target->family, TOPIC_OUTBOUND) == 0;
	mail->hold = NULL;
	/* The signer signs anew. */
	if (!is_outbound)
		mail_drop_headers(arena, mail, SLICE("DKIM-Signature"));
	if (strcmp(target->family, TOPIC_ACCEPTED) == 0) {
		mail->verdict = NULL;
		mail->release = NULL;
	}
	if (is_again)
		renew(arena, mail);
	if (target->lane != POSTERN__LANE__LANE_UNSPECIFIED)
		mail->lane = target->lane;
	if (*target->pool)
		mail->pool = arena_string(arena, slice_of(target->pool));
	const char *family = target->family;
	if (is_outbound)
		family = topic_family_of_pool(
			arena, *mail->pool ? mail->pool : "default");
	return topic_of_lane(arena, family, mail->lane);
}
