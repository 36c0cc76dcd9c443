/* SPDX-License-Identifier: MIT
 *
 * A submitted message's header, checked for what a recipient will see: one From with one
 * mailbox that the app may use, nothing twice that readers would choose from, no loop.
 * Takes out what must not leave (Bcc, trace fields in our name). Never touches the body.
 */
#ifndef SMTP_GATEWAY_MESSAGE_H
#define SMTP_GATEWAY_MESSAGE_H

#include "lib/arena.h"
#include "lib/mailbox.h"
#include "proto/control.pb-c.h"
#include "services/smtp-gateway/refusal.h"
#include "services/smtp-gateway/session.h"

#define MESSAGE_SUBJECT_MAX 200

struct message_rules {
	const Postern__App *app;
	const struct address *envelope_from;
	const struct session_limits *limits;
	const char *hostname;
	bool smtputf8; /* was asked for */
};

struct message {
	struct slice content; /* what is left; borrowed from the bytes that were given */
	struct mailbox from;
	struct slice subject; /* decoded, at most MESSAGE_SUBJECT_MAX bytes of UTF-8 */
	bool has_date, has_message_id;
	bool is_8bit;
};

/* `bytes` is whole lines; the header within it is changed in place. Slices of
 * `ret_message` live in the arena or in `bytes`. */
bool message_check(struct arena *arena, const struct message_rules *rules, char *bytes,
	size_t size, struct message *ret_message, struct refusal *refusal);

#endif
