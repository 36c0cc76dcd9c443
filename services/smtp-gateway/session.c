/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

/* Past this much output the client is to read before it is served further. */
#define OUTPUT_PAUSE   4096
#define OUTPUT_CEILING 16384

static const struct {
	enum session_state from;
	unsigned to;
} moves[] = {
	{ SESSION_PLAIN, SESSION_UPGRADING | SESSION_SECURE },
	{ SESSION_UPGRADING, SESSION_SECURE },
	{ SESSION_SECURE, SESSION_CHALLENGED | SESSION_CHECKING },
	{ SESSION_CHALLENGED, SESSION_CHALLENGED | SESSION_CHECKING | SESSION_SECURE },
	{ SESSION_CHECKING, SESSION_IDLE | SESSION_SECURE },
	{ SESSION_IDLE, SESSION_IDLE | SESSION_SENDER },
	{ SESSION_SENDER, SESSION_IDLE | SESSION_RECIPIENTS },
	{ SESSION_RECIPIENTS, SESSION_IDLE | SESSION_RECIPIENTS | SESSION_DATA },
	{ SESSION_DATA, SESSION_IDLE | SESSION_STORING },
	{ SESSION_STORING, SESSION_IDLE },
};

void session_enter(struct session *session, enum session_state state)
{
	bool is_legal = state == SESSION_CLOSED;
	for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++)
		is_legal = is_legal ||
			   (moves[i].from == session->state && (moves[i].to & state));
	assert(is_legal);
	session->state = state;
}

struct session *session_new(
	const struct session_world *world, void *with, const char *client_address)
{
	struct session *session = NEW(struct session);
	session->world = world;
	session->with = with;
	session->state = SESSION_PLAIN;
	session->client_address = memory_string(slice_of(client_address));
	buffer_init(&session->out, OUTPUT_CEILING);
	buffer_printf(&session->out, "220 %s ESMTP Postern\r\n", world->hostname);
	return session;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	session_forget_transaction(session);
	session_forget_offer(session);
	buffer_done(&session->out);
	free(session->client_address);
	free(session->tls_version);
	free(session->tls_cipher);
	free(session->helo);
	free(session->app);
	free(session->credential);
	free(session);
}

enum session_wish session_wish(const struct session *session)
{
	switch (session->state) {
	case SESSION_UPGRADING:
		return WISH_TLS;
	case SESSION_CHECKING:
		return WISH_AUTH;
	case SESSION_STORING:
		return WISH_STORE;
	case SESSION_CLOSED:
		return WISH_CLOSE;
	default:
		return WISH_INPUT;
	}
}

static const struct verb *find_verb(struct slice name)
{
	for (const struct verb *const *verb = verb_registry; *verb; verb++)
		if (slice_equal_nocase(name, slice_of((*verb)->name)))
			return *verb;
	return NULL;
}

static void refuse_state(struct session *session)
{
	if (session->state == SESSION_PLAIN)
		session_complain(
			session, "530", "5.7.0", "Must issue a STARTTLS command first");
	else if (session->state == SESSION_SECURE)
		session_complain(session, "530", "5.7.0", "Authentication required");
	else
		session_complain(session, "503", "5.5.1", "Bad sequence of commands");
}

static void dispatch(struct session *session, struct slice line)
{
	struct slice argument = line, name;
	slice_split(&argument, ' ', &name);
	argument = slice_trim(argument);
	const struct verb *verb = find_verb(name);
	if (++session->commands > session->world->limits.commands)
		session_end(session, "4.7.0", "Too many commands without a message");
	else if (!verb)
		session_complain(session, "500", "5.5.1", "Command not recognised");
	else if (!(verb->states & session->state))
		refuse_state(session);
	else if ((verb->flags & VERB_NEEDS_HELO) && !session->helo)
		session_complain(session, "503", "5.5.1", "Send EHLO first");
	else if (argument.size && !(verb->flags & VERB_TAKES_ARGUMENT))
		session_complain(
			session, "501", "5.5.4", "%s takes no argument", verb->name);
	else if ((session->state & SESSION_KNOWN) && !session_app_now(session))
		return;
	else if (!verb->may || verb->may(session, argument))
		verb->act(session, argument);
}

static void refuse_line(struct session *session, const char *why)
{
	bool is_answer = session->state == SESSION_CHALLENGED;
	if (is_answer) {
		session_forget_offer(session);
		session_enter(session, SESSION_SECURE);
	}
	session_complain(session, "500", is_answer ? "5.5.6" : "5.5.2", "%s", why);
}

/* `line` ends with LF. */
static void take_line(struct session *session, struct slice line)
{
	struct slice text = slice_head(line, line.size - 1);
	session->turn++;
	if (session->is_skipping || line.size > SESSION_LINE_MAX) {
		session->is_skipping = false;
		refuse_line(session, "Line too long");
		return;
	}
	if (text.size == 0 || text.data[--text.size] != '\r') {
		refuse_line(session, "Lines must end with CRLF");
		return;
	}
	if (text.size && (memchr(text.data, '\r', text.size) ||
				 memchr(text.data, '\0', text.size))) {
		refuse_line(session, "CR or NUL within a line");
		return;
	}
	if (session->state == SESSION_CHALLENGED)
		session->answer(session, text);
	else
		dispatch(session, text);
}

static bool feed_line(struct session *session, struct slice *bytes)
{
	const char *end = memchr(bytes->data, '\n', bytes->size);
	if (!end && bytes->size < SESSION_LINE_MAX && !session->is_skipping)
		return false;
	if (!end) {
		session->is_skipping = true;
		*bytes = slice_skip(*bytes, bytes->size);
		return false;
	}
	struct slice line = { bytes->data, (size_t)(end - bytes->data) + 1 };
	*bytes = slice_skip(*bytes, line.size);
	session->unread = bytes->size;
	take_line(session, line);
	return true;
}

enum session_wish session_feed(struct session *session, struct slice *bytes)
{
	bool goes_on = true;
	while (goes_on && bytes->size > 0 && session_wish(session) == WISH_INPUT &&
		buffer_size(&session->out) < OUTPUT_PAUSE)
		goes_on = session->state == SESSION_DATA
				  ? session_feed_data(session, bytes)
				  : feed_line(session, bytes);
	return session_wish(session);
}

void session_tls_ready(struct session *session, const char *version, const char *cipher)
{
	session->tls_version = memory_string(slice_of(version));
	session->tls_cipher = memory_string(slice_of(cipher));
	memory_free(&session->helo);
	session->commands = session->bad_commands = 0;
	session_enter(session, SESSION_SECURE);
}

void session_authenticated(
	struct session *session, const char *credential, const struct fault *why)
{
	bool is_last = false;
	if (credential) {
		session->app = memory_string(slice_of(session->offered_app));
		session->credential = memory_string(slice_of(credential));
		session_reply(
			session, "235", "2.7.0", "Authenticated as %s", session->app);
	} else {
		is_last = ++session->auth_failures >=
			  session->world->limits.auth_failures;
		if (why->kind == FAULT_TEMPORARY)
			session_reply(session, "454", "4.7.0", "%s", why->text);
		else
			session_reply(session, "535", "5.7.8",
				"User name or secret is wrong, or not valid here");
	}
	session_forget_offer(session);
	session_enter(session, is_last      ? SESSION_CLOSED
			       : credential ? SESSION_IDLE
					    : SESSION_SECURE);
	if (session->is_draining)
		session_drain(session);
}

const Postern__App *session_app_now(struct session *session)
{
	const struct session_world *world = session->world;
	struct fault why = { 0 };
	const Postern__App *app = world->app(session->with, slice_of(session->app),
		slice_of(session->credential), &why);
	if (!app)
		session_end(session, "4.7.0", why.text);
	return app;
}

void session_end(struct session *session, const char *enhanced, const char *why)
{
	if (session->state == SESSION_STORING) {
		session->is_ending = true;
		return;
	}
	if (session->state == SESSION_CLOSED)
		return;
	session_reply(session, "421", enhanced, "%s %s", session->world->hostname, why);
	session_forget_transaction(session);
	session_enter(session, SESSION_CLOSED);
}

void session_drain(struct session *session)
{
	session->is_draining = true;
	if (!(session->state & (SESSION_DATA | SESSION_STORING | SESSION_CHECKING)))
		session_end(session, "4.3.2", "Service is going down, try again");
}

void session_finish(struct session *session)
{
	session_forget_transaction(session);
	session_enter(session, SESSION_IDLE);
	if (session->is_ending)
		session_end(session, "4.7.0", "Closing");
	else if (session->is_draining)
		session_drain(session);
}

unsigned session_turn(const struct session *session)
{
	return session->turn;
}

bool session_is_in_data(const struct session *session)
{
	return session->state == SESSION_DATA;
}

struct slice session_app(const struct session *session)
{
	return slice_of(session->app);
}

struct slice session_app_credential(const struct session *session)
{
	return slice_of(session->credential);
}

unsigned session_auth_failures(const struct session *session)
{
	return session->auth_failures;
}
