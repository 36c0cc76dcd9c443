/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/session.h"
#include "lib/version.h"

#define BUS_DEFAULT "local:/var/lib/postern"

static const struct option global_options[] = {
	{ "bus", 0, "WHERE",
		"local:FOLDER or kafka:HOST:PORT[,…]; else POSTERN_BUS, else " BUS_DEFAULT },
	{ "help", 'h', NULL, "what a verb does, its options and examples" },
	{ "version", 0, NULL, "the version of posternctl" },
	{ 0 },
};

__attribute__((format(printf, 3, 0))) static enum status complain(
	struct command *command, enum status status, const char *format, va_list args)
{
	fflush(command->out);
	fputs("posternctl: ", command->errors);
	vfprintf(command->errors, format, args);
	fputc('\n', command->errors);
	return status;
}

enum status command_failed(struct command *command, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	enum status status = complain(command, STATUS_FAILED, format, args);
	va_end(args);
	return status;
}

enum status command_misused(struct command *command, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	enum status status = complain(command, STATUS_USAGE, format, args);
	va_end(args);
	return status;
}

const struct verb *verb_find(const char *name)
{
	for (const struct verb *const *verb = verb_registry; *verb; verb++)
		if (strcmp((*verb)->name, name) == 0)
			return *verb;
	return NULL;
}

const char *command_option_n(const struct command *command, const char *name, size_t n)
{
	for (size_t i = 0; i < command->given_count; i++)
		if (strcmp(command->given[i].option->name, name) == 0 && n-- == 0)
			return command->given[i].value;
	return NULL;
}

const char *command_option(const struct command *command, const char *name)
{
	const char *last = NULL, *next;
	for (size_t n = 0; (next = command_option_n(command, name, n)); n++)
		last = next;
	return last;
}

static const char *bus_place(const struct command *command)
{
	const char *where = command_option(command, "bus");
	if (!where)
		where = getenv("POSTERN_BUS");
	return where && *where ? where : BUS_DEFAULT;
}

/* The engine would make the folder, and an operator who mistyped it would look at an
 * empty Postern. */
static bool check_folder(struct command *command, const char *where)
{
	static const char local[] = "local:";
	if (strncmp(where, local, sizeof(local) - 1) != 0 ||
		command->verb->may_found_bus ||
		access(where + sizeof(local) - 1, F_OK) == 0)
		return true;
	command_failed(command,
		"there is no bus %s: say where it is with --bus or POSTERN_BUS, or make "
		"it with `posternctl apply`",
		where);
	return false;
}

struct session *command_session(struct command *command)
{
	if (command->session)
		return command->session;
	const char *where = bus_place(command);
	if (!check_folder(command, where))
		return NULL;
	struct fault fault = { 0 };
	command->session = session_open(where, &fault);
	if (!command->session)
		command_failed(command,
			"%s (say where the bus is with --bus or POSTERN_BUS)",
			fault.text);
	return command->session;
}

/* --- words and options ----------------------------------------------------------------
 */

static const struct option *find_in(
	const struct option *options, struct slice name, bool is_letter)
{
	for (; options && options->name; options++)
		if (is_letter ? options->letter && options->letter == name.data[0]
			      : slice_equal(slice_of(options->name), name))
			return options;
	return NULL;
}

static const struct option *find_option(
	const struct command *command, struct slice name, bool is_letter)
{
	const struct option *own = NULL;
	if (command->action)
		own = find_in(command->action->options, name, is_letter);
	return own ? own : find_in(global_options, name, is_letter);
}

/* "--name=value", "--name", "-nvalue" or "-n"; `ret_value` is NULL without a value. */
static const struct option *read_option(
	const struct command *command, const char *word, const char **ret_value)
{
	bool is_letter = word[1] != '-';
	struct slice name = slice_of(word + (is_letter ? 1 : 2));
	const char *equals = strchr(word, '=');
	*ret_value = NULL;
	if (is_letter && name.size > 1) {
		*ret_value = word + 2;
		name.size = 1;
	} else if (!is_letter && equals) {
		*ret_value = equals + 1;
		name.size = (size_t)(equals - word - 2);
	}
	return find_option(command, name, is_letter);
}

/* Takes the option at *at and its value, which may be the next word. */
static bool take_option(struct command *command, char **argv, int *at)
{
	const char *word = argv[*at], *value;
	const struct option *option = read_option(command, word, &value);
	if (!option) {
		command_misused(command,
			"no option %s here; `posternctl help%s%s` lists them", word,
			command->verb ? " " : "",
			command->verb ? command->verb->name : "");
		return false;
	}
	if (option->value && !value)
		value = argv[*at + 1] ? argv[++*at] : NULL;
	if (option->value && !value)
		return command_misused(
			       command, "%s wants a value: %s", word, option->value),
		       false;
	if (!option->value && value)
		return command_misused(command, "%s takes no value", word), false;
	command->given[command->given_count++] = (struct given){ option,
		value ? value : "" };
	return true;
}

static const struct action *find_action(const struct verb *verb, const char *name)
{
	for (unsigned i = 0; i < verb->count; i++)
		if (!verb->actions[i].name ||
			(name && strcmp(verb->actions[i].name, name) == 0))
			return &verb->actions[i];
	return NULL;
}

static const char *action_names(struct arena *arena, const struct verb *verb)
{
	const char *names = verb->actions[0].name;
	for (unsigned i = 1; i < verb->count; i++)
		names = arena_printf(arena, "%s, %s", names, verb->actions[i].name);
	return names;
}

/* The verb, then, where it has several, the action's word. */
static bool take_word(struct command *command, const char *word)
{
	if (!command->verb) {
		command->verb = verb_find(word);
		if (!command->verb)
			command_misused(command,
				"there is no verb \"%s\"; `posternctl help` lists them",
				word);
		else if (!command->verb->actions[0].name)
			command->action = command->verb->actions;
		return command->verb;
	}
	if (!command->action) {
		command->action = find_action(command->verb, word);
		if (!command->action)
			command_misused(command, "%s what? \"%s\" is none of %s",
				command->verb->name, word,
				action_names(command->arena, command->verb));
		return command->action;
	}
	command->words[command->word_count++] = word;
	return true;
}

static bool parse(struct command *command, int argc, char **argv)
{
	command->words = ARENA_ARRAY(command->arena, const char *, (size_t)argc + 1);
	command->given = ARENA_ARRAY(command->arena, struct given, (size_t)argc + 1);
	bool only_words = false;
	for (int at = 1; at < argc; at++) {
		const char *word = argv[at];
		if (!only_words && strcmp(word, "--") == 0) {
			only_words = true;
		} else if (!only_words && word[0] == '-' && word[1]) {
			if (!take_option(command, argv, &at))
				return false;
		} else if (!take_word(command, word)) {
			return false;
		}
	}
	return true;
}

/* --- help -----------------------------------------------------------------------------
 */

static void print_options(FILE *out, const struct option *options)
{
	for (; options && options->name; options++) {
		char text[64], letter[8] = "";
		if (options->letter)
			snprintf(letter, sizeof(letter), "-%c, ", options->letter);
		snprintf(text, sizeof(text), "%s--%s%s%s", letter, options->name,
			options->value ? " " : "", options->value ? options->value : "");
		fprintf(out, "      %-22s %s\n", text, options->help);
	}
}

static void print_usage(FILE *out, const struct verb *verb, const struct action *action)
{
	fprintf(out, "  posternctl %s%s%s%s%s%s\n", verb->name, action->name ? " " : "",
		action->name ? action->name : "", *action->words ? " " : "",
		action->words, action->options ? " [OPTIONS]" : "");
}

void command_print_help(FILE *out, const struct verb *verb)
{
	if (!verb) {
		fputs("posternctl: the operator's command of Postern\n\n"
		      "Usage: posternctl VERB [WORDS] [OPTIONS]\n\n",
			out);
		for (const struct verb *const *v = verb_registry; *v; v++)
			fprintf(out, "  %-12s %s\n", (*v)->name, (*v)->summary);
		fputs("\nOptions of every verb:\n", out);
		print_options(out, global_options);
		fputs("\nExit status: 0 done; 1 not done, not found, or (diff) different; "
		      "2 not understood.\n"
		      "`posternctl help VERB` says more.\n",
			out);
		return;
	}
	fprintf(out, "posternctl %s: %s\n\n", verb->name, verb->summary);
	for (unsigned i = 0; i < verb->count; i++) {
		const struct action *action = &verb->actions[i];
		print_usage(out, verb, action);
		if (action->summary)
			fprintf(out, "      %s\n", action->summary);
		print_options(out, action->options);
	}
	if (verb->help)
		fprintf(out, "\n%s", verb->help);
}

/* --- running --------------------------------------------------------------------------
 */

static enum status run_action(struct command *command)
{
	const struct action *action = command->action;
	if (!action)
		return command_misused(command, "%s what? One of %s", command->verb->name,
			action_names(command->arena, command->verb));
	if (command->word_count < action->least || command->word_count > action->most) {
		command_misused(command, "%s; the usage is",
			command->word_count < action->least ? "a word is missing"
							    : "too many words");
		print_usage(command->errors, command->verb, action);
		return STATUS_USAGE;
	}
	return action->run(command);
}

static enum status run(struct command *command, int argc, char **argv)
{
	if (!parse(command, argc, argv))
		return STATUS_USAGE;
	if (command_option(command, "version")) {
		fprintf(command->out, "posternctl %s\n", POSTERN_VERSION);
		return STATUS_DONE;
	}
	if (command_option(command, "help")) {
		command_print_help(command->out, command->verb);
		return STATUS_DONE;
	}
	if (command->verb)
		return run_action(command);
	command_print_help(command->errors, NULL);
	return STATUS_USAGE;
}

enum status command_run(int argc, char **argv, FILE *in, FILE *out, FILE *errors)
{
	struct command command = { .in = in, .out = out, .errors = errors };
	command.arena = arena_new();
	enum status status = run(&command, argc, argv);
	session_close(command.session);
	/* A full disk under `> file` must not look like success. */
	if ((fflush(out) != 0 || ferror(out)) && status == STATUS_DONE)
		status = command_failed(&command, "the output can't be written");
	arena_free(command.arena);
	return status;
}
