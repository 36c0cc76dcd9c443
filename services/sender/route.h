/* SPDX-License-Identifier: MIT
 *
 * Where mail for a domain goes: a route that an operator wrote, else the domain's MX
 * hosts, else the domain itself (RFC 5321 5.1). Names only: addresses are looked up when
 * a connection is opened, by dial.h. */
#ifndef SERVICES_SENDER_ROUTE_H
#define SERVICES_SENDER_ROUTE_H

#include <stdint.h>

#include "proto/control.pb-c.h"
#include "services/sender/reply.h"

#define ROUTE_HOSTS_MAX 10

struct dns;
struct registry;
struct routes;

/* Shared, so never changed once it is made. */
struct route {
	unsigned references;
	char *key; /* the same for all domains that go to the same place in the same way
		    */
	Postern__TlsMode tls;
	bool is_written; /* an operator's: may lead into private networks */
	uint16_t port;
	size_t host_count;
	/* In the order to try; each a name, or an address in text form. */
	char *hosts[ROUTE_HOSTS_MAX];
};

struct route *route_hold(struct route *route);
/* Takes NULL. */
void route_release(struct route *route);

struct routes_options {
	const struct registry *registry;
	struct dns *dns;
	const char *pool, *helo;
};

/* All is borrowed. */
struct routes *routes_open(const struct routes_options *options);
/* Who waits for an answer gets none. */
void routes_close(struct routes *routes);

/* `route` is NULL where there is none: `why` says so, 4yz or 5yz. Both are borrowed for
 * the call. */
typedef void route_found(void *with, struct route *route, const struct reply *why);
/* `domain` in A-labels, or an address literal in brackets. May call back before it
 * returns. */
void route_find(
	struct routes *routes, const char *domain, route_found *found, void *with);

#endif
