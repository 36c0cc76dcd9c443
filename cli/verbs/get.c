/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/command.h"
#include "cli/render.h"
#include "cli/session.h"

struct getting {
	struct command *command;
	struct slice name; /* empty: all */
	const char *form;
	struct listing listing;
	json_t *list;
	size_t count;
};

static void print_one(struct getting *getting, const Postern__Object *object)
{
	struct command *command = getting->command;
	getting->count++;
	if (strcmp(getting->form, "table") == 0)
		object_listing(&getting->listing, object);
	else if (strcmp(getting->form, "json") == 0)
		json_array_append_new(getting->list, object_json(command->arena, object));
	else
		fprintf(command->out, "%s%s", getting->count > 1 ? "---\n" : "",
			object_yaml(command->arena, object));
}

/* `get credential shop` shows all of the app's. */
static bool is_wanted(struct slice key, struct slice name)
{
	struct slice own = key, kind;
	slice_split(&own, '/', &kind);
	return !name.size || slice_equal(own, name) ||
	       (slice_equal(kind, SLICE("credential")) && own.size > name.size &&
		       own.data[name.size] == '/' &&
		       slice_equal(slice_head(own, name.size), name));
}

static void seen(void *with, struct slice key, const Postern__Object *object)
{
	struct getting *getting = with;
	if (is_wanted(key, getting->name))
		print_one(getting, object);
}

static void print_kind(
	struct getting *getting, const struct registry *registry, const struct kind *kind)
{
	struct command *command = getting->command;
	const char *prefix = arena_printf(command->arena, "%s/", kind->name);
	kind_listing(&getting->listing, command->arena, kind);
	registry_each(registry, slice_of(prefix), seen, getting);
	if (getting->listing.count)
		listing_print(&getting->listing, command->out);
}

static void print_all(struct getting *getting, const struct registry *registry)
{
	bool is_table = strcmp(getting->form, "table") == 0;
	for (const struct kind *const *kind = kind_registry; *kind; kind++) {
		size_t before = getting->count;
		/* What can't be applied again has no place in a backup. */
		if (is_table || !(*kind)->is_made_elsewhere)
			print_kind(getting, registry, *kind);
		if (is_table && getting->count > before)
			fputc('\n', getting->command->out);
	}
}

static void end_json(struct getting *getting)
{
	json_t *value = getting->list;
	if (getting->name.size && getting->count == 1)
		value = json_array_get(getting->list, 0);
	json_dumpf(value, getting->command->out, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	fputc('\n', getting->command->out);
}

static const char *find_form(struct command *command)
{
	static const char *const forms[] = { "table", "yaml", "json" };
	const char *form = command_option(command, "output");
	for (size_t i = 0; i < 3; i++)
		if (!form || strcmp(form, forms[i]) == 0)
			return forms[i];
	command_misused(command, "-o \"%s\" is none of table, yaml, json", form);
	return NULL;
}

static enum status print(struct getting *getting, const struct kind *kind)
{
	struct command *command = getting->command;
	struct fault fault = { 0 };
	if (!command_session(command))
		return STATUS_FAILED;
	const struct registry *registry = session_registry(command->session, &fault);
	if (!registry)
		return command_failed(command, "%s", fault.text);
	getting->list = json_array();
	if (kind)
		print_kind(getting, registry, kind);
	else
		print_all(getting, registry);
	bool is_found = getting->count || !getting->name.size;
	if (strcmp(getting->form, "json") == 0 && is_found)
		end_json(getting);
	json_decref(getting->list);
	if (!is_found)
		return command_failed(command,
			"there is no %s \"%s\"; `posternctl get %s` lists what there is",
			kind->name, getting->name.data, kind->name);
	if (!getting->count && strcmp(getting->form, "table") == 0)
		fprintf(command->errors, "none\n");
	return STATUS_DONE;
}

static enum status get(struct command *command)
{
	const char *name = command->words[0];
	const struct kind *kind = kind_find(name);
	bool is_all = strcmp(name, "all") == 0 && command->word_count == 1;
	if (!kind && !is_all)
		return command_misused(command, "\"%s\" is none of %s, all", name,
			kind_names(command->arena, false));
	struct getting getting = { .command = command, .form = find_form(command) };
	getting.name = slice_of(command->word_count > 1 ? command->words[1] : NULL);
	return getting.form ? print(&getting, kind) : STATUS_USAGE;
}

static const struct option options[] = {
	{ "output", 'o', "FORM", "table, yaml or json" },
	{ 0 },
};

static const struct action actions[] = {
	{ NULL, "KIND [NAME]", 1, 2, NULL, options, get },
};

const struct verb get_verb = {
	.name = "get",
	.summary = "list objects, or print one",
	.help = "KIND is app, domain, pool, route, policy, credential, or all. The name of a\n"
		"route is DOMAIN or DOMAIN/POOL, that of a credential APP/NAME. Secrets and\n"
		"their hashes are never printed.\n\n"
		"    posternctl get apps\n"
		"    posternctl get app shop -o yaml > shop.yaml\n"
		"    posternctl get all -o yaml > backup.yaml\n",
	ACTIONS(actions),
};
