/* SPDX-License-Identifier: MIT
 *
 * The whole gateway as a process of its own, on loopback and a local bus in a folder of
 * its own, with a self-signed certificate; and this process's view of that bus. */
#ifndef TESTS_SMTP_GATEWAY_SERVER_H
#define TESTS_SMTP_GATEWAY_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/arena.h"
#include "proto/control.pb-c.h"

struct bus;
struct loop;

struct server {
	pid_t pid;
	char folder[64];
	uint16_t port, tls_port;
	struct loop *loop;
	struct bus *bus;
	struct arena *arena;
	char secret[64]; /* of app "shop", which may send as *@shop.example */
};

/* `settings` are NAME=VALUE without POSTERN_GATEWAY_, ended by NULL; may be NULL. */
void server_start(struct server *server, const char *const *settings);
/* SIGTERM; it must end well within 5 s. Removes the folder. */
void server_stop(struct server *server);
/* It must end well by itself. */
void server_await_end(struct server *server);

/* A fresh certificate with that common name into the files in use. */
void server_write_certificate(struct server *server, const char *name);
/* The same with rubbish. */
void server_break_certificate(struct server *server);
void server_set_app(struct server *server, Postern__AppState state, const char *network);

struct server_record {
	struct slice key, value;
};
/* The records of a topic, once there are `wanted`; fewer after 3 s. In the arena. */
size_t server_read(struct server *server, const char *topic,
	struct server_record *ret_records, size_t wanted);

#endif
