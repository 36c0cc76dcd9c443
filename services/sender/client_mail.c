/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "lib/chaos.h"
#include "services/sender/client_states.h"

static bool is_open(enum client_outcome outcome)
{
	return outcome == CLIENT_PENDING || outcome == CLIENT_ACCEPTED;
}

void client_settle_all(
	struct client *client, enum client_outcome outcome, const struct reply *reply)
{
	struct client_mail *mail = client->mail;
	for (size_t i = 0; i < mail->recipient_count; i++) {
		if (!is_open(mail->recipients[i].outcome))
			continue;
		mail->recipients[i].outcome = outcome;
		mail->recipients[i].reply = *reply;
	}
}

static enum client_outcome outcome_of(const struct reply *reply)
{
	return reply_is_permanent(reply) ? CLIENT_BOUNCED : CLIENT_DEFERRED;
}

static void finish(struct client *client)
{
	client->mail = NULL;
	client->message_count++;
}

/* Ends a transaction in which nothing was delivered. */
static void give_up(struct client *client)
{
	if (client->is_mail_taken) {
		client_write(client, SLICE("RSET\r\n"));
		client_enter(client, CLIENT_RSET);
	} else {
		client_enter(client, CLIENT_READY);
	}
	finish(client);
}

static size_t count_pending(const struct client_mail *mail)
{
	size_t count = 0;
	for (size_t i = 0; i < mail->recipient_count; i++)
		count += mail->recipients[i].outcome == CLIENT_PENDING;
	return count;
}

static size_t next_pending(const struct client_mail *mail, size_t from)
{
	while (from < mail->recipient_count &&
		mail->recipients[from].outcome != CLIENT_PENDING)
		from++;
	return from;
}

static void write_rcpt(struct client *client, size_t recipient)
{
	const struct client_mail *mail = client->mail;
	bool fits = offers_write_rcpt(
		&client->offers, &mail->recipients[recipient], &client->out);
	assert(fits);
	(void)fits;
}

/* RFC 2920 3.1: all in one write; DATA is the last of a group. */
static void write_group(struct client *client)
{
	const struct client_mail *mail = client->mail;
	for (size_t i = client->recipient; i < mail->recipient_count;
		i = next_pending(mail, i + 1))
		write_rcpt(client, i);
	client_write(client, SLICE("DATA\r\n"));
}

static bool suits(struct client *client, struct client_mail *mail)
{
	struct reply why;
	if (!offers_suit_mail(&client->offers, mail, &why)) {
		client_settle_all(client, CLIENT_BOUNCED, &why);
		return false;
	}
	for (size_t i = 0; i < mail->recipient_count; i++) {
		struct client_recipient *recipient = &mail->recipients[i];
		if (recipient->outcome == CLIENT_PENDING &&
			!offers_suit_recipient(&client->offers, recipient, &why)) {
			recipient->outcome = CLIENT_BOUNCED;
			recipient->reply = why;
		}
	}
	return count_pending(mail) > 0;
}

void client_deliver(struct client *client, struct client_mail *mail)
{
	assert(client->state == CLIENT_READY);
	client->mail = mail;
	if (!suits(client, mail)) {
		client->mail = NULL;
		return;
	}
	client->recipient = next_pending(mail, 0);
	client->replies_due = count_pending(mail);
	client->accepted = 0;
	client->is_mail_taken = client->has_mail_reply = false;
	client->is_pipelined = client->offers.pipelining;
	client->is_asked = false;
	bool fits = offers_write_mail(&client->offers, mail, &client->out);
	assert(fits);
	(void)fits;
	if (client->is_pipelined)
		write_group(client);
	client_enter(client, CLIENT_MAIL);
}

void client_on_mail(struct client *client, const struct reply *reply)
{
	KILL_POINT("sender.after_mail");
	client->has_mail_reply = true;
	client->is_mail_taken = reply_is_positive(reply);
	if (!client->is_mail_taken) {
		client_settle_all(client, outcome_of(reply), reply);
		client->recipient = client->mail->recipient_count;
	}
	if (client->is_pipelined) {
		client_enter(client, CLIENT_RCPT);
	} else if (client->is_mail_taken) {
		write_rcpt(client, client->recipient);
		client_enter(client, CLIENT_RCPT);
	} else {
		give_up(client);
	}
}

/* RFC 5321 4.5.3.1.10: 552 may mean "too many recipients", which is no verdict on this
 * one. */
static enum client_outcome outcome_of_rcpt(
	const struct client *client, const struct reply *reply)
{
	bool may_be_too_many = !*reply->enhanced ||
			       slice_equal(slice_of(reply->enhanced), SLICE("5.5.3"));
	if (reply->code == 552 && client->accepted && may_be_too_many)
		return CLIENT_DEFERRED;
	return outcome_of(reply);
}

static void judge_recipient(struct client *client, const struct reply *reply)
{
	/* None is left where MAIL was refused in a group: that reply is the reason. */
	if (client->recipient == client->mail->recipient_count)
		return;
	struct client_recipient *recipient = &client->mail->recipients[client->recipient];
	recipient->reply = *reply;
	if (reply_is_positive(reply)) {
		recipient->outcome = CLIENT_ACCEPTED;
		client->accepted++;
	} else {
		recipient->outcome = outcome_of_rcpt(client, reply);
	}
}

void client_on_rcpt(struct client *client, const struct reply *reply)
{
	KILL_POINT("sender.after_rcpt");
	judge_recipient(client, reply);
	client->recipient = next_pending(client->mail, client->recipient);
	if (--client->replies_due) {
		if (!client->is_pipelined)
			write_rcpt(client, client->recipient);
		client_enter(client, CLIENT_RCPT);
	} else if (client->is_pipelined) {
		client_enter(client, CLIENT_DATA);
	} else if (client->accepted) {
		client_write(client, SLICE("DATA\r\n"));
		client_enter(client, CLIENT_DATA);
	} else {
		give_up(client);
	}
}

void client_on_data(struct client *client, const struct reply *reply)
{
	KILL_POINT("sender.after_data");
	if (reply->code == 354 && client->accepted) {
		dots_init(&client->dots, client->mail->parts, client->mail->part_count);
		client_enter(client, CLIENT_BODY);
	} else if (reply->code == 354) {
		/* RFC 2920 3.1: the server wants data for nobody; it gets none. */
		client_write(client, SLICE(".\r\n"));
		client_enter(client, CLIENT_ABORT);
	} else {
		client_settle_all(client, outcome_of(reply), reply);
		give_up(client);
	}
}

/* The server answers before the final dot: it won't have the message, and where its next
 * reply belongs can't be known. */
void client_on_body(struct client *client, const struct reply *reply)
{
	struct reply failure = *reply;
	if (!reply_is_permanent(reply) && !reply_is_temporary(reply))
		reply_set(&failure, 451, "4.5.0",
			"the server answered %u before the end of the data", reply->code);
	client_settle_all(client, outcome_of(&failure), &failure);
	finish(client);
	client_fail(client, &failure);
}

void client_on_final(struct client *client, const struct reply *reply)
{
	client_settle_all(client,
		reply_is_positive(reply) ? CLIENT_DELIVERED : outcome_of(reply), reply);
	finish(client);
	client_enter(client, CLIENT_READY);
}

void client_on_abort(struct client *client, const struct reply *reply)
{
	(void)reply;
	finish(client);
	client_enter(client, CLIENT_READY);
}

void client_on_rset(struct client *client, const struct reply *reply)
{
	KILL_POINT("sender.after_rset");
	if (reply_is_positive(reply))
		client_enter(client, CLIENT_READY);
	else
		client_fail(client, reply);
}

void client_abandon(struct client *client, const struct reply *reply, bool is_lost)
{
	if (!client->mail)
		return;
	enum client_outcome outcome = CLIENT_DEFERRED;
	if (client->state == CLIENT_MAIL && !client->has_mail_reply &&
		client->message_count)
		outcome = CLIENT_UNTRIED;
	else if (client->state == CLIENT_FINAL && is_lost)
		outcome = CLIENT_UNCERTAIN;
	client_settle_all(client, outcome, reply);
	finish(client);
}
