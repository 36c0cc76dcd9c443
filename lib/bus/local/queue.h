/* SPDX-License-Identifier: MIT
 *
 * What waits for one thread to commit it to a topic, and whose records that thread has in
 * hand. Guarded by the bus's lock; times are monotonic, in microseconds. */
#ifndef LIB_BUS_LOCAL_QUEUE_H
#define LIB_BUS_LOCAL_QUEUE_H

#include "lib/bus/gather.h"
#include "lib/bus/local/publication.h"

#define FEW_APPS 8

/* Apps, by their hashes; of more than a few it is no longer known which. */
struct apps {
	uint64_t hashes[FEW_APPS];
	unsigned count;
	bool are_many;
};

struct queue {
	struct parcel *first, **last;
	struct apps waiting, under_way, before; /* before: of the last commit */
	struct gather gather;
	int64_t commit_us; /* when the patience of those that wait ends */
	bool goes_on;      /* the newest does */
};

void queue_init(struct queue *queue);
/* True if it is due sooner now, or is the first. */
bool queue_add(struct queue *queue, struct publication *publication, bool can_wait);
/* When it is to be committed. */
int64_t queue_due_us(const struct queue *queue);
/* For one commit, within the bounds of one: what came first. NULL: there is nothing. */
struct parcel *queue_take(struct queue *queue);
/* `count` records, which queue_take() gave, have been committed, or have failed. */
void queue_done(struct queue *queue, size_t count);

/* A record that came now would be committed at once. */
bool queue_is_free(const struct queue *queue);
/* Known to have records of the app in hand. */
bool queue_holds(const struct queue *queue, uint64_t app);
/* May have some in hand, or had some in the last commit. */
bool queue_knows(const struct queue *queue, uint64_t app);

#endif
