/* SPDX-License-Identifier: MIT
 *
 * Opens a connection for a route: host after host, address after address, until one is
 * ready to take mail. Bounded, whatever the DNS says. Belongs to a destination. */
#ifndef SERVICES_SENDER_DIAL_H
#define SERVICES_SENDER_DIAL_H

#include "services/sender/connection.h"
#include "services/sender/pool.h"
#include "services/sender/route.h"

struct dial;
struct dns;

struct dial_options {
	struct connection_options connection;
	struct dns *dns;
	struct pool *pool;
};

struct dial_calls {
	/* `connection` is idle and the callee's: connection_adopt() at once. */
	void (*ready)(void *with, struct connection *connection);
	/* No connection. `is_final`: the DNS knows no address to send to, so that waiting
	 * won't help; otherwise try again later, whatever the code in `why`. */
	void (*failed)(void *with, const struct reply *why, bool is_final);
};

/* Calls one of the two, never before it has returned; the dial is gone then. */
struct dial *dial_start(const struct dial_options *options, struct route *route,
	const struct dial_calls *calls, void *with);
/* Gives up without calling back. Takes NULL. */
void dial_free(struct dial *dial);

#endif
