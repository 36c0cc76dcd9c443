/* SPDX-License-Identifier: MIT
 *
 * What the threads of a bus have for its loop. Parcels are opened on the loop's thread in
 * the order in which they were sent, those that were sent promptly before all others.
 * Closing an owner throws away its parcels, so nothing
 * that is gone is ever called. */
#ifndef LIB_BUS_LOCAL_OUTBOX_H
#define LIB_BUS_LOCAL_OUTBOX_H

struct loop;
struct outbox;

/* Embedded in what it carries; whoever opens or discards it owns it then. */
struct parcel {
	struct parcel *next;
	const void *owner;
	void (*open)(struct parcel *parcel);
	void (*discard)(struct parcel *parcel);
};

struct outbox *outbox_new(struct loop *loop);
/* Discards what is left. Not from inside a parcel. */
void outbox_free(struct outbox *outbox);
/* A list of parcels linked by `next`; from any thread. */
void outbox_send(struct outbox *outbox, struct parcel *first);
void outbox_send_promptly(struct outbox *outbox, struct parcel *first);
/* Discards all parcels of `owner`; on the loop's thread. */
void outbox_purge(struct outbox *outbox, const void *owner);

#endif
