/* SPDX-License-Identifier: MIT */
#include "cli/kind.h"

static const struct field fields[] = {
	{ VALUE(Postern__Pool, name, "name", name_value), .is_required = true },
	{ VALUE(Postern__Pool, helo, "helo", domain_value) },
	{ VALUES(Postern__Pool, sources, "sources", address_value) },
	{ VALUE(Postern__Pool, connections_per_destination, "connections-per-destination",
		count_value) },
	{ VALUE(Postern__Pool, messages_per_connection, "messages-per-connection",
		count_value) },
	{ VALUE(Postern__Pool, expire_ms, "expire", duration_value) },
	{ 0 },
};

static const char *const columns[] = { "name", "helo", "sources",
	"connections-per-destination", "expire", NULL };

const struct kind pool_kind = {
	.name = "pool",
	.plural = "pools",
	.number = POSTERN__OBJECT__KIND_POOL,
	.message = &postern__pool__descriptor,
	.fields = fields,
	.columns = columns,
};
