/* SPDX-License-Identifier: MIT
 *
 * One job of the sender: a message on its way to its recipients. What its files share:
 * deliver.c takes it through record, routes and destinations, outcome.c ends it. Lives in
 * the job's arena. */
#ifndef SERVICES_SENDER_DELIVERY_H
#define SERVICES_SENDER_DELIVERY_H

#include "lib/stage.h"
#include "services/sender/content.h"
#include "services/sender/sender.h"

enum recipient_state {
	RECIPIENT_WAITING,   /* no answer yet */
	RECIPIENT_ROUTED,    /* `route` is known */
	RECIPIENT_DELIVERED, /* noted in the record */
	RECIPIENT_BOUNCED,   /* likewise, by outcome_conclude() at the latest */
	RECIPIENT_EXPIRED,   /* likewise */
	RECIPIENT_DUPLICATE, /* the record says that it was done before: `note` */
	RECIPIENT_DEFERRED,
	RECIPIENT_LEFT, /* not tried: the app was stopped, no room, or we are going */
};

struct recipient {
	struct delivery *delivery;
	Postern__Recipient *asked;
	const char *address, *domain; /* as they go over the wire: A-labels */
	enum recipient_state state;
	bool is_uncertain;
	struct reply reply;
	struct route *route;    /* held while RECIPIENT_ROUTED */
	Postern__Route *facts;  /* NULL: no connection */
	struct put_off put_off; /* RECIPIENT_DEFERRED by the destination's state alone */
	int64_t time_us;        /* of the reply */
	struct slice note;      /* encoded Event */
};

struct delivery {
	struct sender *sender;
	struct job *job;
	const Postern__Mail *mail;
	const char *from;    /* as it goes over the wire */
	struct slice *parts; /* header fields, then the content */
	size_t part_count, size_bytes;
	struct content content;
	struct recipient *recipients;
	size_t count;
	unsigned pending;       /* answers that are due before it can end */
	bool is_withheld;       /* the app was stopped */
	struct delivery *twins; /* jobs of the same message, waiting for this one */
	struct delivery *next;  /* among the twins */
};

/* --- deliver.c --- */

/* The stage's `work`; `with` is the sender. */
void deliver(void *with, struct job *job);
/* The job is dropped: forget what it holds outside its arena. */
void delivery_drop(struct delivery *delivery);
/* It is not in hand any more. */
void delivery_release(struct delivery *delivery);
/* Goes on with the jobs that waited for one of the same message. */
void deliver_twins(struct delivery *twins);
/* Counts a fault of the record, and logs when its state changes; NULL: it answered. */
void delivery_note_record_fault(struct delivery *delivery, const struct fault *fault);

/* --- outcome.c --- */

/* An event about a recipient, with his reply and route. */
Postern__Event *outcome_event(struct recipient *recipient, Postern__EventKind kind);
/* Every recipient has his state: the record of those whose end no server gave, events,
 * what is left of the mail, and the job's end. */
void outcome_conclude(struct delivery *delivery);

#endif
