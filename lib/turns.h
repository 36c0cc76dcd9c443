/* SPDX-License-Identifier: MIT
 *
 * Who goes next of those who wait: the more urgent lane, 16 : 4 : 1 while several wait,
 * and within a lane the apps in turn, so that nobody stands behind another app's burst.
 * Entries are the caller's. Not for several threads at a time. */
#ifndef LIB_TURNS_H
#define LIB_TURNS_H

#include "lib/slice.h"
#include "proto/mail.pb-c.h"

struct turns;

/* Embedded in what waits. Set by the caller; the name must outlive the wait. */
struct turn {
	Postern__Lane lane;
	struct slice app;
	struct turn *next; /* of the same app; ours */
};

struct turns *turns_new(void);
/* Takes NULL. What waits is forgotten. */
void turns_free(struct turns *turns);
void turns_add(struct turns *turns, struct turn *turn);
/* NULL if nobody waits. */
struct turn *turns_take(struct turns *turns);
size_t turns_count(const struct turns *turns);

#endif
