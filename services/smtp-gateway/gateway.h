/* SPDX-License-Identifier: MIT
 *
 * The running gateway: what its connections share. gateway.c opens, drains and closes it
 * as lib/service.h asks; connection.c knows one client. */
#ifndef SMTP_GATEWAY_GATEWAY_H
#define SMTP_GATEWAY_GATEWAY_H

#include "lib/service.h"
#include "services/smtp-gateway/certificate.h"
#include "services/smtp-gateway/config.h"
#include "services/smtp-gateway/meter.h"
#include "services/smtp-gateway/session.h"
#include "services/smtp-gateway/store.h"

struct connection;
struct metric;
struct table;

struct gateway_metrics {
	struct metric *connections, *turned_away, *timeouts;
	struct metric *logins, *failed_logins;
	struct metric *accepted, *deferred, *refused;
	struct metric *content_bytes, *certificate_expiry;
};

struct gateway {
	struct process *process;
	const struct gateway_config *config;
	struct session_world world;
	struct certificate *certificate;
	struct meters *meters;
	struct stores *stores;
	struct acceptor *acceptors[2];
	struct file_watch *watches[2];
	struct connection *first;
	struct table *addresses; /* client address: count, as a number on the heap */
	size_t connections, most_connections, held_bytes;
	uint64_t last_number; /* of a connection, for the log */
	bool is_draining;
	struct gateway_metrics metrics;
};

/* The functions of struct service. */
bool gateway_open(struct process *process, void **ret_self, struct fault *fault);
void gateway_drain(void *self);
void gateway_reload(void *self);
void gateway_close(void *self);

/* For connection.c: one connection less. */
void gateway_left(struct gateway *gateway, const char *client_address);

#endif
