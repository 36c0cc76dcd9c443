/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

static void ehlo_act(struct session *session, struct slice argument)
{
	char size[40];
	if (!session_hello(session, argument))
		return;
	const Postern__App *app = session->app ? session_app_now(session) : NULL;
	snprintf(size, sizeof(size), "SIZE %zu", session_message_limit(session, app));
	session_reply_line(session, "250", '-', session->world->hostname);
	session_reply_line(session, "250", '-', "PIPELINING");
	session_reply_line(session, "250", '-', size);
	session_reply_line(session, "250", '-', "8BITMIME");
	session_reply_line(session, "250", '-', "SMTPUTF8");
	session_reply_line(session, "250", '-', "DSN");
	if (session->state == SESSION_PLAIN)
		session_reply_line(session, "250", '-', "STARTTLS");
	else
		session_reply_line(session, "250", '-', "AUTH PLAIN LOGIN");
	session_reply_line(session, "250", ' ', "ENHANCEDSTATUSCODES");
}

const struct verb ehlo_verb = {
	.name = "EHLO",
	.states = SESSION_TALKING,
	.flags = VERB_TAKES_ARGUMENT,
	.usage = "EHLO name",
	.act = ehlo_act,
};
