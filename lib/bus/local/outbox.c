/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/outbox.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/memory.h"

struct outbox {
	pthread_mutex_t lock; /* guards first, last */
	struct parcel *first, **last;
	int bell; /* eventfd that wakes the loop */
	struct watch *on_bell;
};

/* Parcels opened in one turn of the loop, so that sockets and timers have theirs. */
#define PARCELS_A_TURN 256

static void ring(struct outbox *outbox)
{
	uint64_t one = 1;
	(void)!write(outbox->bell, &one, sizeof(one));
}

static struct parcel *take_first(struct outbox *outbox)
{
	pthread_mutex_lock(&outbox->lock);
	struct parcel *parcel = outbox->first;
	if (parcel) {
		outbox->first = parcel->next;
		if (!outbox->first)
			outbox->last = &outbox->first;
	}
	pthread_mutex_unlock(&outbox->lock);
	return parcel;
}

/* Taken one by one: opening a parcel may close the owner of those behind it. */
static void open_parcels(void *with, unsigned what)
{
	(void)what;
	struct outbox *outbox = with;
	uint64_t rings;
	(void)!read(outbox->bell, &rings, sizeof(rings));
	for (int count = 0; count < PARCELS_A_TURN; count++) {
		struct parcel *parcel = take_first(outbox);
		if (!parcel)
			return;
		parcel->open(parcel);
	}
	ring(outbox);
}

struct outbox *outbox_new(struct loop *loop)
{
	struct outbox *outbox = NEW(struct outbox);
	pthread_mutex_init(&outbox->lock, NULL);
	outbox->last = &outbox->first;
	outbox->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (outbox->bell < 0)
		abort();
	outbox->on_bell = watch_new(loop, outbox->bell, LOOP_READ, open_parcels, outbox);
	return outbox;
}

void outbox_free(struct outbox *outbox)
{
	for (struct parcel *parcel; (parcel = take_first(outbox));)
		parcel->discard(parcel);
	watch_free(outbox->on_bell);
	close(outbox->bell);
	pthread_mutex_destroy(&outbox->lock);
	free(outbox);
}

void outbox_send(struct outbox *outbox, struct parcel *first)
{
	if (!first)
		return;
	pthread_mutex_lock(&outbox->lock);
	bool was_empty = !outbox->first;
	*outbox->last = first;
	while (*outbox->last)
		outbox->last = &(*outbox->last)->next;
	pthread_mutex_unlock(&outbox->lock);
	if (was_empty) /* else it was rung for those before */
		ring(outbox);
}

void outbox_purge(struct outbox *outbox, const void *owner)
{
	struct parcel *purged = NULL;
	pthread_mutex_lock(&outbox->lock);
	struct parcel **at = &outbox->first;
	while (*at) {
		struct parcel *parcel = *at;
		if (parcel->owner == owner) {
			*at = parcel->next;
			parcel->next = purged;
			purged = parcel;
		} else {
			at = &parcel->next;
		}
	}
	outbox->last = at;
	pthread_mutex_unlock(&outbox->lock);
	while (purged) {
		struct parcel *next = purged->next;
		purged->discard(purged);
		purged = next;
	}
}
