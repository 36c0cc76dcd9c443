/* SPDX-License-Identifier: MIT
 *
 * One call of posternctl: its words and options, where it prints, and the bus, which is
 * opened when a verb first needs it. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/verb.h"
#include "lib/arena.h"
#include "lib/fault.h"

struct session;

struct given {
	const struct option *option;
	const char *value;
};

struct command {
	struct arena *arena;
	FILE *in, *out, *errors;
	const struct verb *verb;
	const struct action *action;
	const char **words; /* those of the action */
	size_t word_count;
	struct given *given;
	size_t given_count;
	struct session *session; /* NULL until command_session() */
};

/* Does what argv says; never exits. */
enum status command_run(int argc, char **argv, FILE *in, FILE *out, FILE *errors);

/* The last value given; NULL if it was not given; "" for a switch. */
const char *command_option(const struct command *command, const char *name);
/* The n-th value given, from 0; NULL past the last. */
const char *command_option_n(const struct command *command, const char *name, size_t n);

/* NULL: the fault has been printed. */
struct session *command_session(struct command *command);

/* Each prints "posternctl: text" to the errors and returns what the name says. */
enum status command_failed(struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
enum status command_misused(struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* For help.c and for usage faults. */
void command_print_help(FILE *out, const struct verb *verb);
const struct verb *verb_find(const char *name);

#endif
