/* SPDX-License-Identifier: MIT
 *
 * One JSON line an event to stderr: {"time":…,"level":…,"service":…,"event":…, fields…}.
 * A log has a parent, whose fields come by themselves (service, session, message).
 * Library code returns faults; programs log. No bodies, no credentials; addresses go
 * through redact(). */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/slice.h"

enum log_level {
	LOG_DEBUG,
	LOG_INFO,
	LOG_WARNING, /* we went on, and the text says how */
	LOG_ERROR,   /* somebody must act */
};

struct log_field {
	const char *name; /* NULL ends a list */
	struct slice text;
	long long number;
	bool is_number;
};

#define FIELD(name, value)       ((struct log_field){ (name), slice_of(value), 0, false })
#define SLICE_FIELD(name, slice) ((struct log_field){ (name), (slice), 0, false })
#define NUMBER(name, value)      ((struct log_field){ (name), { 0 }, (value), true })

/* Plain data, usually embedded or on the stack; `fields` and their text are borrowed and
 * must live as long as the log. */
struct log {
	const struct log *parent;
	const struct log_field *fields; /* ended by a name of NULL; may be NULL */
};

#define log_debug(log, ...)   LOG_AT(log, LOG_DEBUG, __VA_ARGS__, { 0 })
#define log_info(log, ...)    LOG_AT(log, LOG_INFO, __VA_ARGS__, { 0 })
#define log_warning(log, ...) LOG_AT(log, LOG_WARNING, __VA_ARGS__, { 0 })
#define log_error(log, ...)   LOG_AT(log, LOG_ERROR, __VA_ARGS__, { 0 })
#define LOG_AT(log, level, event, ...) \
	log_write((log), (level), (event), (struct log_field[]){ __VA_ARGS__ })

/* Below `level` nothing is written; LOG_INFO at start. */
void log_set_level(enum log_level level);
bool log_level_parse(const char *name, enum log_level *ret_level);
void log_write(const struct log *log, enum log_level level, const char *event,
	const struct log_field *fields);

/* "ann@example.com" becomes "a**@example.com", in a buffer of the caller's. */
const char *redact(struct slice address, char *buffer, size_t size);

#endif
