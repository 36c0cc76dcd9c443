/* SPDX-License-Identifier: MIT
 *
 * A line is one connection in the hands of a destination, used for one parcel after the
 * other. Here are the insides that destination.c and line.c share: the destination has
 * the queue, the line asks it for parcels. Nobody else includes this. */
#ifndef SERVICES_SENDER_LINE_H
#define SERVICES_SENDER_LINE_H

#include "lib/table.h"
#include "lib/topics.h"
#include "services/sender/destination.h"

struct metric;

TAILQ_HEAD(parcels, parcel);
TAILQ_HEAD(lines, line);
TAILQ_HEAD(callings, calling);
TAILQ_HEAD(starving, destination);

struct destination {
	struct destinations *owner;
	struct route *route;
	struct parcels queues[LANES];
	unsigned turns[LANES]; /* left until the others have theirs */
	size_t queued;
	size_t parcels, bytes; /* in the queue and on lines */
	int64_t counted_ms;    /* monotonic: from then on `done` counts parcels */
	size_t done;
	size_t rate;        /* per second, before that */
	struct lines lines; /* all of them */
	struct lines idle;  /* those without a parcel, last used first */
	struct callings dials;
	size_t line_count, busy_count, dial_count;
	struct rest rest;
	bool is_starved; /* waits for a connection of somebody else to end */
	TAILQ_ENTRY(destination) starving;
};

struct destinations {
	struct destinations_options options;
	struct table *table; /* route key to destination */
	size_t connection_count;
	struct lines idle; /* of all destinations, longest idle first */
	struct rest_line waiting[LANES];
	struct starving starved;
	struct timer *sweep;
	struct {
		struct metric *connections, *opened, *failed;
	} metrics;
};

struct line {
	struct destination *destination;
	struct connection *connection;
	struct parcel *parcel; /* NULL: idle, or saying goodbye */
	bool is_idle;
	bool has_worked; /* took a message and was ready for the next */
	TAILQ_ENTRY(line) entry, idle, idle_of_all;
};

/* A line that is being opened. */
struct calling {
	struct destination *destination;
	struct dial *dial;
	TAILQ_ENTRY(calling) entry;
};

/* --- destination.c, for lines --- */

/* The next parcel that may go; NULL if there is none. */
struct parcel *destination_take(struct destination *destination);
void destination_put_back(struct destination *destination, struct parcel *parcel);
void destination_finish(struct destination *destination, struct parcel *parcel,
	const struct connection_facts *facts);
void destination_failed(
	struct destination *destination, const struct reply *why, bool is_final);
void destination_worked(struct destination *destination);
/* Puts idle lines to use and opens new ones as the queue needs. */
void destination_dispatch(struct destination *destination);

/* --- line.c, for destinations --- */

/* Starts to open one more. False: no connection is free, the destination waits. */
bool line_open(struct destination *destination);
/* Gives an idle one the next parcel; it may turn out to be gone. */
void line_use(struct line *line);
void line_quit(struct line *line);
void line_free_all(struct destination *destination);

#endif
