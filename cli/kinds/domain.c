/* SPDX-License-Identifier: MIT */
#include "cli/kind.h"

static const struct field key_fields[] = {
	{ VALUE(Postern__DkimKey, selector, "selector", selector_value),
		.is_required = true },
	{ VALUE(Postern__DkimKey, file, "file", file_value), .is_required = true },
	{ 0 },
};

static const struct field fields[] = {
	{ VALUE(Postern__Domain, name, "name", domain_value), .is_required = true },
	{ MAPPINGS(Postern__Domain, keys, "keys", key_fields,
		  postern__dkim_key__descriptor),
		.is_required = true },
	{ 0 },
};

static const char *const columns[] = { "name", "keys", NULL };

const struct kind domain_kind = {
	.name = "domain",
	.plural = "domains",
	.number = POSTERN__OBJECT__KIND_DOMAIN,
	.message = &postern__domain__descriptor,
	.fields = fields,
	.columns = columns,
};
