/* SPDX-License-Identifier: MIT */
#include "cli/kind.h"

static const struct choice states[] = {
	{ "active", POSTERN__APP_STATE__APP_ACTIVE },
	{ "suspended", POSTERN__APP_STATE__APP_SUSPENDED },
	{ "revoked", POSTERN__APP_STATE__APP_REVOKED },
	{ 0 },
};
static const struct value state_value = CHOICES(states);

static const struct choice lane_choices[] = {
	{ "urgent", POSTERN__LANE__LANE_URGENT },
	{ "normal", POSTERN__LANE__LANE_NORMAL },
	{ "bulk", POSTERN__LANE__LANE_BULK },
	{ 0 },
};
static const struct value lane_value = CHOICES(lane_choices);

static const struct field sender_fields[] = {
	{ VALUE(Postern__SenderPair, envelope, "envelope", envelope_value),
		.is_required = true },
	{ VALUE(Postern__SenderPair, header, "header", sender_value), .is_required = true,
		.refers = "domain" },
	{ 0 },
};

static const struct field limit_fields[] = {
	{ VALUE(Postern__Limits, message_bytes, "message-size", bytes_value) },
	{ VALUE(Postern__Limits, messages_per_hour, "messages-per-hour", count64_value) },
	{ VALUE(Postern__Limits, messages_per_day, "messages-per-day", count64_value) },
	{ VALUE(Postern__Limits, bytes_per_hour, "bytes-per-hour", bytes_value) },
	{ VALUE(Postern__Limits, bytes_per_day, "bytes-per-day", bytes_value) },
	{ VALUE(Postern__Limits, recipients, "recipients", count_value) },
	{ VALUE(Postern__Limits, connections, "connections", count_value) },
	{ 0 },
};

static const struct field fields[] = {
	{ VALUE(Postern__App, name, "name", name_value), .is_required = true },
	{ VALUE(Postern__App, state, "state", state_value), .usual = "active" },
	{ VALUE(Postern__App, state_reason, "state-reason", text_value) },
	{ VALUE(Postern__App, lane, "lane", lane_value) },
	{ MAPPINGS(Postern__App, senders, "senders", sender_fields,
		  postern__sender_pair__descriptor),
		.is_required = true },
	{ VALUES(Postern__App, networks, "networks", network_value) },
	{ MAPPING(Postern__App, limits, "limits", limit_fields,
		postern__limits__descriptor) },
	{ VALUE(Postern__App, pool, "pool", name_value), .refers = "pool" },
	{ VALUE(Postern__App, policy, "policy", name_value), .refers = "policy" },
	{ VALUE(Postern__App, owner, "owner", text_value) },
	{ VALUES(Postern__App, tags, "tags", text_value) },
	{ 0 },
};

/* A document that says no state leaves the state as it is: whoever applies the files of a
 * repository again must not let a suspended app send again. For the same reason the YAML
 * of an active app does not say so. */
static void complete(Postern__Object *object, const Postern__Object *former)
{
	Postern__App *app = object->app;
	bool is_told = app->state != POSTERN__APP_STATE__APP_STATE_UNSPECIFIED;
	if (!is_told)
		app->state = former ? former->app->state : POSTERN__APP_STATE__APP_ACTIVE;
	if (!*app->state_reason && former && former->app->state == app->state)
		app->state_reason = former->app->state_reason;
	if (app->lane == POSTERN__LANE__LANE_UNSPECIFIED)
		app->lane = POSTERN__LANE__LANE_NORMAL;
}

static const char *const columns[] = { "name", "state", "lane", "pool", "policy",
	"senders", "owner", NULL };

const struct kind app_kind = {
	.name = "app",
	.plural = "apps",
	.number = POSTERN__OBJECT__KIND_APP,
	.message = &postern__app__descriptor,
	.fields = fields,
	.columns = columns,
	.complete = complete,
};
