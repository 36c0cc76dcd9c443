/* SPDX-License-Identifier: MIT
 *
 * What sessions look up: time, registry, bus, meters, memory. Part of connection.h. */
#include "lib/bus/bus.h"
#include "lib/clock.h"
#include "lib/metrics.h"
#include "services/smtp-gateway/connection_state.h"
#include "services/smtp-gateway/login.h"

static int64_t world_now_us(void *with)
{
	(void)with;
	return clock_unix_us();
}

static const Postern__App *world_app(
	void *with, struct slice app, struct slice credential, struct fault *why)
{
	const struct connection *connection = with;
	const struct login login = { app, credential, connection->address };
	return login_app(
		connection->gateway->process->registry, &login, clock_unix_us(), why);
}

static bool world_is_open(void *with, struct fault *why)
{
	const struct connection *connection = with;
	return bus_is_healthy(connection->gateway->process->bus, why);
}

static bool world_may_spend(
	void *with, const Postern__App *app, size_t bytes, bool charge, struct fault *why)
{
	const struct connection *connection = with;
	return meters_spend(
		connection->gateway->meters, app, bytes, charge, clock_unix_us(), why);
}

static bool world_hold(void *with, size_t before, size_t after)
{
	const struct connection *connection = with;
	struct gateway *gateway = connection->gateway;
	size_t held = gateway->held_bytes - before + after;
	if (after > before && held > (size_t)gateway->config->memory_bytes)
		return false;
	gateway->held_bytes = held;
	return true;
}

/* Refusals of a stranger are not worth a line each. */
static void world_refused(
	void *with, const char *code, const char *enhanced, const char *text)
{
	const struct connection *connection = with;
	bool is_known = session_app(connection->session).size > 0;
	metric_add(connection->gateway->metrics.refused, 1);
	log_write(LOG_OF(connection), is_known ? LOG_INFO : LOG_DEBUG, "refused",
		(struct log_field[]){ FIELD("code", code), FIELD("enhanced", enhanced),
			FIELD("reason", text), { 0 } });
}

const struct session_world connection_world = {
	.now_us = world_now_us,
	.app = world_app,
	.is_open = world_is_open,
	.may_spend = world_may_spend,
	.hold = world_hold,
	.refused = world_refused,
};
