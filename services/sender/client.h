/* SPDX-License-Identifier: MIT
 *
 * The client's side of SMTP (RFC 5321) as a state machine over bytes: no sockets, no TLS,
 * no clock. Tests and fuzzers drive it with literal strings; connection.c gives it a
 * socket. What the server sends is hostile until proven otherwise. */
#ifndef SERVICES_SENDER_CLIENT_H
#define SERVICES_SENDER_CLIENT_H

#include <sys/uio.h>

#include "services/sender/dots.h"
#include "services/sender/offers.h"
#include "services/sender/reply.h"

struct client;

enum client_wish {
	CLIENT_INPUT, /* give me bytes: client_feed() */
	CLIENT_TLS,   /* start TLS, then client_tls_ready() */
	CLIENT_IDLE,  /* ready for client_deliver() */
	CLIENT_CLOSE, /* it is over: client_failure() says why */
};

enum client_state {
	CLIENT_GREETING,  /* waits for the server's first reply */
	CLIENT_EHLO,      /* EHLO is asked */
	CLIENT_HELO,      /* EHLO was refused, HELO is asked */
	CLIENT_STARTTLS,  /* STARTTLS is asked */
	CLIENT_HANDSHAKE, /* the owner starts TLS */
	CLIENT_READY,     /* between messages */
	CLIENT_MAIL,      /* waits for the reply to MAIL; RCPT and DATA may be out too */
	CLIENT_RCPT,      /* waits for the reply to the RCPT of `recipient` */
	CLIENT_DATA,      /* waits for the reply to DATA */
	CLIENT_BODY,      /* sends the content */
	CLIENT_FINAL,     /* the final dot is out */
	CLIENT_ABORT,     /* a lone dot is out: DATA was accepted, no recipient was */
	CLIENT_RSET,      /* clears what is left of a failed transaction */
	CLIENT_QUIT,
	CLIENT_CLOSED,
	CLIENT_STATES,
};

enum client_outcome {
	CLIENT_PENDING,   /* no answer yet */
	CLIENT_ACCEPTED,  /* RCPT was accepted, the message not yet */
	CLIENT_DELIVERED, /* 2yz to the message */
	CLIENT_DEFERRED,  /* 4yz, or the connection failed before the final dot */
	CLIENT_BOUNCED,   /* 5yz, or the server lacks what the message needs */
	/* Lost after the final dot and before its reply: the server may have it. */
	CLIENT_UNCERTAIN,
	/* A connection used before turned out to be closed: try on a new one. */
	CLIENT_UNTRIED,
};

struct client_recipient {
	const char *address; /* as in RCPT TO, the domain in A-labels if possible */
	const char *notify, *orcpt; /* DSN parameters, "" = none */
	enum client_outcome outcome;
	struct reply reply; /* the server's last word on this recipient */
};

/* One transaction. All is borrowed until every outcome is final. */
struct client_mail {
	const char *from, *envid, *ret;
	bool needs_8bit;     /* some byte is not ASCII */
	bool needs_smtputf8; /* some byte of the header is not ASCII, and may be so */
	size_t size_bytes;
	const struct slice *parts; /* header fields, then the content */
	size_t part_count;
	struct client_recipient *recipients;
	size_t recipient_count;
};

struct client_options {
	const char *helo; /* borrowed */
	bool may_use_tls;
	bool must_use_tls;
};

struct client *client_new(const struct client_options *options);
void client_free(struct client *client);

/* Consumes from the front of `bytes`. */
enum client_wish client_feed(struct client *client, struct slice *bytes);
enum client_wish client_wish(const struct client *client);
/* What to send: fills up to `limit` pieces with at most some 256 kB, returns their
 * number. Then client_sent() with the count of bytes that went out. */
size_t client_output(const struct client *client, struct iovec *pieces, size_t limit);
void client_sent(struct client *client, size_t size);

void client_tls_ready(struct client *client);
/* Only at CLIENT_IDLE. May finish at once (the server lacks what the message needs). */
void client_deliver(struct client *client, struct client_mail *mail);
void client_quit(struct client *client);
/* The connection is gone, or given up: `enhanced` ("4.4.2") and `why` become the reply of
 * every recipient without an outcome. */
void client_lost(struct client *client, const char *enhanced, const char *why);

enum client_state client_state(const struct client *client);
/* Is a transaction under way? */
bool client_is_busy(const struct client *client);
/* Grows with every reply: what time-outs are measured from. */
unsigned client_reply_count(const struct client *client);
const struct offers *client_offers(const struct client *client);
/* Why it closed, as a reply; NULL while open and after a QUIT. */
const struct reply *client_failure(const struct client *client);

#endif
