/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/control.h"
#include "cli/plan.h"

static const char *outcome(const struct plan_row *row)
{
	return !row->former ? "created" : row->is_changed ? "configured" : "unchanged";
}

static enum status apply(struct command *command)
{
	struct plan plan;
	enum status status = plan_make(command, &plan);
	if (status != STATUS_DONE)
		return status;
	for (size_t i = 0; i < plan.count; i++)
		if (plan.rows[i].is_changed)
			control_begin(command->session, command->arena,
				plan.rows[i].document->object);
	struct fault fault = { 0 };
	if (!session_wait(command->session, 0, &fault))
		return command_failed(command,
			"%s; some objects may be written, others not: apply again",
			fault.text);
	for (size_t i = 0; i < plan.count; i++)
		fprintf(command->out, "%.*s %s\n", SLICE_ARG(plan.rows[i].document->key),
			outcome(&plan.rows[i]));
	return STATUS_DONE;
}

static const struct option options[] = {
	{ "file", 'f', "FILE", "YAML or JSON to read, - for stdin; several times" },
	{ 0 },
};

static const struct action actions[] = {
	{ NULL, "", 0, 0, NULL, options, apply },
};

const struct verb apply_verb = {
	.name = "apply",
	.summary = "make objects as the files say",
	.help = "Each document is one object and replaces it as a whole: a key that is left\n"
		"out takes its default. Only the state of an app stays as it is where the\n"
		"document does not say it, so applying again does not wake a suspended app.\n"
		"If anything is wrong in any document, nothing is applied.\n\n"
		"    posternctl apply -f shop.yaml -f pools.yaml\n\n"
		"    kind: app\n"
		"    name: shop\n"
		"    lane: urgent\n"
		"    senders:\n"
		"      - envelope: bounces@shop.example\n"
		"        header: \"*@shop.example\"\n",
	ACTIONS(actions),
	.may_found_bus = true,
};
