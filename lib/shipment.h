/* SPDX-License-Identifier: MIT
 *
 * Records that must all become durable before a job may end: published together, those
 * that fail for a while published again, reported once. Owned by the job; its callbacks
 * from the bus may outlive the job, the records' bytes need not. Part of stage.h. */
#ifndef LIB_SHIPMENT_H
#define LIB_SHIPMENT_H

#include "lib/bus/bus.h"

struct loop;
struct shipment;

struct shipper {
	struct bus *bus;
	struct loop *loop;
	unsigned tries; /* before giving up; SHIPMENT_TRIES */
};

/* 0.1 s, doubled up to 10 s: two minutes in all, and on Kafka up to twice its time-out of
 * publishing for each. While nothing can be published, taking
 * other messages instead would not help, and returning this one would fail as well. */
#define SHIPMENT_TRIES 20

/* A list in the job's arena; key, value and topic as well. */
struct outgoing {
	struct outgoing *next;
	struct bus_record record;
};

/* NULL: all are durable. FAULT_PERMANENT: one can never be published. FAULT_TEMPORARY:
 * tried often enough. In the latter two some may be durable all the same. */
typedef void shipment_done(void *with, const struct fault *fault);

/* Calls `done` once, from the loop; the shipment is gone then. */
struct shipment *shipment_send(const struct shipper *shipper, const struct outgoing *list,
	shipment_done *done, void *with);
/* Forget it: `done` is not called any more. Takes NULL. */
void shipment_abandon(struct shipment *shipment);

#endif
