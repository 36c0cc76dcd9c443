/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "services/sender/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECIPIENTS 3

struct session {
	struct client *client;
	struct client_mail mail;
	struct client_recipient recipients[RECIPIENTS];
	bool has_mail;
	size_t sent;
};

static void check(struct session *session)
{
	if (client_is_busy(session->client) || !session->has_mail)
		return;
	for (size_t i = 0; i < RECIPIENTS; i++) {
		const struct client_recipient *r = &session->recipients[i];
		if (r->outcome == CLIENT_PENDING || r->outcome == CLIENT_ACCEPTED)
			abort();
		if (r->outcome == CLIENT_DELIVERED && r->reply.code / 100 != 2)
			abort();
	}
	session->has_mail = false;
}

static void drain(struct session *session)
{
	struct iovec pieces[5];
	size_t count;
	while ((count = client_output(session->client, pieces, 5)) > 0) {
		size_t sent = 0;
		for (size_t i = 0; i < count; i++)
			sent += pieces[i].iov_len;
		client_sent(session->client, sent);
		session->sent += sent;
	}
}

static void deliver(struct session *session)
{
	static const struct slice parts[] = { { "Received: x\r\n", 13 },
		{ "Subject: y\r\n\r\n.\r\n..z\r\n", 23 } };
	static const char *const addresses[RECIPIENTS] = { "a@b.example", "c@d.example",
		"\xc3\xbc@e.example" };
	session->mail = (struct client_mail){ .from = "s@t.example",
		.envid = "e",
		.ret = "FULL",
		.parts = parts,
		.part_count = 2,
		.size_bytes = 36,
		.recipients = session->recipients,
		.recipient_count = RECIPIENTS };
	for (size_t i = 0; i < RECIPIENTS; i++)
		session->recipients[i] = (struct client_recipient){
			.address = addresses[i], .notify = "NEVER", .orcpt = ""
		};
	session->has_mail = true;
	client_deliver(session->client, &session->mail);
}

static enum client_wish grant(struct session *session, enum client_wish wish)
{
	if (wish == CLIENT_TLS)
		client_tls_ready(session->client);
	if (wish == CLIENT_IDLE)
		deliver(session);
	return client_wish(session->client);
}

/* First byte: options. Then what the server says, in segments ended by a NUL; between
 * them the client's output goes out and its wishes are granted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct client_options options = { .helo = "h",
		.may_use_tls = data[0] & 1,
		.must_use_tls = (data[0] & 3) == 3 };
	struct session session = { .client = client_new(&options) };
	struct slice rest = { (const char *)data + 1, size - 1 }, segment;
	enum client_wish wish = CLIENT_INPUT;
	while (wish != CLIENT_CLOSE && slice_split(&rest, '\0', &segment)) {
		drain(&session);
		wish = client_feed(session.client, &segment);
		check(&session);
		drain(&session);
		check(&session);
		wish = grant(&session, client_wish(session.client));
		check(&session);
	}
	if (wish == CLIENT_IDLE && (data[0] & 4))
		client_quit(session.client);
	client_lost(session.client, "4.4.2", "lost");
	check(&session);
	if (session.has_mail || client_wish(session.client) != CLIENT_CLOSE)
		abort();
	client_free(session.client);
	return 0;
}
