/* SPDX-License-Identifier: MIT */
#include "services/sender/room.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"
#include "lib/stage.h"
#include "services/sender/config.h"
#include "services/sender/sender.h"

#define LOOK_MS  200
#define GRACE_MS 300 /* a burst for a quick destination is no reason to give back */
#define DRAIN_S  5   /* who has his queue gone in that time hinders nobody */

struct room {
	struct sender *sender;
	struct timer *timer;
	int64_t refilled_ms; /* monotonic */
	size_t returns;      /* that are left; each costs a write to the bus */
};

/* Half of what is free, over and over: however many destinations are slow, some room is
 * left for those that aren't. */
size_t room_excess(const struct room_share *share)
{
	size_t room = share->in_hand < share->window ? share->window - share->in_hand : 0;
	size_t bytes = share->bytes < share->bytes_max ? share->bytes_max - share->bytes
						       : 0;
	size_t most = room / 2 > share->least ? room / 2 : share->least;
	if (share->waited_ms <= GRACE_MS || share->parcels <= DRAIN_S * share->per_second)
		return 0;
	if (share->parcels > most)
		return share->parcels - most;
	return share->parcels > 1 && share->parcel_bytes > bytes / 2;
}

static size_t excess_of(struct room *room, struct destination *destination)
{
	const struct sender *sender = room->sender;
	const struct sender_config *config = sender->process->config;
	struct destination_load load = destination_load(destination);
	return room_excess(&(struct room_share){
		.window = (size_t)config->window,
		.in_hand = stage_in_hand(sender->stage),
		.bytes = sender->bytes_in_hand,
		.bytes_max = (size_t)config->window_bytes,
		.least = 2 * sender->pool.connections_per_destination,
		.parcels = load.parcels,
		.parcel_bytes = load.bytes,
		.per_second = load.per_second,
		.waited_ms = load.waited_ms,
	});
}

/* The whole window once a second: what stands in the bus behind a long queue for a slow
 * destination gets its turn soon, and the bus isn't kept busy with returns. */
static size_t take_returns(struct room *room, size_t wanted)
{
	const struct sender_config *config = room->sender->process->config;
	size_t most = (size_t)config->window;
	int64_t now_ms = clock_monotonic_ms(), passed_ms = now_ms - room->refilled_ms;
	size_t refill = (size_t)passed_ms * most / 1000;
	if (refill) {
		room->returns += refill;
		room->refilled_ms = now_ms;
	}
	if (room->returns > most)
		room->returns = most;
	if (wanted > room->returns)
		wanted = room->returns;
	room->returns -= wanted;
	return wanted;
}

bool room_is_short(struct room *room, struct destination *destination)
{
	return excess_of(room, destination) && take_returns(room, 1);
}

static void look_at(void *with, struct destination *destination)
{
	struct room *room = with;
	size_t excess = excess_of(room, destination);
	if (excess)
		destination_give_back(destination, take_returns(room, excess));
}

static void on_timer(void *with)
{
	struct room *room = with;
	const struct sender_config *config = room->sender->process->config;
	if (stage_in_hand(room->sender->stage) > (size_t)config->window / 2 ||
		room->sender->bytes_in_hand > (size_t)config->window_bytes / 2)
		destinations_each(room->sender->destinations, look_at, room);
	timer_start(room->timer, LOOK_MS);
}

struct room *room_open(struct sender *sender)
{
	struct room *room = NEW(struct room);
	*room = (struct room){ .sender = sender, .refilled_ms = clock_monotonic_ms() };
	room->timer = timer_new(sender->process->loop, on_timer, room);
	timer_start(room->timer, LOOK_MS);
	return room;
}

void room_close(struct room *room)
{
	if (!room)
		return;
	timer_free(room->timer);
	free(room);
}
