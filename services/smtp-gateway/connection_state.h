/* SPDX-License-Identifier: MIT
 *
 * The inside of a connection, for connection.c, grant.c and world.c only. */
#ifndef SMTP_GATEWAY_CONNECTION_STATE_H
#define SMTP_GATEWAY_CONNECTION_STATE_H

#include <netinet/in.h>

#include "lib/loop.h"
#include "services/smtp-gateway/connection.h"
#include "services/smtp-gateway/gateway.h"

struct bufferevent;

enum connection_phase {
	PHASE_HANDSHAKE, /* the session waits */
	PHASE_OPEN,
	PHASE_UPGRADE, /* the 220 to STARTTLS is on its way */
	PHASE_CLOSING, /* the last replies are on their way */
};

struct connection {
	struct connection *next, **link;
	struct gateway *gateway;
	enum connection_phase phase;
	struct bufferevent *stream;
	struct session *session;
	struct timer *timer;
	struct fault *login_fault; /* a failed login whose answer is being delayed */
	struct store *store;       /* under way */
	size_t stored_bytes;       /* as charged */
	uint64_t number;
	unsigned turn;   /* the session's, when the timer was started */
	bool is_counted; /* in the app's sessions */
	bool is_taken;   /* a message, and the 250 is on its way */
	char address[INET6_ADDRSTRLEN];
};

/* With the session's own fields: `log` and `fields` are on the caller's stack. */
#define LOG_OF(connection)                                                      \
	(&(const struct log){ &(connection)->gateway->process->log,             \
		(const struct log_field[]){                                     \
			NUMBER("session", (long long)(connection)->number),     \
			FIELD("client", (connection)->address),                 \
			SLICE_FIELD("app", session_app((connection)->session)), \
			{ 0 } } })

/* Goes on with what has come, until only the client, the bus or the time can. May end the
 * connection. */
void connection_serve(struct connection *connection);

/* WISH_AUTH. False: the answer comes later. */
bool grant_login(struct connection *connection);
/* The delay of a failed one is over. */
void grant_late_refusal(struct connection *connection);
/* WISH_STORE. */
void grant_store(struct connection *connection);
/* No more of its sessions is open. */
void grant_leave(struct connection *connection);

#endif
