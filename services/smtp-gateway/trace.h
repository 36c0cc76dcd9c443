/* SPDX-License-Identifier: MIT
 *
 * The header fields that the gateway adds. Each is whole, with its CRLF, in the arena. */
#ifndef SMTP_GATEWAY_TRACE_H
#define SMTP_GATEWAY_TRACE_H

#include <stdint.h>

#include "lib/arena.h"
#include "proto/mail.pb-c.h"

/* RFC 5321 4.4. Of the mail it reads id, envelope and submission. */
struct slice trace_received(
	struct arena *arena, const Postern__Mail *mail, const char *hostname);
struct slice trace_date(struct arena *arena, int64_t time_us);
/* `domain` of the header From. */
struct slice trace_message_id(struct arena *arena, const char *id, struct slice domain);

#endif
