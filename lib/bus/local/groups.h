/* SPDX-License-Identifier: MIT
 *
 * What a consumer group has taken, settled and put off, in TOPIC.groups. A group admits
 * records once, in the order of their numbers, up to its position; below it every record
 * is either settled or a row of `pending`. Turns make it fair: a record waits behind
 * those of its own app only, and one more of each other app. */
#ifndef LIB_BUS_LOCAL_GROUPS_H
#define LIB_BUS_LOCAL_GROUPS_H

#include "lib/bus/local/database.h"

struct group {
	struct database *groups, *records; /* borrowed */
	int64_t id;                        /* of its row */
	int64_t member;                    /* of this member, never given again */
	int64_t position;                  /* records up to here are admitted */
	int64_t turn;                      /* tag of the newest record taken */
};

/* How much of each app is in hand. Apps that share a place count as one: they only miss
 * what newcomers have. */
#define CROWD_PLACES 256
struct crowd {
	unsigned in_hand[CROWD_PLACES];
};
unsigned crowd_place(struct slice app);

struct claim {
	int64_t id;
	int64_t size;
	unsigned attempt;
	unsigned place; /* of its app in the crowd */
};

struct claim_bounds {
	size_t records;
	size_t newcomers; /* beyond these, of apps that have nothing in hand */
	const struct crowd *crowd;
	size_t bytes;
	bool may_exceed; /* nothing is in hand: one larger record may be taken */
};

#define CLAIMS_AT_ONCE 64

/* Inside no transaction. Finds the group or makes it. */
bool group_open(struct group *group, struct slice name, struct fault *fault);
/* What other members have changed meanwhile; inside a transaction. */
bool group_refresh(struct group *group, struct fault *fault);
/* Is there anything to admit, or ready to be taken, or due? Inside no transaction. */
bool group_has_work(
	struct group *group, int64_t now_ms, bool *ret_has, struct fault *fault);

/* All of these inside a transaction. */
bool group_admit(struct group *group, bool *ret_has_more, struct fault *fault);
bool group_promote(
	struct group *group, int64_t now_ms, bool *ret_has_promoted, struct fault *fault);
/* `ret_left`: more is ready than the bounds allowed. */
bool group_claim(struct group *group, const struct claim_bounds *bounds,
	struct claim claims[CLAIMS_AT_ONCE], size_t *ret_count, bool *ret_left,
	struct fault *fault);
bool group_settle(struct group *group, int64_t record, struct fault *fault);
bool group_put_off(struct group *group, int64_t record, int64_t due_ms, bool is_attempt,
	struct fault *fault);
/* Frees what `member` has in hand. */
bool group_release(
	struct group *group, int64_t member, bool is_attempt, struct fault *fault);

/* Due time of the next record that waits; 0 = none. */
bool group_next_due(struct group *group, int64_t *ret_due_ms, struct fault *fault);
/* Members other than this one that have something in hand, after `member`; 0 = none. */
bool group_next_peer(
	struct group *group, int64_t member, int64_t *ret_member, struct fault *fault);

#endif
