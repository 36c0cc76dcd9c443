/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/quantity.h"
#include "cli/render.h"
#include "cli/session.h"
#include "lib/clock.h"
#include "lib/mail.h"

static void print_credentials(
	struct command *command, const struct registry *registry, const char *app)
{
	static const char *const titles[] = { "CREDENTIAL", "CREATED", "EXPIRES", "",
		NULL };
	struct listing listing;
	listing_init(&listing, command->arena, titles);
	const Postern__Credential *credential;
	int64_t now_us = clock_unix_us();
	for (size_t n = 0; (credential = registry_credential(registry, slice_of(app), n));
		n++) {
		int64_t expires_us = credential->expires_us;
		LISTING_ADD(&listing, credential->name,
			moment_print(command->arena, credential->created_us),
			expires_us ? moment_print(command->arena, expires_us) : "never",
			expires_us && expires_us <= now_us ? "expired" : "valid");
	}
	fputc('\n', command->out);
	if (listing.count)
		listing_print(&listing, command->out);
	else
		fprintf(command->out,
			"no credential: `posternctl credential create %s` makes one\n",
			app);
}

static void print_users(void *with, struct slice key, const Postern__Object *object)
{
	struct listing *listing = with;
	LISTING_ADD(listing, object->app->name, object->app->owner);
}

/* Which apps name this pool or policy. */
struct users {
	struct listing listing;
	const struct kind *kind;
	const char *name;
};

static void add_user(void *with, struct slice key, const Postern__Object *object)
{
	struct users *users = with;
	bool is_pool = users->kind->number == POSTERN__OBJECT__KIND_POOL;
	const char *named = is_pool ? object->app->pool : object->app->policy;
	if (slice_equal(slice_of(*named ? named : "default"), slice_of(users->name)))
		print_users(&users->listing, key, object);
}

static void print_related(struct command *command, const struct registry *registry,
	const Postern__Object *object)
{
	static const char *const titles[] = { "USED BY APP", "OWNER", NULL };
	struct users users = { .kind = kind_of(object) };
	listing_init(&users.listing, command->arena, titles);
	if (object->kind_case == POSTERN__OBJECT__KIND_APP)
		print_credentials(command, registry, object->app->name);
	else if (object->kind_case == POSTERN__OBJECT__KIND_POOL)
		users.name = object->pool->name;
	else if (object->kind_case == POSTERN__OBJECT__KIND_POLICY)
		users.name = object->policy->name;
	if (users.name)
		registry_each(registry, SLICE("app/"), add_user, &users);
	if (users.listing.count) {
		fputc('\n', command->out);
		listing_print(&users.listing, command->out);
	}
}

static enum status describe(struct command *command)
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
	struct slice key = slice_of(
		arena_printf(command->arena, "%s/%s", kind->name, command->words[1]));
	const Postern__Object *object = registry_object(registry, key);
	if (!object)
		return command_failed(command,
			"there is no %s \"%s\"; `posternctl get %s` lists what there is",
			kind->name, command->words[1], kind->name);
	fputs(object_yaml(command->arena, object), command->out);
	if (object->kind_case == POSTERN__OBJECT__KIND_APP &&
		object->app->state == POSTERN__APP_STATE__APP_ACTIVE)
		fputs("# state: active\n", command->out);
	fprintf(command->out, "# written %s by %s\n",
		moment_print(command->arena, object->written_us), object->by);
	print_related(command, registry, object);
	return STATUS_DONE;
}

static const struct action actions[] = {
	{ NULL, "KIND NAME", 2, 2, NULL, NULL, describe },
};

const struct verb describe_verb = {
	.name = "describe",
	.summary = "print one object and what belongs to it",
	.help = "Who wrote it and when; the credentials of an app; the apps that use a pool "
		"or policy.\n",
	ACTIONS(actions),
};
