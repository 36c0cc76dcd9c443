/* SPDX-License-Identifier: MIT
 *
 * Who goes next of those who wait: the more urgent lane, 16 : 4 : 1 while several wait,
 * and within a lane the apps in turn, so that nobody stands behind another app's burst.
 * A newcomer is the first of an app and lane while others are being served, and none of a
 * more urgent lane. It goes before the others of its lane, and whoever keeps a place free
 * for newcomers need not let them wait at all.
 * Entries are the caller's. Not for several threads at a time. */
#ifndef LIB_TURNS_H
#define LIB_TURNS_H

#include <stdbool.h>

#include "lib/slice.h"
#include "proto/mail.pb-c.h"

struct turns;

/* Embedded in what waits. Set by the caller; the name must live until turns_end(). */
struct turn {
	Postern__Lane lane;
	struct slice app;
	struct turn *next; /* ours while it waits */
};

struct turns *turns_new(void);
/* Takes NULL. What waits is forgotten. */
void turns_free(struct turns *turns);
/* True: it is a newcomer. */
bool turns_add(struct turns *turns, struct turn *turn);
/* NULL if nobody waits. */
struct turn *turns_take(struct turns *turns);
/* The most urgent of them; NULL if none waits. */
struct turn *turns_take_newcomer(struct turns *turns);
/* What was taken has been served. */
void turns_end(struct turns *turns, const struct turn *turn);
/* Of those who wait. */
size_t turns_count(const struct turns *turns);

#endif
