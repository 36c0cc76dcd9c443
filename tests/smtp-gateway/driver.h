/* SPDX-License-Identifier: MIT
 *
 * Drives a session as the listener does, without sockets: the registry, the login and the
 * meters are the real ones; time, memory and the store are the test's to set. */
#ifndef TESTS_SMTP_GATEWAY_DRIVER_H
#define TESTS_SMTP_GATEWAY_DRIVER_H

#include "lib/buffer.h"
#include "lib/log.h"
#include "lib/registry/registry.h"
#include "services/smtp-gateway/meter.h"
#include "services/smtp-gateway/session.h"

struct driver {
	struct session_world world;
	struct log log;
	struct registry *registry;
	struct meters *meters;
	struct session *session;
	struct arena *arena;
	Postern__App app; /* "shop"; tell it again with driver_tell_app() */
	Postern__SenderPair *pairs[8];
	Postern__Limits limits;
	struct buffer input;  /* not consumed yet */
	struct buffer output; /* not yet compared */
	struct buffer dump;   /* of the last mail, one line a fact */
	int64_t now_us;
	size_t held_bytes, held_ceiling;
	bool is_down, is_closed;
	enum fault_kind store; /* FAULT_NONE: durable */
	unsigned stored, refused;
};

/* With app "shop" (credential "main", secret "secret") that may send as
 * bounces@shop.example / *@shop.example. */
void driver_init(struct driver *driver, bool is_in_tls);
void driver_done(struct driver *driver);
void driver_tell_app(struct driver *driver);
void driver_feed(struct driver *driver, struct slice bytes);
/* Grants wishes and moves replies to `output` until only input helps. */
void driver_pump(struct driver *driver);

#endif
