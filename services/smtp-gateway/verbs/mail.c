/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "services/smtp-gateway/parameter.h"
#include "services/smtp-gateway/sender.h"
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

static bool mail_may(struct session *session, struct slice argument)
{
	(void)argument;
	struct fault why = { 0 };
	if (session->world->is_open(session->with, &why))
		return true;
	session_reply(
		session, "451", "4.3.0", "Messages can't be stored now, try again later");
	return false;
}

/* RFC 1870 6: up to 20 digits. */
static bool take_size(void *with, struct slice value, struct refusal *refusal)
{
	struct transaction *transaction = with;
	size_t bytes = 0;
	bool is_number = value.size > 0 && value.size <= 20;
	for (size_t i = 0; is_number && i < value.size; i++) {
		is_number = value.data[i] >= '0' && value.data[i] <= '9';
		size_t digit = (size_t)(value.data[i] - '0');
		bytes = bytes > (SIZE_MAX - digit) / 10 ? SIZE_MAX : bytes * 10 + digit;
	}
	if (!is_number)
		return refuse(refusal, "501", "5.5.4", "SIZE needs a number");
	transaction->declared_bytes = bytes;
	return true;
}

static bool take_body(void *with, struct slice value, struct refusal *refusal)
{
	struct transaction *transaction = with;
	transaction->envelope->body_8bit = slice_equal_nocase(value, SLICE("8BITMIME"));
	return transaction->envelope->body_8bit ||
	       slice_equal_nocase(value, SLICE("7BIT")) ||
	       refuse(refusal, "501", "5.5.4", "BODY is 7BIT or 8BITMIME");
}

static bool take_smtputf8(void *with, struct slice value, struct refusal *refusal)
{
	struct transaction *transaction = with;
	transaction->envelope->smtputf8 = true;
	return !value.data || refuse(refusal, "501", "5.5.4", "SMTPUTF8 has no value");
}

static bool take_ret(void *with, struct slice value, struct refusal *refusal)
{
	struct transaction *transaction = with;
	if (slice_equal_nocase(value, SLICE("FULL")))
		transaction->envelope->ret = (char *)"FULL";
	else if (slice_equal_nocase(value, SLICE("HDRS")))
		transaction->envelope->ret = (char *)"HDRS";
	else
		return refuse(refusal, "501", "5.5.4", "RET is FULL or HDRS");
	return true;
}

static bool take_envid(void *with, struct slice value, struct refusal *refusal)
{
	struct transaction *transaction = with;
	if (value.size > 100 || !xtext_is_valid(value))
		return refuse(refusal, "501", "5.5.4", "ENVID is not valid xtext");
	transaction->envelope->envid = arena_string(transaction->arena, value);
	return true;
}

/* RFC 4954 5: nobody here is trusted to speak for another, so it is as if it were "<>".
 */
static bool take_auth(void *with, struct slice value, struct refusal *refusal)
{
	(void)with;
	return xtext_is_valid(value) ||
	       refuse(refusal, "501", "5.5.4", "AUTH is not valid xtext");
}

static const struct parameter parameters[] = {
	{ "SIZE", take_size },
	{ "BODY", take_body },
	{ "SMTPUTF8", take_smtputf8 },
	{ "RET", take_ret },
	{ "ENVID", take_envid },
	{ "AUTH", take_auth },
	{ 0 },
};

static bool parse(
	struct transaction *transaction, struct slice text, struct refusal *refusal)
{
	struct fault fault = { 0 };
	if (!slice_has_prefix_nocase(text, SLICE("FROM:")))
		return refuse(refusal, "501", "5.5.2", "Syntax: MAIL FROM:<address>");
	text = slice_trim(slice_skip(text, strlen("FROM:")));
	if (!address_take_path(&text, &transaction->from, &fault))
		return refuse(refusal, "501", "5.1.7", "Bad sender: %s", fault.text);
	return parameters_take(text, parameters, transaction, refusal);
}

static bool check(const struct session *session, const Postern__App *app,
	const struct transaction *transaction, struct refusal *refusal)
{
	const struct session_world *world = session->world;
	const struct address *from = &transaction->from;
	struct fault why = { 0 };
	if (from->is_utf8 && !transaction->envelope->smtputf8)
		return refuse(refusal, "553", "5.6.7", "This sender needs SMTPUTF8");
	if (!sender_may_use_envelope(app, from))
		return refuse(refusal, "550", "5.7.1",
			"This app may not use the envelope sender <%.*s>",
			SLICE_ARG(from->whole));
	size_t limit = session_message_limit(session, app);
	if (transaction->declared_bytes > limit)
		return refuse(refusal, "552", "5.3.4",
			"The message is larger than %zu bytes", limit);
	if (!world->may_spend(
		    session->with, app, transaction->declared_bytes, false, &why))
		return refuse(refusal, "450", "4.7.1", "%s", why.text);
	return true;
}

static struct transaction *begin(void)
{
	struct arena *arena = arena_new();
	struct transaction *transaction = ARENA_NEW(arena, struct transaction);
	transaction->arena = arena;
	transaction->envelope = ARENA_NEW(arena, Postern__Envelope);
	postern__envelope__init(transaction->envelope);
	return transaction;
}

static void mail_act(struct session *session, struct slice argument)
{
	struct refusal refusal;
	struct transaction *transaction = begin();
	const Postern__App *app = session_app_now(session);
	session->transaction = transaction;
	struct slice text = arena_copy(transaction->arena, argument);
	if (!parse(transaction, text, &refusal)) {
		session_forget_transaction(session);
		session_complain(
			session, refusal.code, refusal.enhanced, "%s", refusal.text);
		return;
	}
	if (!check(session, app, transaction, &refusal)) {
		session_forget_transaction(session);
		session_reply(
			session, refusal.code, refusal.enhanced, "%s", refusal.text);
		return;
	}
	transaction->envelope->from = arena_string(
		transaction->arena, transaction->from.whole);
	session_enter(session, SESSION_SENDER);
	session_reply(session, "250", "2.1.0", "Sender ok");
}

const struct verb mail_verb = {
	.name = "MAIL",
	.states = SESSION_IDLE,
	.flags = VERB_NEEDS_HELO | VERB_TAKES_ARGUMENT,
	.usage = "MAIL FROM:<address> [SIZE= BODY= SMTPUTF8 RET= ENVID=]",
	.may = mail_may,
	.act = mail_act,
};
