/* SPDX-License-Identifier: MIT
 *
 * The delivery record: which recipients of which messages are done, written before
 * anything is said of it and asked before each delivery, so that a repeat of a message
 * inside Postern is not a second copy for its recipient. Engines: sqlite, redis, none.
 * A record that is away costs a possible duplicate, never a message and never a stop. */
#ifndef SERVICES_SENDER_RECORD_H
#define SERVICES_SENDER_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/fault.h"
#include "lib/slice.h"

struct loop;
struct record;

struct record_options {
	const char *where; /* "sqlite:FILE", "redis:HOST:PORT[/DB]" or "none" */
	const char *pool;
	const char *password; /* of Redis; "" = none */
	int64_t keep_ms;
};

/* FAULT_PERMANENT: `where` can't be understood or used. An absent Redis is no fault. */
struct record *record_open(
	struct loop *loop, const struct record_options *options, struct fault *fault);
/* Nobody is called back any more. What was not reported as written may be or not. */
void record_close(struct record *record);

/* `notes` are what was noted for each recipient asked for, in that order; empty: it is
 * not done. fault: the record can't tell. Both are borrowed for the call. */
typedef void record_told(
	void *with, const struct slice *notes, const struct fault *fault);
/* Copies what it needs. Calls back once, never before it has returned. */
void record_ask(struct record *record, struct slice message,
	const struct slice *recipients, size_t count, record_told *told, void *with);

struct record_entry {
	struct slice recipient;
	struct slice note; /* not empty: what to say when it is asked for */
};
typedef void record_written(void *with, const struct fault *fault);
/* Likewise. Without a fault the entries are durable as far as the engine's store is. */
void record_write(struct record *record, struct slice message,
	const struct record_entry *entries, size_t count, record_written *written,
	void *with);

/* No other process of this pool on this machine works on the message until the release,
 * or our end. False: another one does. Engines that can't tell say true. */
bool record_claim(struct record *record, struct slice message);
void record_release(struct record *record, struct slice message);

#endif
