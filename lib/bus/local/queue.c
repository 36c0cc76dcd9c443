/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/queue.h"

#include "lib/clock.h"

/* What goes into one commit at most: everything that came while the last one's fsync ran,
 * within bounds that keep the write lock short. */
#define COMMIT_RECORDS 1000
#define COMMIT_BYTES   ((size_t)16 << 20)

static bool apps_have(const struct apps *apps, uint64_t app)
{
	for (unsigned i = 0; i < apps->count; i++)
		if (apps->hashes[i] == app)
			return true;
	return false;
}

static void apps_add(struct apps *apps, uint64_t app)
{
	if (apps_have(apps, app))
		return;
	if (apps->count < FEW_APPS)
		apps->hashes[apps->count++] = app;
	else
		apps->are_many = true;
}

static struct apps apps_of(struct parcel *parcel)
{
	struct apps apps = { 0 };
	for (; parcel && !apps.are_many; parcel = parcel->next)
		apps_add(&apps, publication_of(parcel)->app);
	return apps;
}

void queue_init(struct queue *queue)
{
	*queue = (struct queue){ .first = NULL };
	queue->last = &queue->first;
	gather_init(&queue->gather);
}

int64_t queue_due_us(const struct queue *queue)
{
	int64_t gathered_us = gather_until(&queue->gather, queue->goes_on);
	return gathered_us > queue->commit_us ? gathered_us : queue->commit_us;
}

bool queue_add(struct queue *queue, struct publication *publication, bool can_wait)
{
	bool is_first = !queue->first;
	queue->goes_on = publication->goes_on;
	int64_t was_due_us = queue_due_us(queue);
	*queue->last = &publication->parcel;
	queue->last = &publication->parcel.next;
	apps_add(&queue->waiting, publication->app);
	if (!can_wait)
		queue->commit_us = 0;
	else if (is_first)
		queue->commit_us = clock_monotonic_us() + GATHER_PATIENCE_US;
	return is_first || queue_due_us(queue) < was_due_us;
}

struct parcel *queue_take(struct queue *queue)
{
	struct parcel *batch = queue->first, **end = &queue->first;
	size_t count = 0, bytes = 0;
	while (*end && count < COMMIT_RECORDS && bytes < COMMIT_BYTES) {
		const struct publication *publication = publication_of(*end);
		bytes += publication->value.size + publication->body.size;
		count++;
		end = &(*end)->next;
	}
	queue->under_way = queue->waiting;
	struct parcel *rest = *end;
	*end = NULL;
	queue->first = rest;
	if (!rest)
		queue->last = &queue->first;
	queue->waiting = apps_of(rest);
	return batch;
}

void queue_done(struct queue *queue, size_t count)
{
	gather_sent(&queue->gather, count, clock_monotonic_us());
	queue->before = queue->under_way;
	queue->under_way = (struct apps){ 0 };
}

bool queue_is_free(const struct queue *queue)
{
	return !queue->first && !queue->under_way.count &&
	       gather_until(&queue->gather, queue->goes_on) <= clock_monotonic_us();
}

bool queue_holds(const struct queue *queue, uint64_t app)
{
	return apps_have(&queue->waiting, app) || apps_have(&queue->under_way, app);
}

bool queue_knows(const struct queue *queue, uint64_t app)
{
	return queue->waiting.are_many || queue->under_way.are_many ||
	       queue->before.are_many || queue_holds(queue, app) ||
	       apps_have(&queue->before, app);
}
