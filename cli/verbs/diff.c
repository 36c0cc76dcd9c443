/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/difference.h"
#include "cli/plan.h"
#include "cli/render.h"

static void print_row(struct command *command, const struct plan_row *row)
{
	const struct document *document = row->document;
	struct slice before = { 0 };
	if (row->former)
		before = slice_of(object_yaml(command->arena, row->former));
	fprintf(command->out, "--- %.*s (%s)\n+++ %.*s (%s:%zu)\n",
		SLICE_ARG(document->key), row->former ? "now" : "not there",
		SLICE_ARG(document->key), document->place.file, document->place.line);
	difference_print(before, slice_of(object_yaml(command->arena, document->object)),
		command->out);
}

/* As kubectl and diff(1) do: 1 says different, so what fails is 2. */
static enum status diff(struct command *command)
{
	struct plan plan;
	if (plan_make(command, &plan) != STATUS_DONE)
		return STATUS_USAGE;
	enum status status = STATUS_DONE;
	for (size_t i = 0; i < plan.count; i++)
		if (plan.rows[i].is_changed) {
			print_row(command, &plan.rows[i]);
			status = STATUS_FAILED;
		}
	return status;
}

static const struct option options[] = {
	{ "file", 'f', "FILE", "YAML or JSON to read, - for stdin; several times" },
	{ 0 },
};

static const struct action actions[] = {
	{ NULL, "", 0, 0, NULL, options, diff },
};

const struct verb diff_verb = {
	.name = "diff",
	.summary = "show what apply would change",
	.help = "Exit status 0: nothing; 1: something; 2: the files or the bus are at "
		"fault.\n",
	ACTIONS(actions),
};
