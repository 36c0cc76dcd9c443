/* SPDX-License-Identifier: MIT
 *
 * A verb of posternctl: one file in verbs/, ending in `const struct verb <file>_verb`.
 * A verb has one action, or several that are told apart by the word after it. Help, the
 * parsing of options and the faults of usage come from these records. */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include <stdbool.h>

struct command;

enum status {
	STATUS_DONE,
	STATUS_FAILED, /* not done, not found; of `diff`: there is a difference */
	STATUS_USAGE,  /* words, options or a document that can't be understood */
};

struct option {
	const char *name;  /* without "--"; NULL ends a list */
	char letter;       /* 0: none */
	const char *value; /* what it takes, as in "FILE"; NULL: a switch */
	const char *help;
};

struct action {
	const char *name;             /* NULL: the verb has just this action */
	const char *words;            /* what follows, as in "KIND [NAME]" */
	unsigned least, most;         /* how many words that may be */
	const char *summary;          /* one sentence; NULL: that of the verb */
	const struct option *options; /* may be NULL */
	enum status (*run)(struct command *command);
};

struct verb {
	const char *name;
	const char *summary; /* one sentence */
	const char *help;    /* more, with examples; whole lines; may be NULL */
	const struct action *actions;
	unsigned count;
	bool may_found_bus; /* others want the folder of a local bus to be there */
};

#define ACTIONS(list) .actions = (list), .count = sizeof(list) / sizeof(*(list))

/* Written by tools/registry; ends with NULL. */
extern const struct verb *const verb_registry[];

#endif
