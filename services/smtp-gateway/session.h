/* SPDX-License-Identifier: MIT
 *
 * One SMTP submission session (RFC 6409) as a state machine over bytes. No sockets, no
 * TLS, no clock of its own, no bus: tests and fuzzers drive it with literal strings. It
 * asks for what it can't do itself with a wish, and input waits until the answer has
 * come. What it asks of its world is answered at once and changes nothing outside. */
#ifndef SMTP_GATEWAY_SESSION_H
#define SMTP_GATEWAY_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/fault.h"
#include "lib/id.h"
#include "lib/slice.h"
#include "proto/control.pb-c.h"
#include "proto/event.pb-c.h"
#include "proto/mail.pb-c.h"

struct session;

enum session_wish {
	WISH_INPUT, /* bytes: session_feed() */
	WISH_TLS,  /* the 220 is in the output: send it, start TLS, session_tls_ready() */
	WISH_AUTH, /* session_offer() holds what was offered: session_authenticated() */
	WISH_STORE, /* session_mail() is complete and checked: session_stored() */
	WISH_CLOSE, /* send the output, then close */
};

struct session_limits {
	size_t message_bytes; /* of apps without a limit of their own */
	size_t header_bytes;
	unsigned header_fields;
	unsigned received;      /* Received fields: more is a loop */
	unsigned recipients;    /* of apps without a limit of their own */
	unsigned commands;      /* without an accepted message in between */
	unsigned bad_commands;  /* likewise */
	unsigned auth_failures; /* in one session */
};

struct session_world {
	const char *hostname;
	const char *instance;
	struct session_limits limits;
	int64_t (*now_us)(void *with); /* Unix time */
	/* NULL: this app may not submit with this credential, or not any more. Borrowed
	 * for this call into the session only. */
	const Postern__App *(*app)(
		void *with, struct slice app, struct slice credential, struct fault *why);
	/* Is there any use in starting a transaction now? */
	bool (*is_open)(void *with, struct fault *why);
	/* Are the app's limits per hour and day good for one more message of `bytes` (0:
	 * not known yet)? With `charge` it is counted. */
	bool (*may_spend)(void *with, const Postern__App *app, size_t bytes, bool charge,
		struct fault *why);
	/* Content in memory, of all sessions: false refuses the growth. Shrinking always
	 * succeeds. */
	bool (*hold)(void *with, size_t before, size_t after);
	/* A reply of 4xx or 5xx is going out: for the log. */
	void (*refused)(
		void *with, const char *code, const char *enhanced, const char *text);
};

/* `world` outlives the session; its functions are called with `with`. `client_address` is
 * copied. The output holds the greeting. */
struct session *session_new(
	const struct session_world *world, void *with, const char *client_address);
/* Takes NULL. */
void session_free(struct session *session);

/* Consumes from the front of `bytes` what it can use; an incomplete line stays there, at
 * most SESSION_LINE_MAX bytes of it. Returns before all is used when there is much
 * output, or a wish other than WISH_INPUT. */
#define SESSION_LINE_MAX 2048
enum session_wish session_feed(struct session *session, struct slice *bytes);
enum session_wish session_wish(const struct session *session);
/* Replies to send. */
struct slice session_output(const struct session *session);
void session_sent(struct session *session, size_t size);

/* TLS is up, from the start or after WISH_TLS: what was known before is forgotten (RFC
 * 3207). Version and cipher are copied. */
void session_tls_ready(struct session *session, const char *version, const char *cipher);

struct session_offer {
	struct slice app, secret;
};
struct session_offer session_offer(const struct session *session);
/* `credential` NULL: refused. FAULT_TEMPORARY: the text is told to the client;
 * FAULT_PERMANENT: it is not, for it would tell a thief that the secret is right. */
void session_authenticated(
	struct session *session, const char *credential, const struct fault *why);

/* In the arena; content and strings stay the session's until session_stored(). */
Postern__Mail *session_mail(
	const struct session *session, struct arena *arena, struct id id);
/* The event that goes with it. */
Postern__Event *session_event(struct arena *arena, const Postern__Mail *mail);
/* fault NULL: durable; the client is told the id. */
void session_stored(struct session *session, const char *id, const struct fault *fault);

/* Closes after the transaction whose data is coming or being stored, else at once. */
void session_drain(struct session *session);
/* Closes with 421 and `enhanced` at once, except while a message is being stored: then
 * after its answer. */
void session_end(struct session *session, const char *enhanced, const char *why);

/* For time-outs: grows whenever a request has been completed. */
unsigned session_turn(const struct session *session);
bool session_is_in_data(const struct session *session);
/* Empty before AUTH. */
struct slice session_app(const struct session *session);
struct slice session_app_credential(const struct session *session);
unsigned session_auth_failures(const struct session *session);

#endif
