/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/kind.h"

struct keys {
	struct arena *arena;
	struct slice *list;
	size_t count;
};

static void collect(void *with, struct slice key, const Postern__Object *object)
{
	struct keys *keys = with;
	struct slice *list = ARENA_ARRAY(keys->arena, struct slice, keys->count + 1);
	for (size_t i = 0; i < keys->count; i++)
		list[i] = keys->list[i];
	list[keys->count++] = arena_copy(keys->arena, key);
	keys->list = list;
}

/* The credentials of an app go with it, and go first: were they left behind by a kill,
 * they would open a later app of the same name. */
static enum status delete_keys(struct command *command, const struct keys *keys)
{
	struct fault fault = { 0 };
	for (size_t i = 0; i < keys->count; i++) {
		if (!control_delete(command->session, keys->list[i], &fault))
			return command_failed(command, "%.*s: %s",
				SLICE_ARG(keys->list[i]), fault.text);
		fprintf(command->out, "%.*s deleted\n", SLICE_ARG(keys->list[i]));
	}
	return STATUS_DONE;
}

#define USERS_SHOWN 5

struct users {
	struct arena *arena;
	const char *policy;
	const char *names; /* "shop, till" */
	size_t count;
};

static void find_user(void *with, struct slice key, const Postern__Object *object)
{
	struct users *users = with;
	(void)key;
	const char *policy = *object->app->policy ? object->app->policy : "default";
	if (strcmp(policy, users->policy) != 0 || users->count++ >= USERS_SHOWN)
		return;
	users->names = arena_printf(users->arena, "%s%s%s", users->names,
		*users->names ? ", " : "", object->app->name);
}

/* Mail of its apps would wait, or without a "default" be judged by less. */
static bool check_unused(
	struct command *command, const struct registry *registry, const char *policy)
{
	struct users users = { command->arena, policy, "", 0 };
	registry_each(registry, SLICE("app/"), find_user, &users);
	if (!users.count)
		return true;
	command_failed(command,
		"policy \"%s\" is used by %zu apps (%s%s); first name another one there",
		policy, users.count, users.names, users.count > USERS_SHOWN ? ", …" : "");
	return false;
}

static enum status delete_object(struct command *command)
{
	const struct kind *kind = kind_find(command->words[0]);
	if (!kind)
		return command_misused(command, "\"%s\" is none of %s", command->words[0],
			kind_names(command->arena, false));
	struct fault fault = { 0 };
	if (!command_session(command))
		return STATUS_FAILED;
	const struct registry *registry = session_registry(command->session, &fault);
	if (!registry)
		return command_failed(command, "%s", fault.text);
	const char *name = command->words[1];
	struct slice key = slice_of(
		arena_printf(command->arena, "%s/%s", kind->name, name));
	struct keys keys = { .arena = command->arena };
	if (kind->number == POSTERN__OBJECT__KIND_APP)
		registry_each(registry,
			slice_of(arena_printf(command->arena, "credential/%s/", name)),
			collect, &keys);
	if (kind->number == POSTERN__OBJECT__KIND_POLICY &&
		registry_object(registry, key) && !check_unused(command, registry, name))
		return STATUS_FAILED;
	if (registry_object(registry, key))
		collect(&keys, key, NULL);
	if (!keys.count)
		return command_failed(command,
			"there is no %s \"%s\"; `posternctl get %s` lists what there is",
			kind->name, name, kind->name);
	return delete_keys(command, &keys);
}

static const struct action actions[] = {
	{ NULL, "KIND NAME", 2, 2, NULL, NULL, delete_object },
};

const struct verb delete_verb = {
	.name = "delete",
	.summary = "delete an object",
	.help = "Deleting an app deletes its credentials; what is on its way is held. To stop\n"
		"an app for a while, `posternctl app suspend` is better. A policy that an app\n"
		"uses is not deleted; \"default\" is used by those that name none.\n",
	ACTIONS(actions),
};
