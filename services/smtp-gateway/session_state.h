/* SPDX-License-Identifier: MIT
 *
 * The inside of a session, for session.c and verbs/ only. */
#ifndef SMTP_GATEWAY_SESSION_STATE_H
#define SMTP_GATEWAY_SESSION_STATE_H

#include "lib/address.h"
#include "lib/buffer.h"
#include "services/smtp-gateway/content.h"
#include "services/smtp-gateway/message.h"
#include "services/smtp-gateway/session.h"

enum session_state {
	SESSION_PLAIN = 1,        /* no TLS */
	SESSION_UPGRADING = 2,    /* the 220 to STARTTLS is out */
	SESSION_SECURE = 4,       /* TLS, nobody has proved who he is */
	SESSION_CHALLENGED = 8,   /* within AUTH: the next line is an answer */
	SESSION_CHECKING = 16,    /* the answers are being checked */
	SESSION_IDLE = 32,        /* authenticated, no transaction */
	SESSION_SENDER = 64,      /* MAIL was accepted */
	SESSION_RECIPIENTS = 128, /* and RCPT at least once */
	SESSION_DATA = 256,       /* 354 is out */
	SESSION_STORING = 512,    /* the message is complete and checked */
	SESSION_CLOSED = 1024,
};

#define SESSION_KNOWN   (SESSION_IDLE | SESSION_SENDER | SESSION_RECIPIENTS)
#define SESSION_TALKING (SESSION_PLAIN | SESSION_SECURE | SESSION_KNOWN)

/* From MAIL to the answer to its data. */
struct transaction {
	struct arena *arena;
	Postern__Envelope *envelope;
	size_t recipients_room;
	struct address from; /* whole empty: the null sender */
	size_t declared_bytes;
	struct content content;
	size_t held_bytes; /* as told to world->hold */
	struct message message;
	int64_t received_us;
	/* Of the app, when the message was complete. */
	Postern__Lane lane;
	const char *pool, *policy;
};

struct session {
	const struct session_world *world;
	void *with;
	enum session_state state;
	struct buffer out;
	char *client_address;
	char *tls_version, *tls_cipher; /* NULL: no TLS */
	char *helo;
	char *app, *credential; /* NULL before AUTH */
	/* AUTH: what takes the next line, and what has been offered so far. */
	void (*answer)(struct session *session, struct slice line);
	char *offered_app, *offered_secret;
	size_t offered_secret_size;
	struct transaction *transaction;
	unsigned commands, bad_commands, auth_failures, turn;
	size_t unread;    /* bytes that came with the command that is being done */
	bool is_skipping; /* the rest of a line that was too long */
	bool is_draining;
	bool is_ending; /* session_end() came while storing */
};

/* The only way to change the state. */
void session_enter(struct session *session, enum session_state state);
/* One line: "250 2.1.0 text". What is not printable ASCII becomes '?'. */
void session_reply(struct session *session, const char *code, const char *enhanced,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A line of a reply with several; the last one has ' ' for `mark`, the others '-'. */
void session_reply_line(
	struct session *session, const char *code, char mark, const char *text);
/* A syntax error, or what must not come now: counted. */
void session_complain(struct session *session, const char *code, const char *enhanced,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

void session_forget_transaction(struct session *session);
/* The transaction has been answered. */
void session_finish(struct session *session);
void session_forget_offer(struct session *session);
/* The app as it is now. NULL: it may not submit; the session is closed then. */
const Postern__App *session_app_now(struct session *session);
size_t session_message_limit(const struct session *session, const Postern__App *app);
/* Consumes from the front; false: nothing more to do before more has come. */
bool session_feed_data(struct session *session, struct slice *bytes);
/* EHLO and HELO; false: not a name. */
bool session_hello(struct session *session, struct slice name);

#endif
