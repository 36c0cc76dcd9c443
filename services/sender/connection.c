/* SPDX-License-Identifier: MIT */
#include "services/sender/connection.h"

#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"
#include "services/sender/stream.h"

#define QUIT_MS 5000

enum connection_state {
	CONNECTION_CONNECTING,
	CONNECTION_HANDSHAKE, /* of TLS */
	CONNECTION_TALKING,
};

struct connection {
	struct connection_options options;
	const struct connection_calls *calls;
	void *with;
	struct connection_facts facts;
	char helo[256];
	Postern__TlsMode tls_mode;
	enum connection_state state;
	struct stream stream;
	struct watch *watch;
	struct timer *deadline;
	struct client *client;
	/* What the deadline was last set for. */
	enum client_state timed_state;
	unsigned timed_replies;
	int64_t transaction_ends_ms; /* monotonic; 0 = none under way */
	unsigned message_count;
	bool is_delivering; /* `done` is owed */
	bool is_idle_told;  /* `idle` was called and nothing was delivered since */
	bool is_advancing, must_advance, tls_failed;
};

static void advance(struct connection *connection);

static void finish(struct connection *connection)
{
	const struct reply *why = client_failure(connection->client);
	connection->calls->closed(connection->with, why);
	connection_free(connection);
}

void connection_free(struct connection *connection)
{
	if (!connection)
		return;
	watch_free(connection->watch);
	timer_free(connection->deadline);
	stream_close(&connection->stream);
	client_free(connection->client);
	free(connection);
}

static void lose(struct connection *connection, const char *enhanced, const char *why)
{
	client_lost(connection->client, enhanced, why);
}

static void lose_handshake(struct connection *connection, const char *why)
{
	connection->tls_failed = true;
	lose(connection, "4.7.5", why);
}

/* RFC 5321 4.5.3.2. */
static int64_t patience_ms(const struct connection *connection)
{
	const struct connection_timeouts *timeouts = connection->options.timeouts;
	if (connection->state == CONNECTION_CONNECTING)
		return timeouts->connect;
	switch (client_state(connection->client)) {
	case CLIENT_GREETING:
		return timeouts->greeting;
	case CLIENT_HANDSHAKE:
		return timeouts->handshake;
	case CLIENT_READY:
		return timeouts->idle;
	case CLIENT_BODY:
		return timeouts->data;
	case CLIENT_FINAL:
		return timeouts->final;
	case CLIENT_QUIT:
		return QUIT_MS;
	default:
		return timeouts->command;
	}
}

/* A reply, or bytes that went out, are progress; bytes that came in are not, for a server
 * could trickle a reply for ever. */
static void set_deadline(struct connection *connection, bool has_sent)
{
	enum client_state state = client_state(connection->client);
	unsigned replies = client_reply_count(connection->client);
	if (!has_sent && state == connection->timed_state &&
		replies == connection->timed_replies &&
		timer_is_running(connection->deadline))
		return;
	connection->timed_state = state;
	connection->timed_replies = replies;
	int64_t after_ms = patience_ms(connection);
	if (connection->transaction_ends_ms) {
		int64_t left_ms = connection->transaction_ends_ms - clock_monotonic_ms();
		after_ms = left_ms < after_ms ? left_ms : after_ms;
	}
	timer_start(connection->deadline, after_ms);
}

static void on_deadline(void *with)
{
	struct connection *connection = with;
	static const char *const waited_for[CLIENT_STATES] = {
		[CLIENT_GREETING] = "greeting",
		[CLIENT_EHLO] = "EHLO",
		[CLIENT_HELO] = "HELO",
		[CLIENT_STARTTLS] = "STARTTLS",
		[CLIENT_MAIL] = "MAIL",
		[CLIENT_RCPT] = "RCPT",
		[CLIENT_DATA] = "DATA",
		[CLIENT_BODY] = "sending the content",
		[CLIENT_FINAL] = "end of the data",
		[CLIENT_ABORT] = "end of the data",
		[CLIENT_RSET] = "RSET",
	};
	enum client_state state = client_state(connection->client);
	char why[128];
	if (state == CLIENT_READY) {
		client_quit(connection->client);
	} else if (connection->state == CONNECTION_CONNECTING) {
		lose(connection, "4.4.1", "connection timed out");
	} else if (connection->state == CONNECTION_HANDSHAKE) {
		lose_handshake(connection, "timed out: TLS handshake");
	} else {
		const char *what = waited_for[state] ? waited_for[state] : "QUIT";
		snprintf(why, sizeof(why), "timed out: %s", what);
		lose(connection, "4.4.2", why);
	}
	advance(connection);
}

/* True if something went out. */
static bool flush(struct connection *connection)
{
	struct iovec pieces[64];
	bool has_sent = false;
	size_t count;
	char why[STREAM_WHY];
	connection->stream.wants_write = false;
	while ((count = client_output(connection->client, pieces, 64)) > 0) {
		ssize_t sent = stream_write(&connection->stream, pieces, count, why);
		if (sent == STREAM_AGAIN)
			break;
		if (sent == STREAM_OVER) {
			/* What the server said before it closed is worth more than the
			 * fact that it did: stays to be read. */
			connection->stream.is_write_over = true;
			break;
		}
		client_sent(connection->client, (size_t)sent);
		has_sent = true;
	}
	return has_sent;
}

static void start_handshake(struct connection *connection)
{
	struct fault fault;
	connection->state = CONNECTION_HANDSHAKE;
	if (!stream_start_tls(&connection->stream, connection->options.tls,
		    connection->facts.host, &fault))
		lose_handshake(connection, fault.text);
}

static void go_on_handshaking(struct connection *connection)
{
	char why[STREAM_WHY];
	/* It was lost before it began, or at its deadline. */
	if (client_wish(connection->client) == CLIENT_CLOSE)
		return;
	switch (stream_handshake(&connection->stream, why)) {
	case STREAM_AGAIN:
		return;
	case STREAM_OVER:
		lose_handshake(connection, why);
		return;
	default:
		break;
	}
	struct tls_facts *facts = &connection->facts.tls;
	tls_read_facts(connection->stream.tls, facts);
	if (connection->tls_mode == POSTERN__TLS_MODE__TLS_VERIFIED &&
		!facts->is_verified) {
		char text[TLS_FACT_MAX + 64];
		snprintf(text, sizeof(text), "the route wants a verified certificate: %s",
			facts->certificate);
		lose(connection, "4.7.5", text);
		return;
	}
	connection->state = CONNECTION_TALKING;
	client_tls_ready(connection->client);
	connection->must_advance = true;
}

static void tell(struct connection *connection)
{
	if (connection->is_delivering && !client_is_busy(connection->client)) {
		connection->is_delivering = false;
		connection->transaction_ends_ms = 0;
		connection->message_count++;
		connection->calls->done(connection->with);
	}
	if (client_wish(connection->client) == CLIENT_IDLE && !connection->is_idle_told) {
		connection->is_idle_told = true;
		connection->calls->idle(connection->with);
	}
}

static unsigned interest(const struct connection *connection)
{
	if (connection->state == CONNECTION_CONNECTING)
		return LOOP_WRITE;
	if (connection->stream.wants_write && !connection->stream.is_write_over)
		return LOOP_READ | LOOP_WRITE;
	return LOOP_READ;
}

/* Lets everything happen that can without waiting. Callbacks may deliver, quit or find
 * the connection dead; they come back to the loop here instead of nesting. */
static void advance(struct connection *connection)
{
	connection->must_advance = true;
	if (connection->is_advancing)
		return;
	connection->is_advancing = true;
	bool has_sent = false;
	while (connection->must_advance) {
		connection->must_advance = false;
		if (connection->state == CONNECTION_HANDSHAKE)
			go_on_handshaking(connection);
		else if (connection->state == CONNECTION_TALKING)
			has_sent |= flush(connection);
		tell(connection);
		if (client_wish(connection->client) == CLIENT_TLS &&
			connection->state == CONNECTION_TALKING) {
			start_handshake(connection);
			connection->must_advance = true;
		}
	}
	connection->is_advancing = false;
	if (client_wish(connection->client) == CLIENT_CLOSE) {
		finish(connection);
		return;
	}
	set_deadline(connection, has_sent);
	watch_change(connection->watch, interest(connection));
}

static void receive(struct connection *connection)
{
	char bytes[16384], why[STREAM_WHY];
	/* A few rounds a turn: other connections wait too. */
	for (int round = 0; round < 4; round++) {
		ssize_t size = stream_read(
			&connection->stream, bytes, sizeof(bytes), why);
		if (size == STREAM_AGAIN)
			return;
		if (size == STREAM_OVER) {
			lose(connection, "4.4.2", why);
			return;
		}
		struct slice slice = { bytes, (size_t)size };
		if (client_feed(connection->client, &slice) != CLIENT_INPUT)
			return;
	}
}

static void on_connected(struct connection *connection)
{
	int error = 0;
	socklen_t size = sizeof(error);
	getsockopt(connection->stream.socket, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error) {
		lose(connection, "4.4.1", strerror(error));
		return;
	}
	KILL_POINT("sender.after_connect");
	connection->state = CONNECTION_TALKING;
	struct endpoint from = { .size = sizeof(from.address) };
	getsockname(
		connection->stream.socket, (struct sockaddr *)&from.address, &from.size);
	endpoint_print(&from, connection->facts.from);
}

static void on_ready(void *with, unsigned what)
{
	struct connection *connection = with;
	if (connection->state == CONNECTION_CONNECTING)
		on_connected(connection);
	else if (connection->state == CONNECTION_TALKING && (what & LOOP_READ))
		receive(connection);
	advance(connection);
}

struct connection *connection_open(const struct connection_options *options,
	const struct connection_target *target, const struct connection_calls *calls,
	void *with)
{
	struct connection *connection = NEW(struct connection);
	*connection = (struct connection){
		.options = *options, .calls = calls, .with = with, .tls_mode = target->tls
	};
	snprintf(connection->facts.host, sizeof(connection->facts.host), "%s",
		target->host);
	endpoint_print(&target->to, connection->facts.to);
	snprintf(connection->helo, sizeof(connection->helo), "%s", target->helo);
	connection->client = client_new(&(struct client_options){
		.helo = connection->helo,
		.may_use_tls = target->tls != POSTERN__TLS_MODE__TLS_NONE,
		.must_use_tls = target->tls == POSTERN__TLS_MODE__TLS_REQUIRED ||
				target->tls == POSTERN__TLS_MODE__TLS_VERIFIED,
	});
	connection->deadline = timer_new(options->loop, on_deadline, connection);
	struct fault fault;
	if (stream_connect(&connection->stream, &target->to, &target->from, &fault)) {
		connection->watch = watch_new(options->loop, connection->stream.socket,
			LOOP_WRITE, on_ready, connection);
		set_deadline(connection, true);
	} else {
		lose(connection, "4.4.1", fault.text);
		timer_start(connection->deadline, 0);
	}
	return connection;
}

void connection_adopt(
	struct connection *connection, const struct connection_calls *calls, void *with)
{
	connection->calls = calls;
	connection->with = with;
}

bool connection_is_alive(struct connection *connection)
{
	receive(connection);
	if (client_wish(connection->client) == CLIENT_IDLE)
		return true;
	advance(connection);
	return false;
}

void connection_deliver(struct connection *connection, struct client_mail *mail)
{
	assert(connection->is_idle_told);
	connection->is_idle_told = false;
	connection->is_delivering = true;
	connection->transaction_ends_ms = clock_monotonic_ms() +
					  connection->options.timeouts->transaction;
	client_deliver(connection->client, mail);
	advance(connection);
}

void connection_quit(struct connection *connection)
{
	client_quit(connection->client);
	advance(connection);
}

const struct connection_facts *connection_facts(const struct connection *connection)
{
	return &connection->facts;
}

bool connection_tls_failed(const struct connection *connection)
{
	return connection->tls_failed;
}

unsigned connection_message_count(const struct connection *connection)
{
	return connection->message_count;
}
