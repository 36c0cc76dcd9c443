/* SPDX-License-Identifier: MIT
 *
 * One client: its socket and TLS (libevent), its session, its time. Grants the session's
 * wishes. Owns itself and tells the gateway when it ends. */
#ifndef SMTP_GATEWAY_CONNECTION_H
#define SMTP_GATEWAY_CONNECTION_H

#include <stdbool.h>

#include "lib/slice.h"

struct connection;
struct gateway;

/* Takes the socket. */
void connection_new(struct gateway *gateway, int fd, const char *address, bool is_tls);
/* The next one of the gateway's; `connection` may end meanwhile. */
struct connection *connection_next(const struct connection *connection);

void connection_drain(struct connection *connection);
/* Something about the app has changed: may the session go on? */
void connection_review(struct connection *connection, struct slice app);
/* At once and without a word. */
void connection_free(struct connection *connection);

/* Of struct session_world; `with` is the connection. */
extern const struct session_world connection_world;

#endif
