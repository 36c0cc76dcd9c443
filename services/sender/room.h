/* SPDX-License-Identifier: MIT
 *
 * Who may fill the window of messages in hand. A destination that is slow gives back what
 * others need the room for; it comes again from the bus a little later. */
#ifndef SERVICES_SENDER_ROOM_H
#define SERVICES_SENDER_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct destination;
struct room;
struct sender;

struct room *room_open(struct sender *sender);
/* Takes NULL. */
void room_close(struct room *room);
/* Is it better to give a message for this destination back at once? */
bool room_is_short(struct room *room, struct destination *destination);

/* The rule itself, without a clock: may a destination keep what it has? */
struct room_share {
	size_t window, in_hand;                   /* messages, of all destinations */
	size_t bytes, bytes_max;                  /* likewise */
	size_t least;                             /* messages that any may have */
	size_t parcels, parcel_bytes, per_second; /* of this one */
	int64_t waited_ms;                        /* its oldest parcel in the queue */
};
/* How many messages it should give back. */
size_t room_excess(const struct room_share *share);

#endif
