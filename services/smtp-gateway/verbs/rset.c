/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

static void rset_act(struct session *session, struct slice argument)
{
	(void)argument;
	session_forget_transaction(session);
	if (session->state & SESSION_KNOWN)
		session_enter(session, SESSION_IDLE);
	session_reply(session, "250", "2.0.0", "Ok");
}

const struct verb rset_verb = {
	.name = "RSET",
	.states = SESSION_TALKING,
	.usage = "RSET",
	.act = rset_act,
};
