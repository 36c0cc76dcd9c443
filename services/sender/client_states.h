/* SPDX-License-Identifier: MIT
 *
 * What the two files of the client share: its insides, the one setter of its state, and
 * what answers replies. Part of client.h; nobody else includes this. */
#ifndef SERVICES_SENDER_CLIENT_STATES_H
#define SERVICES_SENDER_CLIENT_STATES_H

#include "services/sender/client.h"

struct client {
	struct client_options options;
	enum client_state state;
	struct reply_parser parser;
	struct buffer out;
	/* Has anything gone out since `out` was last empty? A reply before that answers
	 * a command that the server has not seen. */
	bool is_asked;
	struct offers offers;
	bool is_encrypted;
	unsigned reply_count, message_count;
	bool has_failed;
	struct reply failure;

	struct client_mail *mail;
	size_t recipient;    /* whose RCPT is answered next */
	size_t replies_due;  /* to RCPT, of this transaction */
	bool is_pipelined;   /* MAIL, every RCPT and DATA went out at once */
	bool is_mail_taken;  /* MAIL was accepted: RSET after a failure */
	bool has_mail_reply; /* of this transaction */
	size_t accepted;     /* recipients */
	struct dots dots;
};

void client_enter(struct client *client, enum client_state state);
/* Appends to the output. Commands are bounded by what a transaction may hold. */
void client_write(struct client *client, struct slice bytes);
/* Ends the session; `failure` becomes the answer of every recipient still without one. */
void client_fail(struct client *client, const struct reply *failure);

/* Gives `outcome` and `reply` to every recipient that has no final outcome. */
void client_settle_all(
	struct client *client, enum client_outcome outcome, const struct reply *reply);
/* What a 421 or a lost connection means for the transaction under way. */
void client_abandon(struct client *client, const struct reply *reply, bool is_lost);

void client_on_mail(struct client *client, const struct reply *reply);
void client_on_rcpt(struct client *client, const struct reply *reply);
void client_on_data(struct client *client, const struct reply *reply);
void client_on_body(struct client *client, const struct reply *reply);
void client_on_final(struct client *client, const struct reply *reply);
void client_on_abort(struct client *client, const struct reply *reply);
void client_on_rset(struct client *client, const struct reply *reply);

#endif
