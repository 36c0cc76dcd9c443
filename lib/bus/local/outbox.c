/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/outbox.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"

struct line {
	struct parcel *first, **last;
};

struct outbox {
	pthread_mutex_t lock;     /* guards the lines */
	struct line prompt, rest; /* the first goes first */
	int bell;                 /* eventfd that wakes the loop */
	struct watch *on_bell;
};

/* For so long parcels are opened in one turn of the loop; sockets, timers and what other
 * threads have finished wait meanwhile. */
#define TURN_US 1000

static void ring(struct outbox *outbox)
{
	uint64_t one = 1;
	(void)!write(outbox->bell, &one, sizeof(one));
}

static void init_line(struct line *line)
{
	*line = (struct line){ .last = &line->first };
}

static struct parcel *take_first(struct outbox *outbox)
{
	pthread_mutex_lock(&outbox->lock);
	struct line *line = outbox->prompt.first ? &outbox->prompt : &outbox->rest;
	struct parcel *parcel = line->first;
	if (parcel) {
		line->first = parcel->next;
		if (!line->first)
			line->last = &line->first;
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
	int64_t until_us = clock_monotonic_us() + TURN_US;
	struct parcel *parcel;
	while ((parcel = take_first(outbox))) {
		parcel->open(parcel);
		if (clock_monotonic_us() >= until_us) {
			ring(outbox);
			return;
		}
	}
}

struct outbox *outbox_new(struct loop *loop)
{
	struct outbox *outbox = NEW(struct outbox);
	pthread_mutex_init(&outbox->lock, NULL);
	init_line(&outbox->prompt);
	init_line(&outbox->rest);
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

static void send(struct outbox *outbox, struct line *line, struct parcel *first)
{
	if (!first)
		return;
	pthread_mutex_lock(&outbox->lock);
	bool was_empty = !outbox->prompt.first && !outbox->rest.first;
	*line->last = first;
	while (*line->last)
		line->last = &(*line->last)->next;
	pthread_mutex_unlock(&outbox->lock);
	if (was_empty) /* else it was rung for those before */
		ring(outbox);
}

void outbox_send(struct outbox *outbox, struct parcel *first)
{
	send(outbox, &outbox->rest, first);
}

void outbox_send_promptly(struct outbox *outbox, struct parcel *first)
{
	send(outbox, &outbox->prompt, first);
}

static void purge(struct line *line, const void *owner, struct parcel **purged)
{
	struct parcel **at = &line->first;
	while (*at) {
		struct parcel *parcel = *at;
		if (parcel->owner == owner) {
			*at = parcel->next;
			parcel->next = *purged;
			*purged = parcel;
		} else {
			at = &parcel->next;
		}
	}
	line->last = at;
}

void outbox_purge(struct outbox *outbox, const void *owner)
{
	struct parcel *purged = NULL;
	pthread_mutex_lock(&outbox->lock);
	purge(&outbox->prompt, owner, &purged);
	purge(&outbox->rest, owner, &purged);
	pthread_mutex_unlock(&outbox->lock);
	while (purged) {
		struct parcel *next = purged->next;
		purged->discard(purged);
		purged = next;
	}
}
