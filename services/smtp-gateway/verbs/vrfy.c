/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

static void vrfy_act(struct session *session, struct slice argument)
{
	if (argument.size == 0)
		session_complain(session, "501", "5.5.4", "Syntax: VRFY address");
	else
		session_reply(session, "252", "2.5.2", "Send some mail, it may arrive");
}

const struct verb vrfy_verb = {
	.name = "VRFY",
	.states = SESSION_KNOWN,
	.flags = VERB_TAKES_ARGUMENT,
	.usage = "VRFY address",
	.act = vrfy_act,
};
