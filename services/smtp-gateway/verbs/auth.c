/* SPDX-License-Identifier: MIT
 *
 * AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN. */
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "services/smtp-gateway/base64.h"
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

#define NAME_MAX_BYTES 255

void session_forget_offer(struct session *session)
{
	if (session->offered_secret)
		explicit_bzero(session->offered_secret, session->offered_secret_size);
	memory_free(&session->offered_secret);
	memory_free(&session->offered_app);
	session->offered_secret_size = 0;
}

struct session_offer session_offer(const struct session *session)
{
	return (struct session_offer){ slice_of(session->offered_app),
		{ session->offered_secret, session->offered_secret_size } };
}

static void give_up(struct session *session)
{
	session_forget_offer(session);
	if (session->state == SESSION_CHALLENGED)
		session_enter(session, SESSION_SECURE);
}

static bool refuse_base64(struct session *session)
{
	give_up(session);
	session_complain(session, "501", "5.5.2", "Not valid base64");
	return false;
}

static void challenge(struct session *session, const char *text,
	void (*answer)(struct session *session, struct slice line))
{
	session->answer = answer;
	session_reply_line(session, "334", ' ', text);
	session_enter(session, SESSION_CHALLENGED);
}

/* An answer, decoded in place of `bytes`; false: it was cancelled or is none. */
static bool decode(struct session *session, struct slice line, char *bytes, size_t *size)
{
	if (slice_equal(line, SLICE("*"))) {
		give_up(session);
		session_reply(session, "501", "5.7.0", "Authentication cancelled");
		return false;
	}
	return base64_decode(line, bytes, size) || refuse_base64(session);
}

static void offer_secret(struct session *session, struct slice secret)
{
	session->offered_secret = memory_string(secret);
	session->offered_secret_size = secret.size;
	session_enter(session, SESSION_CHECKING);
}

/* Who acts for another (authzid) is not known here. */
static void take_plain(struct session *session, struct slice message)
{
	struct slice act_for, name, secret = message;
	if (!slice_split(&secret, '\0', &act_for) || !slice_split(&secret, '\0', &name) ||
		!secret.data || memchr(secret.data, '\0', secret.size) ||
		name.size == 0 || name.size > NAME_MAX_BYTES ||
		(act_for.size && !slice_equal(act_for, name))) {
		give_up(session);
		session_complain(session, "501", "5.5.2", "Not a PLAIN message");
		return;
	}
	session->offered_app = memory_string(name);
	offer_secret(session, secret);
}

static void plain_answer(struct session *session, struct slice line)
{
	char message[SESSION_LINE_MAX];
	size_t size;
	if (decode(session, line, message, &size))
		take_plain(session, (struct slice){ message, size });
	explicit_bzero(message, sizeof(message));
}

static void login_secret(struct session *session, struct slice line)
{
	char secret[SESSION_LINE_MAX];
	size_t size;
	if (decode(session, line, secret, &size))
		offer_secret(session, (struct slice){ secret, size });
	explicit_bzero(secret, sizeof(secret));
}

static void login_name(struct session *session, struct slice line)
{
	char name[SESSION_LINE_MAX];
	size_t size;
	if (!decode(session, line, name, &size))
		return;
	if (size == 0 || size > NAME_MAX_BYTES || memchr(name, '\0', size)) {
		give_up(session);
		session_complain(session, "501", "5.5.2", "Not a user name");
		return;
	}
	session->offered_app = memory_string((struct slice){ name, size });
	challenge(session, "UGFzc3dvcmQ6", login_secret);
}

static bool auth_may(struct session *session, struct slice argument)
{
	(void)argument;
	if (session->state != SESSION_PLAIN)
		return true;
	session_complain(session, "538", "5.7.11", "Authentication needs STARTTLS first");
	return false;
}

static void auth_act(struct session *session, struct slice argument)
{
	struct slice mechanism, initial = argument;
	if (argument.size == 0) {
		session_complain(session, "501", "5.5.4", "Syntax: AUTH mechanism");
		return;
	}
	slice_split(&initial, ' ', &mechanism);
	bool is_plain = slice_equal_nocase(mechanism, SLICE("PLAIN"));
	if (!is_plain && !slice_equal_nocase(mechanism, SLICE("LOGIN"))) {
		session_complain(session, "504", "5.5.4", "Offered are PLAIN and LOGIN");
		return;
	}
	if (!initial.data) {
		challenge(session, is_plain ? "" : "VXNlcm5hbWU6",
			is_plain ? plain_answer : login_name);
		return;
	}
	/* RFC 4954 4: "=" is the empty response. */
	if (slice_equal(initial, SLICE("=")))
		initial.size = 0;
	if (is_plain)
		plain_answer(session, initial);
	else
		login_name(session, initial);
}

const struct verb auth_verb = {
	.name = "AUTH",
	.states = SESSION_PLAIN | SESSION_SECURE,
	.flags = VERB_NEEDS_HELO | VERB_TAKES_ARGUMENT,
	.usage = "AUTH PLAIN | LOGIN",
	.may = auth_may,
	.act = auth_act,
};
