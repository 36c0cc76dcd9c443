/* SPDX-License-Identifier: MIT
 *
 * Puts an accepted mail and its event on the bus and tells once what came of it. Owns
 * itself: a client that goes away meanwhile changes nothing. */
#ifndef SMTP_GATEWAY_STORE_H
#define SMTP_GATEWAY_STORE_H

#include <stdint.h>

#include "lib/arena.h"
#include "lib/fault.h"
#include "proto/event.pb-c.h"
#include "proto/mail.pb-c.h"

struct process;
struct store;
struct stores;

struct stores *stores_new(struct process *process, int64_t timeout_ms);
/* What has not been reported yet is forgotten; the bus may still make it durable. */
void stores_free(struct stores *stores);

/* fault NULL: the mail is durable, and so is its event unless the deadline came first. */
typedef void store_done(void *with, const char *id, const struct fault *fault);

/* Copies what it needs; `done` is called from the loop. */
struct store *store_mail(struct stores *stores, const Postern__Mail *mail,
	const Postern__Event *event, store_done *done, void *with);
/* The client is gone: `done` is not called any more. Takes NULL. */
void store_abandon(struct store *store);

#endif
