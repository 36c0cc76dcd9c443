/* SPDX-License-Identifier: MIT
 *
 * A record on its way into its topic: what bus_publish() was given, copied, and what
 * becomes of it. A body that lies in a file already is held, not copied. */
#ifndef LIB_BUS_LOCAL_PUBLICATION_H
#define LIB_BUS_LOCAL_PUBLICATION_H

#include "lib/bus/local/bodies.h"

struct publication {
	struct parcel parcel; /* reports to the publisher */
	struct local_bus *bus;
	bus_published *published;
	void *with;
	struct slice key, value, body;
	uint64_t app; /* hash of its app */
	int64_t due_ms;
	bool goes_on; /* it comes of a delivery */
	char *bytes;  /* key, value and, unless it lies in `file`, body */
	struct body_place place;
	struct body_file *file; /* held; NULL: the body is in `bytes` */
	struct fault fault;
};

/* Its fault says if it can't be published at all. */
struct publication *publication_new(struct local_bus *bus,
	const struct bus_record *record, bus_published *published, void *with);
struct publication *publication_of(struct parcel *parcel);
/* Without a report. */
void publication_discard(struct parcel *parcel);

#endif
