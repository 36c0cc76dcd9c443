/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

static void expn_act(struct session *session, struct slice argument)
{
	(void)argument;
	session_reply(session, "502", "5.5.1", "There are no lists here");
}

const struct verb expn_verb = {
	.name = "EXPN",
	.states = SESSION_KNOWN,
	.flags = VERB_TAKES_ARGUMENT,
	.act = expn_act,
};
