/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "services/smtp-gateway/parameter.h"
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

struct rcpt {
	struct arena *arena;
	struct address address;
	Postern__Recipient recipient;
};

/* RFC 3461 4.1: NEVER alone, or a list of the others. */
static bool take_notify(void *with, struct slice value, struct refusal *refusal)
{
	static const char *const words[] = { "SUCCESS", "FAILURE", "DELAY" };
	struct rcpt *rcpt = with;
	struct slice rest = value, word;
	bool is_good = value.size > 0;
	rcpt->recipient.notify = arena_string(rcpt->arena, value);
	if (slice_equal_nocase(value, SLICE("NEVER")))
		return true;
	while (is_good && slice_split(&rest, ',', &word)) {
		is_good = false;
		for (size_t i = 0; i < 3; i++)
			is_good = is_good || slice_equal_nocase(word, slice_of(words[i]));
	}
	return is_good || refuse(refusal, "501", "5.5.4",
				  "NOTIFY is NEVER, or of SUCCESS,FAILURE,DELAY");
}

/* RFC 3461 4.2: an address type, ';', xtext. */
static bool take_orcpt(void *with, struct slice value, struct refusal *refusal)
{
	struct rcpt *rcpt = with;
	struct slice text = value, type = { 0 };
	slice_split(&text, ';', &type);
	rcpt->recipient.orcpt = arena_string(rcpt->arena, value);
	return (value.size <= 500 && xtext_is_valid(type) && xtext_is_valid(text)) ||
	       refuse(refusal, "501", "5.5.4", "ORCPT is not type;address");
}

static const struct parameter parameters[] = {
	{ "NOTIFY", take_notify },
	{ "ORCPT", take_orcpt },
	{ 0 },
};

static bool parse(struct rcpt *rcpt, struct slice text, struct refusal *refusal)
{
	struct fault fault = { 0 };
	if (!slice_has_prefix_nocase(text, SLICE("TO:")))
		return refuse(refusal, "501", "5.5.2", "Syntax: RCPT TO:<address>");
	text = slice_trim(slice_skip(text, strlen("TO:")));
	if (!address_take_path(&text, &rcpt->address, &fault))
		return refuse(refusal, "501", "5.1.3", "Bad recipient: %s", fault.text);
	if (rcpt->address.whole.size == 0)
		return refuse(refusal, "501", "5.1.3", "A recipient can't be empty");
	return parameters_take(text, parameters, rcpt, refusal);
}

static bool check(const struct session *session, const Postern__App *app,
	const struct rcpt *rcpt, struct refusal *refusal)
{
	const Postern__Envelope *envelope = session->transaction->envelope;
	uint32_t of_app = app->limits ? app->limits->recipients : 0;
	if (rcpt->address.is_utf8 && !envelope->smtputf8)
		return refuse(refusal, "553", "5.6.7", "This recipient needs SMTPUTF8");
	if (rcpt->address.is_literal)
		return refuse(refusal, "550", "5.1.2",
			"Mail to address literals is not relayed");
	if (envelope->n_recipients >=
		(of_app ? of_app : session->world->limits.recipients))
		return refuse(refusal, "452", "4.5.3",
			"Too many recipients, send the others in a second message");
	return true;
}

static bool is_known(const Postern__Envelope *envelope, struct slice address)
{
	for (size_t i = 0; i < envelope->n_recipients; i++)
		if (slice_equal(slice_of(envelope->recipients[i]->address), address))
			return true;
	return false;
}

static void add(struct transaction *transaction, const struct rcpt *rcpt)
{
	Postern__Envelope *envelope = transaction->envelope;
	Postern__Recipient *recipient = ARENA_NEW(transaction->arena, Postern__Recipient);
	*recipient = rcpt->recipient;
	recipient->address = arena_string(transaction->arena, rcpt->address.whole);
	if (envelope->n_recipients == transaction->recipients_room) {
		size_t room = transaction->recipients_room * 2 + 4;
		Postern__Recipient **list = ARENA_ARRAY(
			transaction->arena, Postern__Recipient *, room);
		if (envelope->n_recipients)
			memcpy(list, envelope->recipients,
				envelope->n_recipients * sizeof(*list));
		envelope->recipients = list;
		transaction->recipients_room = room;
	}
	envelope->recipients[envelope->n_recipients++] = recipient;
}

static void rcpt_act(struct session *session, struct slice argument)
{
	struct transaction *transaction = session->transaction;
	struct rcpt rcpt = { .arena = transaction->arena };
	struct refusal refusal;
	const Postern__App *app = session_app_now(session);
	postern__recipient__init(&rcpt.recipient);
	if (!parse(&rcpt, argument, &refusal)) {
		session_complain(
			session, refusal.code, refusal.enhanced, "%s", refusal.text);
		return;
	}
	/* A recipient named twice gets the message once. */
	if (!is_known(transaction->envelope, rcpt.address.whole)) {
		if (!check(session, app, &rcpt, &refusal)) {
			session_reply(session, refusal.code, refusal.enhanced, "%s",
				refusal.text);
			return;
		}
		add(transaction, &rcpt);
		/* They have a limit of their own. */
		session->commands--;
	}
	session_enter(session, SESSION_RECIPIENTS);
	session_reply(session, "250", "2.1.5", "Recipient ok");
}

const struct verb rcpt_verb = {
	.name = "RCPT",
	.states = SESSION_SENDER | SESSION_RECIPIENTS,
	.flags = VERB_TAKES_ARGUMENT,
	.usage = "RCPT TO:<address> [NOTIFY= ORCPT=]",
	.act = rcpt_act,
};
