/* SPDX-License-Identifier: MIT */
#include "services/sender/client.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/chaos.h"
#include "lib/memory.h"
#include "services/sender/client_states.h"

#define OUTPUT_MAX ((size_t)1 << 20) /* 100 recipients with all parameters: 140 kB */
#define PIECES_MAX ((size_t)256 << 10)

static void on_greeting(struct client *client, const struct reply *reply);
static void on_ehlo(struct client *client, const struct reply *reply);
static void on_helo(struct client *client, const struct reply *reply);
static void on_starttls(struct client *client, const struct reply *reply);
static void on_unasked(struct client *client, const struct reply *reply);
static void on_quit(struct client *client, const struct reply *reply);

#define BIT(state) (1u << CLIENT_##state)

/* What answers a reply in each state, the states that it may be entered from, and what
 * the client asks of its owner meanwhile. */
static const struct {
	void (*on_reply)(struct client *client, const struct reply *reply);
	unsigned from;
	enum client_wish wish; /* CLIENT_INPUT where not given */
} rows[CLIENT_STATES] = {
	[CLIENT_GREETING] = { on_greeting, 0 },
	[CLIENT_EHLO] = { on_ehlo, BIT(GREETING) | BIT(HANDSHAKE) },
	[CLIENT_HELO] = { on_helo, BIT(EHLO) },
	[CLIENT_STARTTLS] = { on_starttls, BIT(EHLO) },
	[CLIENT_HANDSHAKE] = { NULL, BIT(STARTTLS), CLIENT_TLS },
	[CLIENT_READY] = { on_unasked,
		BIT(EHLO) | BIT(HELO) | BIT(STARTTLS) | BIT(MAIL) | BIT(DATA) |
			BIT(FINAL) | BIT(ABORT) | BIT(RSET),
		CLIENT_IDLE },
	[CLIENT_MAIL] = { client_on_mail, BIT(READY) },
	[CLIENT_RCPT] = { client_on_rcpt, BIT(MAIL) | BIT(RCPT) },
	[CLIENT_DATA] = { client_on_data, BIT(RCPT) },
	[CLIENT_BODY] = { client_on_body, BIT(DATA) },
	[CLIENT_FINAL] = { client_on_final, BIT(BODY) },
	[CLIENT_ABORT] = { client_on_abort, BIT(DATA) },
	[CLIENT_RSET] = { client_on_rset, BIT(RCPT) | BIT(DATA) },
	[CLIENT_QUIT] = { on_quit, BIT(READY) },
	[CLIENT_CLOSED] = { NULL, ~0u, CLIENT_CLOSE },
};

void client_enter(struct client *client, enum client_state state)
{
	assert(rows[state].from & (1u << client->state));
	client->state = state;
}

void client_write(struct client *client, struct slice bytes)
{
	client->is_asked = client->is_asked && buffer_size(&client->out);
	bool fits = buffer_append(&client->out, bytes);
	assert(fits);
	(void)fits;
}

static void ask(struct client *client, enum client_state state, const char *verb,
	const char *argument)
{
	client->is_asked = client->is_asked && buffer_size(&client->out);
	bool fits = buffer_printf(&client->out, "%s%s\r\n", verb, argument);
	assert(fits);
	(void)fits;
	client_enter(client, state);
}

void client_fail(struct client *client, const struct reply *failure)
{
	client->failure = *failure;
	client->has_failed = true;
	buffer_clear(&client->out);
	client_enter(client, CLIENT_CLOSED);
}

static void on_greeting(struct client *client, const struct reply *reply)
{
	if (reply->code == 220)
		ask(client, CLIENT_EHLO, "EHLO ", client->options.helo);
	else
		client_fail(client, reply);
}

static void fail_without_tls(struct client *client, const char *why)
{
	struct reply failure;
	client_fail(client, reply_set(&failure, 451, "4.7.4",
				    "TLS is required for this destination: %s", why));
}

static void on_ehlo(struct client *client, const struct reply *reply)
{
	KILL_POINT("sender.after_ehlo");
	if (reply_is_permanent(reply)) {
		ask(client, CLIENT_HELO, "HELO ", client->options.helo);
		return;
	}
	if (!reply_is_positive(reply)) {
		client_fail(client, reply);
		return;
	}
	offers_read(&client->offers, reply_lines(&client->parser));
	if (client->is_encrypted)
		client_enter(client, CLIENT_READY);
	else if (client->offers.starttls && client->options.may_use_tls)
		ask(client, CLIENT_STARTTLS, "STARTTLS", "");
	else if (client->options.must_use_tls)
		fail_without_tls(client, "the server does not offer STARTTLS");
	else
		client_enter(client, CLIENT_READY);
}

static void on_helo(struct client *client, const struct reply *reply)
{
	client->offers = (struct offers){ 0 };
	if (!reply_is_positive(reply))
		client_fail(client, reply);
	else if (client->options.must_use_tls && !client->is_encrypted)
		fail_without_tls(client, "the server does not know EHLO");
	else
		client_enter(client, CLIENT_READY);
}

static void on_starttls(struct client *client, const struct reply *reply)
{
	KILL_POINT("sender.after_starttls");
	if (reply->code == 220)
		client_enter(client, CLIENT_HANDSHAKE);
	else if (client->options.must_use_tls)
		fail_without_tls(client, reply->text);
	else
		client_enter(client, CLIENT_READY);
}

static void fail_protocol(struct client *client, const char *why)
{
	struct reply failure;
	reply_set(&failure, 451, "4.5.0", "protocol error: %s", why);
	client_abandon(client, &failure, true);
	client_fail(client, &failure);
}

static void on_unasked(struct client *client, const struct reply *reply)
{
	(void)reply;
	fail_protocol(client, "a reply that was not asked for");
}

static void on_quit(struct client *client, const struct reply *reply)
{
	(void)reply;
	KILL_POINT("sender.after_quit");
	client_enter(client, CLIENT_CLOSED);
}

struct client *client_new(const struct client_options *options)
{
	struct client *client = NEW(struct client);
	client->options = *options;
	reply_parser_init(&client->parser);
	buffer_init(&client->out, OUTPUT_MAX);
	return client;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	reply_parser_done(&client->parser);
	buffer_done(&client->out);
	free(client);
}

/* A server may say 421 at any time, unasked too (RFC 5321 3.8). */
static void take_reply(struct client *client)
{
	struct reply reply;
	reply_read(&client->parser, &reply);
	client->reply_count++;
	if (reply.code == 421 && client->state != CLIENT_QUIT) {
		client_abandon(client, &reply, false);
		client_fail(client, &reply);
	} else if (buffer_size(&client->out) && !client->is_asked) {
		fail_protocol(client, "a reply to a command that was not sent yet");
	} else {
		rows[client->state].on_reply(client, &reply);
	}
}

enum client_wish client_feed(struct client *client, struct slice *bytes)
{
	while (bytes->size && rows[client->state].on_reply) {
		struct fault fault;
		enum reply_progress progress = reply_feed(&client->parser, bytes, &fault);
		if (progress == REPLY_MORE)
			break;
		if (progress == REPLY_DONE)
			take_reply(client);
		else
			fail_protocol(client, fault.text);
	}
	/* Whoever can write on the wire could have put it there (CVE-2011-0411). */
	if (bytes->size && client->state == CLIENT_HANDSHAKE)
		fail_protocol(client, "plain text behind the reply to STARTTLS");
	return client_wish(client);
}

enum client_wish client_wish(const struct client *client)
{
	return rows[client->state].wish;
}

static void add_piece(struct iovec *pieces, size_t *count, struct slice piece)
{
	pieces[(*count)++] = (struct iovec){ (char *)piece.data, piece.size };
}

size_t client_output(const struct client *client, struct iovec *pieces, size_t limit)
{
	size_t count = 0, size = buffer_size(&client->out);
	if (size && limit)
		add_piece(pieces, &count, buffer_slice(&client->out));
	if (client->state != CLIENT_BODY)
		return count;
	struct dots ahead = client->dots;
	struct slice piece;
	while (count < limit && size < PIECES_MAX && dots_next(&ahead, &piece)) {
		add_piece(pieces, &count, piece);
		size += piece.size;
	}
	return count;
}

void client_sent(struct client *client, size_t size)
{
	size_t commands = buffer_size(&client->out);
	if (commands > size)
		commands = size;
	buffer_consume(&client->out, commands);
	if (size)
		client->is_asked = true;
	if (client->state != CLIENT_BODY)
		return;
	dots_skip(&client->dots, size - commands);
	if (!dots_is_over(&client->dots))
		return;
	KILL_POINT("sender.after_dot");
	client_enter(client, CLIENT_FINAL);
}

void client_tls_ready(struct client *client)
{
	assert(client->state == CLIENT_HANDSHAKE);
	client->is_encrypted = true;
	/* RFC 3207 4.2: what was said in plain text is forgotten. */
	client->offers = (struct offers){ 0 };
	ask(client, CLIENT_EHLO, "EHLO ", client->options.helo);
}

void client_quit(struct client *client)
{
	if (client->state != CLIENT_READY)
		return;
	ask(client, CLIENT_QUIT, "QUIT", "");
}

void client_lost(struct client *client, const char *enhanced, const char *why)
{
	if (client->state == CLIENT_CLOSED)
		return;
	if (client->state == CLIENT_QUIT) {
		client_enter(client, CLIENT_CLOSED);
		return;
	}
	struct reply failure;
	reply_set(&failure, 451, enhanced, "%s", why);
	client_abandon(client, &failure, true);
	client_fail(client, &failure);
}

enum client_state client_state(const struct client *client)
{
	return client->state;
}

bool client_is_busy(const struct client *client)
{
	return client->mail != NULL;
}

unsigned client_reply_count(const struct client *client)
{
	return client->reply_count;
}

const struct offers *client_offers(const struct client *client)
{
	return &client->offers;
}

const struct reply *client_failure(const struct client *client)
{
	return client->has_failed ? &client->failure : NULL;
}
