/* SPDX-License-Identifier: MIT
 *
 * What a session wishes of the world outside: a login, a durable message. Part of
 * connection_state.h. */
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mail.h"
#include "lib/memory.h"
#include "lib/metrics.h"
#include "lib/registry/registry.h"
#include "services/smtp-gateway/connection_state.h"
#include "services/smtp-gateway/login.h"

/* After the first failed login; each further one waits as much longer. */
#define FAILED_LOGIN_MS 1000

static void stored(void *with, const char *id, const struct fault *fault)
{
	struct connection *connection = with;
	struct gateway *gateway = connection->gateway;
	struct slice app_name = session_app(connection->session);
	const Postern__App *app = registry_app(gateway->process->registry, app_name);
	connection->store = NULL;
	connection->is_taken = !fault;
	metric_add(fault ? gateway->metrics.deferred : gateway->metrics.accepted, 1);
	if (!fault)
		log_info(LOG_OF(connection), "message accepted", FIELD("message", id),
			NUMBER("bytes", (long long)connection->stored_bytes));
	if (fault && app)
		meters_refund(gateway->meters, app, connection->stored_bytes);
	session_stored(connection->session, id, fault);
	connection_serve(connection);
}

void grant_store(struct connection *connection)
{
	struct gateway *gateway = connection->gateway;
	struct arena *arena = arena_new();
	struct id id = id_mint();
	Postern__Mail *mail = session_mail(connection->session, arena, id);
	Postern__Event *event = session_event(arena, mail);
	mail_add_step(arena, mail, gateway->process->name, mail->submission->received_us);
	connection->stored_bytes = mail->content.len;
	metric_add(gateway->metrics.content_bytes, (int64_t)mail->content.len);
	connection->store = store_mail(gateway->stores, mail, event, stored, connection);
	arena_free(arena);
	timer_stop(connection->timer);
}

static void answer_login(struct connection *connection, const char *credential)
{
	struct gateway *gateway = connection->gateway;
	session_authenticated(connection->session, credential, connection->login_fault);
	memory_free(&connection->login_fault);
	connection->is_counted = credential != NULL;
	metric_add(
		credential ? gateway->metrics.logins : gateway->metrics.failed_logins, 1);
	if (credential)
		log_info(
			LOG_OF(connection), "logged in", FIELD("credential", credential));
}

static bool enter_app(
	struct connection *connection, struct slice name, struct fault *fault)
{
	struct gateway *gateway = connection->gateway;
	const Postern__App *app = registry_app(gateway->process->registry, name);
	uint32_t most = app && app->limits ? app->limits->connections : 0;
	if (!most)
		most = (uint32_t)gateway->config->connections_per_app;
	return meters_enter(gateway->meters, name, most) ||
	       fault_temporary(fault, "The app has %u sessions open already", most);
}

bool grant_login(struct connection *connection)
{
	struct gateway *gateway = connection->gateway;
	struct session_offer offer = session_offer(connection->session);
	struct fault fault = { 0 };
	const Postern__Credential *credential = login_check(gateway->process->registry,
		offer, connection->address, clock_unix_us(), &fault);
	if (credential && enter_app(connection, offer.app, &fault)) {
		answer_login(connection, credential->name);
		return true;
	}
	log_warning(LOG_OF(connection), "login refused",
		SLICE_FIELD("name", slice_head(offer.app, 64)),
		FIELD("reason", fault.text));
	connection->login_fault = NEW(struct fault);
	*connection->login_fault = fault;
	timer_start(connection->timer,
		FAILED_LOGIN_MS * (1 + session_auth_failures(connection->session)));
	return false;
}

void grant_late_refusal(struct connection *connection)
{
	answer_login(connection, NULL);
	connection_serve(connection);
}

void grant_leave(struct connection *connection)
{
	if (connection->is_counted)
		meters_leave(
			connection->gateway->meters, session_app(connection->session));
	connection->is_counted = false;
}
