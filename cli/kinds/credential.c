/* SPDX-License-Identifier: MIT */
#include "cli/kind.h"

/* Salt and hash have no row, so nothing prints them. */
static const struct field fields[] = {
	{ VALUE(Postern__Credential, app, "app", name_value), .is_required = true },
	{ VALUE(Postern__Credential, name, "name", name_value), .is_required = true },
	{ VALUE(Postern__Credential, created_us, "created", moment_value) },
	{ VALUE(Postern__Credential, expires_us, "expires", moment_value) },
	{ 0 },
};

static const char *const columns[] = { "app", "name", "created", "expires", NULL };

const struct kind credential_kind = {
	.name = "credential",
	.plural = "credentials",
	.number = POSTERN__OBJECT__KIND_CREDENTIAL,
	.message = &postern__credential__descriptor,
	.fields = fields,
	.columns = columns,
	.is_made_elsewhere = true,
};
