/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

static void noop_act(struct session *session, struct slice argument)
{
	(void)argument;
	session_reply(session, "250", "2.0.0", "Ok");
}

const struct verb noop_verb = {
	.name = "NOOP",
	.states = SESSION_TALKING,
	.flags = VERB_TAKES_ARGUMENT,
	.usage = "NOOP",
	.act = noop_act,
};
