/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

/* CHUNKING is not offered. A client that uses it all the same sends the chunk right
 * behind, and none of that may be taken for commands. */
static void bdat_act(struct session *session, struct slice argument)
{
	(void)argument;
	session_reply(session, "502", "5.5.1", "CHUNKING is not offered; closing");
	session_forget_transaction(session);
	session_enter(session, SESSION_CLOSED);
}

const struct verb bdat_verb = {
	.name = "BDAT",
	.states = SESSION_TALKING,
	.flags = VERB_TAKES_ARGUMENT,
	.act = bdat_act,
};
