/* SPDX-License-Identifier: MIT
 *
 * The topics of Postern and how each is kept. A lane is a topic of its own at every
 * stage: family, dot, lane ("mail.accepted.urgent", "mail.outbound.default.bulk"). */
#ifndef LIB_TOPICS_H
#define LIB_TOPICS_H

#include "lib/arena.h"
#include "lib/bus/bus.h"
#include "proto/mail.pb-c.h"

#define TOPIC_ACCEPTED   "mail.accepted"   /* family: gateway to scanner */
#define TOPIC_CLEARED    "mail.cleared"    /* family: scanner to signer */
#define TOPIC_OUTBOUND   "mail.outbound"   /* family: signer to sender, pool in between */
#define TOPIC_QUARANTINE "mail.quarantine" /* compacted: mail_hold_key() to held Mail */
#define TOPIC_EVENTS     "mail.events"     /* key: message id */
#define TOPIC_DEAD       "mail.dead" /* records that could not be read, with the reason */
#define TOPIC_CONTROL    "control"   /* compacted: "kind/name" to Object */

extern const struct bus_topic postern_topics[];

#define LANES 3

/* 0 is the most urgent; of any other number, that of the normal lane. */
size_t lane_index(Postern__Lane lane);
/* How many of the lane go before the next lane has its turn: 16 : 4 : 1. */
unsigned lane_weight(size_t index);
/* "urgent", "normal", "bulk"; NULL for any other number. */
const char *lane_name(Postern__Lane lane);
/* POSTERN__LANE__LANE_UNSPECIFIED if there is none of that name. */
Postern__Lane lane_parse(const char *name);

/* "mail.accepted" and urgent give "mail.accepted.urgent". */
const char *topic_of_lane(struct arena *arena, const char *family, Postern__Lane lane);
/* "mail.outbound.POOL". */
const char *topic_family_of_pool(struct arena *arena, const char *pool);
/* One source for each lane of the family, by its weight; ended by weight 0. */
const struct bus_source *topic_sources(struct arena *arena, const char *family);

#endif
