/* SPDX-License-Identifier: MIT */
#include "services/sender/pool.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void set_helo(struct pool *pool, const char *name)
{
	if (*name) {
		snprintf(pool->helo, sizeof(pool->helo), "%s", name);
		return;
	}
	if (gethostname(pool->helo, sizeof(pool->helo)) != 0 || !*pool->helo)
		snprintf(pool->helo, sizeof(pool->helo), "localhost");
	pool->helo[sizeof(pool->helo) - 1] = '\0';
}

static size_t set_sources(struct pool *pool, const Postern__Pool *object)
{
	size_t left_out = 0;
	pool->source_count = 0;
	for (size_t i = 0; object && i < object->n_sources; i++) {
		if (pool->source_count < POOL_SOURCES_MAX &&
			endpoint_parse(object->sources[i], 0,
				&pool->sources[pool->source_count]))
			pool->source_count++;
		else
			left_out++;
	}
	return left_out;
}

size_t pool_set(struct pool *pool, const struct sender_config *config,
	const Postern__Pool *object)
{
	pool->name = config->pool;
	set_helo(pool, object && *object->helo ? object->helo : config->helo);
	pool->connections_per_destination =
		object && object->connections_per_destination
			? object->connections_per_destination
			: (unsigned)config->connections_per_destination;
	pool->messages_per_connection =
		object && object->messages_per_connection
			? object->messages_per_connection
			: (unsigned)config->messages_per_connection;
	pool->expire_urgent_ms = config->expire_urgent_ms;
	pool->expire_ms = config->expire_ms;
	if (object && object->expire_ms)
		pool->expire_urgent_ms = pool->expire_ms = (int64_t)object->expire_ms;
	return set_sources(pool, object);
}

bool pool_next_source(struct pool *pool, sa_family_t family, struct endpoint *ret_source)
{
	*ret_source = (struct endpoint){ 0 };
	for (size_t i = 0; i < pool->source_count; i++) {
		size_t at = (pool->next_source + i) % pool->source_count;
		if (pool->sources[at].address.ss_family != family)
			continue;
		*ret_source = pool->sources[at];
		pool->next_source = at + 1;
		return true;
	}
	return pool->source_count == 0;
}
