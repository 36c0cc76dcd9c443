/* SPDX-License-Identifier: MIT
 *
 * Destinations: for each place that mail goes to, a queue of parcels, the connections
 * that are open to it, and a back-off while it does not answer. Nothing that happens to
 * one destination delays another. */
#ifndef SERVICES_SENDER_DESTINATION_H
#define SERVICES_SENDER_DESTINATION_H

#include <sys/queue.h>

#include "services/sender/dial.h"
#include "services/sender/rest.h"

struct destination;
struct destinations;

/* The destination as a whole could not be reached, so the message waits. */
struct put_off {
	int64_t until_ms; /* Unix; when to submit it again. 0: it isn't put off */
	size_t crowd;     /* about as many wait; 0: not even a connection was tried */
};

/* One message for one destination. Owned by whoever submits it; lent until `done`. */
struct parcel {
	TAILQ_ENTRY(parcel) entry;
	int64_t queued_ms;       /* monotonic; the destination's */
	struct client_mail mail; /* recipients CLIENT_PENDING at first */
	size_t lane;             /* 0 urgent, 1 normal, 2 bulk */
	struct put_off put_off;
	/* Asked right before MAIL; false leaves the recipients CLIENT_PENDING. */
	bool (*may_go)(struct parcel *parcel);
	/* Outcomes are final, or CLIENT_PENDING for who was not tried. `facts` are NULL
	 * if there was no connection; then CLIENT_DEFERRED comes with `put_off`. */
	void (*done)(struct parcel *parcel, const struct connection_facts *facts);
	void *with;
};

struct destinations_options {
	struct dial_options dial;
	size_t connections;       /* to all destinations together */
	struct rest_pace returns; /* of a lane, untried, at most */
};

struct destinations *destinations_open(const struct destinations_options *options);
/* Connections are cut and parcels dropped without a word. */
void destinations_close(struct destinations *destinations);

/* The one for that route; valid until the loop's next turn, or while it has parcels. */
struct destination *destination_of(
	struct destinations *destinations, struct route *route);

struct destination_load {
	size_t parcels, bytes; /* on connections and in the queue */
	size_t per_second;     /* done lately */
	int64_t waited_ms;     /* the oldest in the queue */
};
struct destination_load destination_load(const struct destination *destination);
/* A message for it is better put off at once, for it could not be reached, and rests or
 * is being tried with another one; `ret_why` says how that went. */
bool destination_puts_off(struct destination *destination, size_t lane, size_t size_bytes,
	struct put_off *ret_put_off, struct reply *ret_why);
/* `done` may be called before this returns. */
void destination_submit(struct destination *destination, struct parcel *parcel);

/* Gives back up to `count` parcels of the queue, the latest first, untried. */
void destination_give_back(struct destination *destination, size_t count);
void destinations_each(struct destinations *destinations,
	void (*seen)(void *with, struct destination *destination), void *with);
/* Gives back all that is queued, untried, and closes what is idle. */
void destinations_recall(struct destinations *destinations);

#endif
