/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

static bool data_may(struct session *session, struct slice argument)
{
	(void)argument;
	if (session->state == SESSION_RECIPIENTS)
		return true;
	session_reply(session, "554", "5.5.1", "No valid recipients");
	return false;
}

static void data_act(struct session *session, struct slice argument)
{
	(void)argument;
	const Postern__App *app = session_app_now(session);
	content_init(&session->transaction->content, session_message_limit(session, app));
	session_reply_line(session, "354", ' ', "End data with <CRLF>.<CRLF>");
	session_enter(session, SESSION_DATA);
}

const struct verb data_verb = {
	.name = "DATA",
	.states = SESSION_SENDER | SESSION_RECIPIENTS,
	.usage = "DATA",
	.may = data_may,
	.act = data_act,
};
