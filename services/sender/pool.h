/* SPDX-License-Identifier: MIT
 *
 * The pool that this process delivers for, as it is now: the control object where it says
 * something, the settings elsewhere. Owned by the sender; followed from the registry. */
#ifndef SERVICES_SENDER_POOL_H
#define SERVICES_SENDER_POOL_H

#include "proto/control.pb-c.h"
#include "services/sender/config.h"
#include "services/sender/reach.h"

#define POOL_SOURCES_MAX 256

struct pool {
	const char *name;
	char helo[256];
	struct endpoint sources[POOL_SOURCES_MAX];
	size_t source_count;
	size_t next_source; /* round robin */
	unsigned connections_per_destination;
	unsigned messages_per_connection;
	int64_t expire_urgent_ms, expire_ms;
};

/* `object` may be NULL: there is none of that name. Source addresses that can't be read
 * are left out; returns how many. */
size_t pool_set(struct pool *pool, const struct sender_config *config,
	const Postern__Pool *object);
/* The source address to use next towards an address of that family; `ret_source` has size
 * 0 where the kernel may choose. False: the pool has only sources of the other family. */
bool pool_next_source(struct pool *pool, sa_family_t family, struct endpoint *ret_source);

#endif
