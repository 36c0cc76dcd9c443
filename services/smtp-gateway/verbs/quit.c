/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

static void quit_act(struct session *session, struct slice argument)
{
	(void)argument;
	session_reply(session, "221", "2.0.0", "Bye");
	session_forget_transaction(session);
	session_enter(session, SESSION_CLOSED);
}

const struct verb quit_verb = {
	.name = "QUIT",
	.states = SESSION_TALKING,
	.usage = "QUIT",
	.act = quit_act,
};
