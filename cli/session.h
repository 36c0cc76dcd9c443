/* SPDX-License-Identifier: MIT
 *
 * A bus used step by step: each call runs the loop until it has its answer, or gives up
 * with a temporary fault when the bus has not answered for half a minute. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "lib/bus/bus.h"
#include "lib/registry/registry.h"

struct session;

struct session *session_open(const char *where, struct fault *fault);
void session_close(struct session *session);
/* For what has no function here; its callbacks run while a call here waits. */
struct bus *session_bus(struct session *session);

/* The control objects; NULL: fault. Caught up at the first call, and then as fresh as the
 * last call that ran the loop. */
const struct registry *session_registry(struct session *session, struct fault *fault);

/* Until it is durable. */
bool session_publish(
	struct session *session, const struct bus_record *record, struct fault *fault);
/* Many at a time: begin each, then wait until at most `most` are not yet durable. Once
 * one has failed, every wait fails. */
void session_begin(struct session *session, const struct bus_record *record);
bool session_wait(struct session *session, unsigned most, struct fault *fault);

/* Until the end of the range, or until session_stop() in the callback. `seen` is never
 * called with NULL. A live range has no end and no time-out. */
typedef void session_seen(void *with, const struct bus_delivery *delivery);
bool session_browse(struct session *session, const struct bus_range *range,
	session_seen *seen, void *with, struct fault *fault);
void session_stop(struct session *session);

/* The newest value of every key of a compacted topic; a key may come several times, the
 * last one counts, and an empty value says that it is deleted. */
typedef void session_changed(void *with, struct slice key, struct slice value);
bool session_survey(struct session *session, const char *topic, session_changed *changed,
	void *with, struct fault *fault);

/* The topics whose names begin with `prefix`. */
bool session_list(struct session *session, const char *prefix,
	void (*listed)(void *with, const char *topic), void *with, struct fault *fault);

#endif
