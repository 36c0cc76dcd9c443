/* SPDX-License-Identifier: MIT
 *
 * What a server offers in its reply to EHLO, and the commands that make use of it. Pure
 * functions over text; nothing that came from a message gets into a command unchecked. */
#ifndef SERVICES_SENDER_OFFERS_H
#define SERVICES_SENDER_OFFERS_H

#include <stdint.h>

#include "lib/buffer.h"
#include "lib/slice.h"
#include "services/sender/reply.h"

struct client_mail;
struct client_recipient;

struct offers {
	bool starttls, pipelining, eightbitmime, smtputf8, dsn, size;
	uint64_t size_max; /* 0 = no limit told */
};

/* `lines` as reply_lines() gives them; the first is the server's name. */
void offers_read(struct offers *offers, struct slice lines);

/* Can the message go to such a server at all? Otherwise `ret_why` is a 5yz reply. */
bool offers_suit_mail(const struct offers *offers, const struct client_mail *mail,
	struct reply *ret_why);
bool offers_suit_recipient(const struct offers *offers,
	const struct client_recipient *recipient, struct reply *ret_why);

/* The commands with their CRLF; false if `out` is full. */
bool offers_write_mail(
	const struct offers *offers, const struct client_mail *mail, struct buffer *out);
bool offers_write_rcpt(const struct offers *offers,
	const struct client_recipient *recipient, struct buffer *out);

#endif
