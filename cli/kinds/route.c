/* SPDX-License-Identifier: MIT */
#include "cli/kind.h"

static const struct choice modes[] = {
	{ "opportunistic", POSTERN__TLS_MODE__TLS_OPPORTUNISTIC },
	{ "required", POSTERN__TLS_MODE__TLS_REQUIRED },
	{ "verified", POSTERN__TLS_MODE__TLS_VERIFIED },
	{ "none", POSTERN__TLS_MODE__TLS_NONE },
	{ 0 },
};
static const struct value tls_value = CHOICES(modes);

static const struct field fields[] = {
	{ VALUE(Postern__DestinationRoute, domain, "domain", any_domain_value),
		.is_required = true },
	{ VALUE(Postern__DestinationRoute, pool, "pool", name_value), .refers = "pool" },
	{ VALUE(Postern__DestinationRoute, host, "host", host_value),
		.is_required = true },
	{ VALUE(Postern__DestinationRoute, port, "port", port_value) },
	{ VALUE(Postern__DestinationRoute, tls, "tls", tls_value) },
	{ 0 },
};

static const char *const columns[] = { "domain", "pool", "host", "port", "tls", NULL };

const struct kind route_kind = {
	.name = "route",
	.plural = "routes",
	.number = POSTERN__OBJECT__KIND_ROUTE,
	.message = &postern__destination_route__descriptor,
	.fields = fields,
	.columns = columns,
};
