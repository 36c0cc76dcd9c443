/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/memory.h"
#include "lib/metrics.h"
#include "services/smtp-gateway/connection_state.h"
#include "services/smtp-gateway/login.h"

/* More waits in the kernel. */
#define INPUT_MAX 65536
/* A client that does not read its replies is not served further. */
#define OUTPUT_MAX 16384
#define CLOSE_MS   10000

static int fd_of(struct bufferevent *stream)
{
	return (int)bufferevent_getfd(stream);
}

static void free_stream(struct bufferevent *stream)
{
	SSL *ssl = bufferevent_openssl_get_ssl(stream);
	/* close_notify, without waiting for the client's. */
	if (ssl && SSL_is_init_finished(ssl)) {
		SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
		SSL_shutdown(ssl);
	}
	/* A plain stream doesn't own its socket, see connection_new(). */
	int fd = ssl ? -1 : fd_of(stream);
	bufferevent_free(stream);
	if (fd >= 0)
		close(fd);
}

void connection_free(struct connection *connection)
{
	store_abandon(connection->store);
	grant_leave(connection);
	*connection->link = connection->next;
	if (connection->next)
		connection->next->link = connection->link;
	free_stream(connection->stream);
	session_free(connection->session);
	timer_free(connection->timer);
	free(connection->login_fault);
	gateway_left(connection->gateway, connection->address);
	free(connection);
}

struct connection *connection_next(const struct connection *connection)
{
	return connection->next;
}

/* The time runs for a whole request, not from one read to the next. */
static void run_time(struct connection *connection)
{
	const struct gateway_config *config = connection->gateway->config;
	unsigned turn = session_turn(connection->session);
	if (turn == connection->turn && timer_is_running(connection->timer))
		return;
	connection->turn = turn;
	timer_start(connection->timer, session_is_in_data(connection->session)
					       ? config->data_timeout_ms
					       : config->command_timeout_ms);
}

static void flush(struct connection *connection)
{
	struct slice output = session_output(connection->session);
	if (output.size == 0)
		return;
	bufferevent_write(connection->stream, output.data, output.size);
	session_sent(connection->session, output.size);
}

static size_t unsent(const struct connection *connection)
{
	return evbuffer_get_length(bufferevent_get_output(connection->stream));
}

static void close_softly(struct connection *connection)
{
	flush(connection);
	if (unsent(connection) == 0) {
		connection_free(connection);
		return;
	}
	connection->phase = PHASE_CLOSING;
	bufferevent_disable(connection->stream, EV_READ);
	timer_start(connection->timer, CLOSE_MS);
}

static void on_event(struct bufferevent *stream, short what, void *with);
static void on_read(struct bufferevent *stream, void *with);
static void on_write(struct bufferevent *stream, void *with);

static void take_stream(struct connection *connection, struct bufferevent *stream)
{
	connection->stream = stream;
	bufferevent_setcb(stream, on_read, on_write, on_event, connection);
	bufferevent_setwatermark(stream, EV_READ, 0, INPUT_MAX);
	bufferevent_enable(stream, EV_READ | EV_WRITE);
}

static void begin_tls(struct connection *connection, int fd)
{
	struct gateway *gateway = connection->gateway;
	SSL *ssl = certificate_new_session(gateway->certificate);
	struct bufferevent *stream = bufferevent_openssl_socket_new(
		loop_base(gateway->process->loop), fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
		BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!stream)
		abort();
	bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
	connection->phase = PHASE_HANDSHAKE;
	timer_start(connection->timer, gateway->config->tls_timeout_ms);
	take_stream(connection, stream);
}

/* RFC 3207: the TLS stream begins with nothing of the plain one. What was read already
 * came before the 220, so it is not the client's handshake. */
static void upgrade(struct connection *connection)
{
	struct bufferevent *plain = connection->stream;
	if (evbuffer_get_length(bufferevent_get_input(plain)) > 0) {
		log_warning(LOG_OF(connection), "text in the clear before the handshake: "
						"connection closed");
		connection_free(connection);
		return;
	}
	int fd = fd_of(plain);
	bufferevent_setfd(plain, -1);
	bufferevent_free(plain);
	begin_tls(connection, fd);
}

static void await_upgrade(struct connection *connection)
{
	bufferevent_disable(connection->stream, EV_READ);
	connection->phase = PHASE_UPGRADE;
	if (unsent(connection) == 0)
		upgrade(connection);
}

/* --- bytes -----------------------------------------------------------------------------
 */

/* Feeds the session what has come; true: it took something. A line may lie across two
 * chunks of the buffer, and then only that much is joined. */
static bool feed(struct connection *connection)
{
	struct evbuffer *input = bufferevent_get_input(connection->stream);
	size_t length = evbuffer_get_length(input);
	size_t size = evbuffer_get_contiguous_space(input);
	for (;;) {
		struct slice bytes = { (char *)evbuffer_pullup(input, (ev_ssize_t)size),
			size };
		session_feed(connection->session, &bytes);
		if (bytes.size < size) {
			evbuffer_drain(input, size - bytes.size);
			return true;
		}
		if (size == length || session_wish(connection->session) != WISH_INPUT)
			return false;
		size = size + SESSION_LINE_MAX < length ? size + SESSION_LINE_MAX
							: length;
	}
}

static void await_input(struct connection *connection)
{
	bool is_stuffed = unsent(connection) > OUTPUT_MAX;
	run_time(connection);
	if (is_stuffed)
		bufferevent_disable(connection->stream, EV_READ);
	else
		bufferevent_enable(connection->stream, EV_READ);
}

void connection_serve(struct connection *connection)
{
	bool goes_on = true;
	while (goes_on) {
		bool took = feed(connection);
		flush(connection);
		switch (session_wish(connection->session)) {
		case WISH_AUTH:
			goes_on = !connection->login_fault && grant_login(connection);
			break;
		case WISH_STORE:
			if (!connection->store)
				grant_store(connection);
			goes_on = false;
			break;
		case WISH_TLS:
			await_upgrade(connection);
			return;
		case WISH_CLOSE:
			close_softly(connection);
			return;
		case WISH_INPUT:
		default:
			goes_on = took && unsent(connection) <= OUTPUT_MAX;
			if (!goes_on)
				await_input(connection);
		}
	}
}

static void on_read(struct bufferevent *stream, void *with)
{
	(void)stream;
	struct connection *connection = with;
	if (connection->phase == PHASE_OPEN)
		connection_serve(connection);
}

static void on_write(struct bufferevent *stream, void *with)
{
	struct connection *connection = with;
	if (unsent(connection) > 0)
		return;
	KILL_POINT(connection->is_taken ? "gateway.after_250" : "gateway.after_reply");
	connection->is_taken = false;
	if (connection->phase == PHASE_CLOSING)
		connection_free(connection);
	else if (connection->phase == PHASE_UPGRADE)
		upgrade(connection);
	else if (connection->phase == PHASE_OPEN &&
		 !(bufferevent_get_enabled(stream) & EV_READ))
		connection_serve(connection);
}

static void on_event(struct bufferevent *stream, short what, void *with)
{
	struct connection *connection = with;
	if (!(what & BEV_EVENT_CONNECTED)) {
		/* The client is gone; what is being stored goes on without it. */
		connection_free(connection);
		return;
	}
	const SSL *ssl = bufferevent_openssl_get_ssl(stream);
	connection->phase = PHASE_OPEN;
	session_tls_ready(
		connection->session, SSL_get_version(ssl), SSL_get_cipher_name(ssl));
	timer_stop(connection->timer);
	connection_serve(connection);
}

static void on_time(void *with)
{
	struct connection *connection = with;
	if (connection->login_fault) {
		grant_late_refusal(connection);
		return;
	}
	metric_add(connection->gateway->metrics.timeouts, 1);
	if (connection->phase != PHASE_OPEN) {
		connection_free(connection);
		return;
	}
	session_end(connection->session, "4.4.2", "Time-out, closing");
	close_softly(connection);
}

void connection_drain(struct connection *connection)
{
	if (connection->phase == PHASE_OPEN) {
		session_drain(connection->session);
		connection_serve(connection);
	} else if (connection->phase != PHASE_CLOSING) {
		connection_free(connection);
	}
}

void connection_review(struct connection *connection, struct slice app)
{
	struct session *session = connection->session;
	const struct login login = { app, session_app_credential(session),
		connection->address };
	struct fault why = { 0 };
	if (connection->phase != PHASE_OPEN || !session_app(session).size ||
		!slice_equal(session_app(session), app) ||
		login_app(connection->gateway->process->registry, &login, clock_unix_us(),
			&why))
		return;
	log_warning(LOG_OF(connection), "session cut", FIELD("reason", why.text));
	session_end(session, "4.7.0", why.text);
	connection_serve(connection);
}

void connection_new(struct gateway *gateway, int fd, const char *address, bool is_tls)
{
	struct connection *connection = NEW(struct connection);
	connection->gateway = gateway;
	connection->number = ++gateway->last_number;
	memccpy(connection->address, address, '\0', sizeof(connection->address) - 1);
	connection->next = gateway->first;
	connection->link = &gateway->first;
	if (connection->next)
		connection->next->link = &connection->next;
	gateway->first = connection;
	connection->timer = timer_new(gateway->process->loop, on_time, connection);
	connection->session = session_new(&gateway->world, connection, address);
	if (is_tls) {
		begin_tls(connection, fd);
		return;
	}
	/* Without BEV_OPT_CLOSE_ON_FREE: STARTTLS goes on with the same socket. */
	struct bufferevent *stream = bufferevent_socket_new(
		loop_base(gateway->process->loop), fd, BEV_OPT_DEFER_CALLBACKS);
	if (!stream)
		abort();
	connection->phase = PHASE_OPEN;
	take_stream(connection, stream);
	connection_serve(connection);
}
