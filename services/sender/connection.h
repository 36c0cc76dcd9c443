/* SPDX-License-Identifier: MIT
 *
 * One connection to one address of a mail host: socket, TLS and time-outs around the
 * client core. It belongs to whoever opened it until `closed` is called or it is freed.
 */
#ifndef SERVICES_SENDER_CONNECTION_H
#define SERVICES_SENDER_CONNECTION_H

#include <stdint.h>

#include "proto/control.pb-c.h"
#include "services/sender/client.h"
#include "services/sender/reach.h"
#include "services/sender/tls.h"

struct connection;
struct loop;

/* Milliseconds. RFC 5321 4.5.3.2 names the least of each but `handshake`, of TLS; they
 * count from the last thing that went forward, except `transaction`, which bounds one
 * message in all. */
struct connection_timeouts {
	int64_t connect, greeting, handshake, command, data, final, transaction, idle;
};

/* All is copied. */
struct connection_target {
	struct endpoint to;
	struct endpoint from; /* size 0: any */
	const char *host;     /* name for TLS and for people */
	const char *helo;
	Postern__TlsMode tls;
};

struct connection_calls {
	/* Ready for connection_deliver(): after the greeting and after each message. */
	void (*idle)(void *with);
	/* Every outcome of the message under way is final. */
	void (*done)(void *with);
	/* It is over, and freed when this returns. `why` is NULL after an orderly end. */
	void (*closed)(void *with, const struct reply *why);
};

/* How it goes out, for the event. */
struct connection_facts {
	char host[256], to[ENDPOINT_TEXT], from[ENDPOINT_TEXT];
	struct tls_facts tls; /* version "" = plain text */
};

struct connection_options {
	struct loop *loop;
	struct tls *tls;
	const struct connection_timeouts *timeouts;
};

/* Never calls back before it has returned. */
struct connection *connection_open(const struct connection_options *options,
	const struct connection_target *target, const struct connection_calls *calls,
	void *with);
/* At once and without a word to anyone; not from within `closed`. Takes NULL. */
void connection_free(struct connection *connection);

/* Another owner takes over. */
void connection_adopt(
	struct connection *connection, const struct connection_calls *calls, void *with);
/* Is it still there? A server may have closed it, or said 421, since it got idle; if so,
 * `closed` has been called and the connection is gone. */
bool connection_is_alive(struct connection *connection);
/* Only after `idle`, once for each. */
void connection_deliver(struct connection *connection, struct client_mail *mail);
/* Says QUIT if it is idle; `closed` follows. */
void connection_quit(struct connection *connection);

const struct connection_facts *connection_facts(const struct connection *connection);
/* Did the TLS handshake fail, or never end? An opportunistic route goes on without TLS
 * then. */
bool connection_tls_failed(const struct connection *connection);
unsigned connection_message_count(const struct connection *connection);

#endif
