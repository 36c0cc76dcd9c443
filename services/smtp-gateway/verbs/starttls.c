/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

/* What came in the clear behind the command may be another's, put in on the way
 * (CVE-2011-0411). It is never looked at; and a client doesn't do that. */
static bool starttls_may(struct session *session, struct slice argument)
{
	(void)argument;
	if (session->unread == 0)
		return true;
	session_reply(
		session, "554", "5.5.1", "Text in the clear after STARTTLS; closing");
	session_enter(session, SESSION_CLOSED);
	return false;
}

static void starttls_act(struct session *session, struct slice argument)
{
	(void)argument;
	session_reply(session, "220", "2.0.0", "Ready to start TLS");
	session_enter(session, SESSION_UPGRADING);
}

const struct verb starttls_verb = {
	.name = "STARTTLS",
	.states = SESSION_PLAIN,
	.usage = "STARTTLS",
	.may = starttls_may,
	.act = starttls_act,
};
