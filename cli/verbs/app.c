/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/command.h"
#include "cli/control.h"

/* A copy of the app's object; NULL: what is wrong has been printed. */
static Postern__Object *find_app(struct command *command)
{
	struct fault fault = { 0 };
	if (!command_session(command))
		return NULL;
	const struct registry *registry = session_registry(command->session, &fault);
	if (!registry) {
		command_failed(command, "%s", fault.text);
		return NULL;
	}
	const Postern__Object *object = registry_object(registry,
		slice_of(arena_printf(command->arena, "app/%s", command->words[0])));
	if (object)
		return object_copy(command->arena, object);
	command_failed(command,
		"there is no app \"%s\"; `posternctl get apps` lists what there is",
		command->words[0]);
	return NULL;
}

static enum status set_state(
	struct command *command, Postern__Object *object, Postern__AppState state)
{
	static const char *const words[] = {
		[POSTERN__APP_STATE__APP_ACTIVE] = "active",
		[POSTERN__APP_STATE__APP_SUSPENDED] = "suspended",
		[POSTERN__APP_STATE__APP_REVOKED] = "revoked",
	};
	const char *reason = command_option(command, "reason");
	if (!reason)
		reason = "";
	Postern__App *app = object->app;
	if (app->state == state && strcmp(app->state_reason, reason) == 0) {
		fprintf(command->out, "app/%s is %s already\n", app->name, words[state]);
		return STATUS_DONE;
	}
	app->state = state;
	app->state_reason = (char *)reason;
	struct fault fault = { 0 };
	if (!control_put(command->session, command->arena, object, &fault))
		return command_failed(command, "%s", fault.text);
	fprintf(command->out, "app/%s %s\n", app->name, words[state]);
	return STATUS_DONE;
}

static enum status suspend(struct command *command)
{
	Postern__Object *object = find_app(command);
	if (!object)
		return STATUS_FAILED;
	if (object->app->state == POSTERN__APP_STATE__APP_REVOKED)
		return command_failed(command, "app \"%s\" is revoked, which is more",
			object->app->name);
	return set_state(command, object, POSTERN__APP_STATE__APP_SUSPENDED);
}

static enum status resume(struct command *command)
{
	Postern__Object *object = find_app(command);
	if (!object)
		return STATUS_FAILED;
	if (object->app->state == POSTERN__APP_STATE__APP_REVOKED)
		return command_failed(command,
			"app \"%s\" is revoked, which is meant to stay; to bring it back "
			"all the same, apply it with `state: active`",
			object->app->name);
	return set_state(command, object, POSTERN__APP_STATE__APP_ACTIVE);
}

static enum status revoke(struct command *command)
{
	Postern__Object *object = find_app(command);
	return object ? set_state(command, object, POSTERN__APP_STATE__APP_REVOKED)
		      : STATUS_FAILED;
}

static const struct option options[] = {
	{ "reason", 0, "TEXT", "why, for people; it is shown where mail is held" },
	{ 0 },
};

static const struct action actions[] = {
	{ "suspend", "NAME", 1, 1,
		"nothing in, nothing out, within a second; what is on its way is held",
		options, suspend },
	{ "resume", "NAME", 1, 1,
		"ends a suspension; held mail is released with `posternctl quarantine`",
		NULL, resume },
	{ "revoke", "NAME", 1, 1, "like suspend, and not meant to come back", options,
		revoke },
};

const struct verb app_verb = {
	.name = "app",
	.summary = "suspend, resume or revoke an app",
	.help = "    posternctl app suspend shop --reason \"credential leaked\"\n"
		"    posternctl quarantine release --where app=shop\n",
	ACTIONS(actions),
};
