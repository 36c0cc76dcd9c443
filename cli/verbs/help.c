/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

static enum status help(struct command *command)
{
	const struct verb *verb = NULL;
	if (command->word_count) {
		verb = verb_find(command->words[0]);
		if (!verb)
			return command_misused(command,
				"there is no verb \"%s\"; "
				"`posternctl help` lists them",
				command->words[0]);
	}
	command_print_help(command->out, verb);
	return STATUS_DONE;
}

static const struct action actions[] = {
	{ NULL, "[VERB]", 0, 1, NULL, NULL, help },
};

const struct verb help_verb = {
	.name = "help",
	.summary = "what there is, or what a verb does",
	ACTIONS(actions),
};
