/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

static void helo_act(struct session *session, struct slice argument)
{
	if (session_hello(session, argument))
		session_reply_line(session, "250", ' ', session->world->hostname);
}

const struct verb helo_verb = {
	.name = "HELO",
	.states = SESSION_TALKING,
	.flags = VERB_TAKES_ARGUMENT,
	.act = helo_act,
};
