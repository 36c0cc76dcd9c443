/* SPDX-License-Identifier: MIT */
#include "lib/shipment.h"

#include <stdlib.h>

#include "lib/loop.h"
#include "lib/memory.h"
#include "lib/metrics.h"

#define FIRST_DELAY_MS 100
#define MOST_DELAY_MS  10000

struct entry {
	struct shipment *shipment;
	struct bus_record record;
	bool is_durable;
};

struct shipment {
	struct shipment *next; /* in `abandoned` */
	struct shipper by;
	shipment_done *done; /* NULL: abandoned */
	void *with;
	struct timer *again; /* made at the first failure */
	unsigned tries, in_flight;
	struct fault fault; /* the worst of this try */
	size_t count;
	struct entry entries[];
};

/* Those whose reports are still to come. A bus that is closed first never reports, so
 * they are kept reachable until the process ends. */
static struct shipment *abandoned;

static struct metric *retries;

static void publish_all(struct shipment *shipment);

static void shipment_free(struct shipment *shipment)
{
	timer_free(shipment->again);
	free(shipment);
}

static void forget_abandoned(struct shipment *shipment)
{
	struct shipment **place = &abandoned;
	while (*place != shipment)
		place = &(*place)->next;
	*place = shipment->next;
	shipment_free(shipment);
}

static void publish_again(void *with)
{
	publish_all(with);
}

static void finish_try(struct shipment *shipment)
{
	enum fault_kind kind = shipment->fault.kind;
	bool is_over = kind == FAULT_NONE || kind == FAULT_PERMANENT ||
		       shipment->tries >= shipment->by.tries;
	if (is_over) {
		shipment->done(
			shipment->with, kind == FAULT_NONE ? NULL : &shipment->fault);
		shipment_free(shipment);
		return;
	}
	metric_add(retries, 1);
	if (!shipment->again)
		shipment->again = timer_new(shipment->by.loop, publish_again, shipment);
	int64_t delay_ms = FIRST_DELAY_MS << (shipment->tries - 1);
	timer_start(shipment->again, delay_ms < MOST_DELAY_MS ? delay_ms : MOST_DELAY_MS);
}

static void on_published(void *with, const struct fault *fault)
{
	struct entry *entry = with;
	struct shipment *shipment = entry->shipment;
	shipment->in_flight--;
	entry->is_durable = !fault;
	if (fault && shipment->fault.kind != FAULT_PERMANENT)
		shipment->fault = *fault;
	if (shipment->in_flight)
		return;
	if (shipment->done)
		finish_try(shipment);
	else
		forget_abandoned(shipment);
}

static void publish_all(struct shipment *shipment)
{
	shipment->tries++;
	shipment->fault = (struct fault){ 0 };
	for (size_t i = 0; i < shipment->count; i++)
		shipment->in_flight += !shipment->entries[i].is_durable;
	for (size_t i = 0; i < shipment->count; i++)
		if (!shipment->entries[i].is_durable)
			bus_publish(shipment->by.bus, &shipment->entries[i].record,
				on_published, &shipment->entries[i]);
}

struct shipment *shipment_send(const struct shipper *shipper, const struct outgoing *list,
	shipment_done *done, void *with)
{
	if (!retries)
		retries = metric_counter("postern_publish_retries_total", NULL,
			"Times that outputs of a job had to be published again.");
	size_t count = 0;
	for (const struct outgoing *o = list; o; o = o->next)
		count++;
	struct shipment *shipment = memory_new(
		sizeof(*shipment) + count * sizeof(struct entry));
	*shipment = (struct shipment){
		.by = *shipper, .done = done, .with = with, .count = count
	};
	struct entry *entry = shipment->entries;
	for (const struct outgoing *o = list; o; o = o->next)
		*entry++ = (struct entry){ .shipment = shipment, .record = o->record };
	publish_all(shipment);
	return shipment;
}

void shipment_abandon(struct shipment *shipment)
{
	if (!shipment)
		return;
	if (!shipment->in_flight) {
		shipment_free(shipment);
		return;
	}
	timer_free(shipment->again);
	shipment->again = NULL;
	shipment->done = NULL;
	shipment->next = abandoned;
	abandoned = shipment;
}
