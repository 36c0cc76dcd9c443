/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "services/smtp-gateway/session_state.h"
#include "services/smtp-gateway/verb.h"

static void help_act(struct session *session, struct slice argument)
{
	(void)argument;
	char line[100];
	for (const struct verb *const *verb = verb_registry; *verb; verb++)
		if ((*verb)->usage) {
			snprintf(line, sizeof(line), "2.0.0 %s", (*verb)->usage);
			session_reply_line(session, "214", '-', line);
		}
	session_reply(session, "214", "2.0.0", "End of help");
}

const struct verb help_verb = {
	.name = "HELP",
	.states = SESSION_TALKING,
	.flags = VERB_TAKES_ARGUMENT,
	.usage = "HELP",
	.act = help_act,
};
