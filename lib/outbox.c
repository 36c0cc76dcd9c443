/* SPDX-License-Identifier: MIT */
#include "lib/outbox.h"

#include <stdlib.h>

#include "lib/loop.h"
#include "lib/memory.h"
#include "lib/metrics.h"

/* 0.1 s, doubled each time: some 13 s in all, then the message is better off in the
 * topic it came from. */
#define TRIES          8
#define FIRST_DELAY_MS 100

struct entry {
	struct outbox *outbox;
	struct bus_record record;
	bool is_durable;
};

struct outbox {
	struct outbox *next; /* in `abandoned` */
	struct bus *bus;
	struct loop *loop;
	outbox_done *done; /* NULL: abandoned */
	void *with;
	struct timer *again; /* made at the first failure */
	unsigned tries, in_flight;
	struct fault fault; /* the worst of this try */
	size_t count;
	struct entry entries[];
};

/* Those whose reports are still to come. A bus that is closed first never reports, so
 * they are kept reachable until the process ends. */
static struct outbox *abandoned;

static void publish_all(struct outbox *outbox);

static void outbox_free(struct outbox *outbox)
{
	timer_free(outbox->again);
	free(outbox);
}

static void forget_abandoned(struct outbox *outbox)
{
	struct outbox **place = &abandoned;
	while (*place != outbox)
		place = &(*place)->next;
	*place = outbox->next;
	outbox_free(outbox);
}

static void publish_again(void *with)
{
	publish_all(with);
}

static void finish_try(struct outbox *outbox)
{
	enum fault_kind kind = outbox->fault.kind;
	bool is_over = kind == FAULT_NONE || kind == FAULT_PERMANENT ||
		       outbox->tries >= TRIES;
	if (is_over) {
		outbox->done(outbox->with, kind == FAULT_NONE ? NULL : &outbox->fault);
		outbox_free(outbox);
		return;
	}
	metric_add(metric_counter("postern_publish_retries_total", NULL,
			   "Times that outputs of a job had to be published again."),
		1);
	if (!outbox->again)
		outbox->again = timer_new(outbox->loop, publish_again, outbox);
	timer_start(outbox->again, FIRST_DELAY_MS << (outbox->tries - 1));
}

static void on_published(void *with, const struct fault *fault)
{
	struct entry *entry = with;
	struct outbox *outbox = entry->outbox;
	outbox->in_flight--;
	entry->is_durable = !fault;
	if (fault && outbox->fault.kind != FAULT_PERMANENT)
		outbox->fault = *fault;
	if (outbox->in_flight)
		return;
	if (outbox->done)
		finish_try(outbox);
	else
		forget_abandoned(outbox);
}

static void publish_all(struct outbox *outbox)
{
	outbox->tries++;
	outbox->fault = (struct fault){ 0 };
	for (size_t i = 0; i < outbox->count; i++)
		outbox->in_flight += !outbox->entries[i].is_durable;
	for (size_t i = 0; i < outbox->count; i++)
		if (!outbox->entries[i].is_durable)
			bus_publish(outbox->bus, &outbox->entries[i].record, on_published,
				&outbox->entries[i]);
}

struct outbox *outbox_publish(struct bus *bus, struct loop *loop,
	const struct outgoing *list, outbox_done *done, void *with)
{
	size_t count = 0;
	for (const struct outgoing *o = list; o; o = o->next)
		count++;
	struct outbox *outbox = memory_new(
		sizeof(*outbox) + count * sizeof(struct entry));
	*outbox = (struct outbox){
		.bus = bus, .loop = loop, .done = done, .with = with, .count = count
	};
	struct entry *entry = outbox->entries;
	for (const struct outgoing *o = list; o; o = o->next)
		*entry++ = (struct entry){ .outbox = outbox, .record = o->record };
	publish_all(outbox);
	return outbox;
}

void outbox_abandon(struct outbox *outbox)
{
	if (!outbox)
		return;
	if (!outbox->in_flight) {
		outbox_free(outbox);
		return;
	}
	outbox->done = NULL;
	outbox->next = abandoned;
	abandoned = outbox;
}
