/* SPDX-License-Identifier: MIT */
#include <openssl/crypto.h>
#include <string.h>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/kind.h"
#include "cli/listing.h"
#include "cli/quantity.h"
#include "lib/clock.h"
#include "lib/registry/credential.h"

/* An old and a new one, while the app changes over. */
#define VALID_MOST 2

static const struct registry *open_registry(struct command *command)
{
	struct fault fault = { 0 };
	if (!command_session(command))
		return NULL;
	const struct registry *registry = session_registry(command->session, &fault);
	if (!registry)
		command_failed(command, "%s", fault.text);
	return registry;
}

static bool is_valid(const Postern__Credential *credential, int64_t now_us)
{
	return !credential->expires_us || credential->expires_us > now_us;
}

static bool check_count(
	struct command *command, const struct registry *registry, const char *app)
{
	const char *names[VALID_MOST] = { 0 };
	size_t count = 0;
	const Postern__Credential *credential;
	for (size_t n = 0; (credential = registry_credential(registry, slice_of(app), n));
		n++)
		if (is_valid(credential, clock_unix_us()) && count < VALID_MOST)
			names[count++] = credential->name;
	if (count < VALID_MOST)
		return true;
	command_failed(command,
		"app \"%s\" has two valid credentials, %s and %s: delete the one that is "
		"no longer used, with `posternctl credential delete %s NAME`",
		app, names[0], names[1], app);
	return false;
}

static bool is_taken(struct command *command, const struct registry *registry,
	const char *app, const char *name)
{
	return registry_object(registry,
		slice_of(arena_printf(command->arena, "credential/%s/%s", app, name)));
}

/* The given name, or the first free one. NULL: what is wrong has been printed. */
static const char *choose_name(
	struct command *command, const struct registry *registry, const char *app)
{
	const char *name = NULL;
	if (command->word_count < 2) {
		for (unsigned n = 1; !name || is_taken(command, registry, app, name); n++)
			name = arena_printf(command->arena, "key-%u", n);
		return name;
	}
	if (!name_value.read(&name_value, command->arena, command->words[1], &name, NULL))
		command_misused(command,
			"\"%s\" can't be a credential's name; allowed: %s",
			command->words[1], name_value.allowed);
	else if (is_taken(command, registry, app, name))
		command_failed(command,
			"app \"%s\" has a credential \"%s\" already; choose another name, "
			"or first `posternctl credential delete %s %s`",
			app, name, app, name);
	else
		return name;
	return NULL;
}

static bool read_expiry(struct command *command, int64_t *ret_us)
{
	const char *text = command_option(command, "expires");
	*ret_us = 0;
	if (!text || strcmp(text, "never") == 0)
		return true;
	int64_t now_us = clock_unix_us();
	if (!moment_parse_future(slice_of(text), now_us, ret_us))
		command_misused(command, "--expires \"%s\" is neither never nor %s", text,
			MOMENT_FORM);
	else if (*ret_us <= now_us)
		command_misused(command, "--expires %s is in the past", text);
	else
		return true;
	return false;
}

static const char *sample_sender(struct arena *arena, const Postern__App *app)
{
	const char *sender = app->n_senders ? app->senders[0]->envelope : "";
	return *sender == '*' ? arena_printf(arena, "test%s", sender + 1) : sender;
}

static void print_secret(struct command *command, const Postern__Object *object,
	const Postern__App *app, const char *secret)
{
	const Postern__Credential *credential = object->credential;
	if (command_option(command, "secret-only")) {
		fprintf(command->out, "%s\n", secret);
		return;
	}
	const char *sender = sample_sender(command->arena, app);
	fprintf(command->out,
		"credential/%s/%s created, expires %s\n"
		"    user name  %s\n"
		"    secret     %s\n"
		"The secret is shown this once; Postern keeps only a hash of it.\n\n"
		"Try it:\n"
		"    swaks --server GATEWAY:587 --tls --auth PLAIN --auth-user %s "
		"--auth-password %s \\\n"
		"        --from %s --to you@example.net\n"
		"    curl --ssl-reqd smtp://GATEWAY:587 --user %s:%s \\\n"
		"        --mail-from %s --mail-rcpt you@example.net --upload-file "
		"mail.eml\n",
		credential->app, credential->name,
		credential->expires_us
			? moment_print(command->arena, credential->expires_us)
			: "never",
		credential->app, secret, credential->app, secret, sender, credential->app,
		secret, sender);
}

static enum status create(struct command *command)
{
	const struct registry *registry = open_registry(command);
	if (!registry)
		return STATUS_FAILED;
	const Postern__App *app = registry_app(registry, slice_of(command->words[0]));
	if (!app)
		return command_failed(command,
			"there is no app \"%s\"; make it with `posternctl apply`, see what "
			"there is with `posternctl get apps`",
			command->words[0]);
	int64_t expires_us;
	if (!read_expiry(command, &expires_us))
		return STATUS_USAGE;
	const char *name = choose_name(command, registry, app->name);
	if (!name || !check_count(command, registry, app->name))
		return STATUS_FAILED;
	Postern__Object *object = object_new(command->arena, kind_find("credential"));
	object->credential->app = app->name;
	object->credential->name = (char *)name;
	object->credential->created_us = clock_unix_us();
	object->credential->expires_us = expires_us;
	char secret[CREDENTIAL_SECRET_LENGTH + 1];
	credential_mint(command->arena, object->credential, secret);
	struct fault fault = { 0 };
	enum status status = STATUS_DONE;
	/* Printed only once it opens: a secret of which nobody knows is harmless. */
	if (control_put(command->session, command->arena, object, &fault))
		print_secret(command, object, app, secret);
	else
		status = command_failed(command, "%s", fault.text);
	OPENSSL_cleanse(secret, sizeof(secret));
	return status;
}

static void add_row(void *with, struct slice key, const Postern__Object *object)
{
	struct listing *listing = with;
	const Postern__Credential *credential = object->credential;
	int64_t expires_us = credential->expires_us;
	LISTING_ADD(listing, credential->app, credential->name,
		moment_print(listing->arena, credential->created_us),
		expires_us ? moment_print(listing->arena, expires_us) : "never",
		is_valid(credential, clock_unix_us()) ? "valid" : "expired");
}

static enum status list(struct command *command)
{
	static const char *const titles[] = { "APP", "NAME", "CREATED", "EXPIRES",
		"STATE", NULL };
	const struct registry *registry = open_registry(command);
	if (!registry)
		return STATUS_FAILED;
	const char *prefix = "credential/";
	if (command->word_count)
		prefix = arena_printf(
			command->arena, "credential/%s/", command->words[0]);
	struct listing listing;
	listing_init(&listing, command->arena, titles);
	registry_each(registry, slice_of(prefix), add_row, &listing);
	if (listing.count)
		listing_print(&listing, command->out);
	else
		fputs("none\n", command->errors);
	return STATUS_DONE;
}

static enum status delete (struct command *command) {
	const struct registry *registry = open_registry(command);
	if (!registry) return STATUS_FAILED;
	const char *app = command->words[0], *name = command->words[1];
	struct slice key = slice_of(
		arena_printf(command->arena, "credential/%s/%s", app, name));
	if (!registry_object(registry, key)) return command_failed(command,
		"app \"%s\" has no credential \"%s\"; `posternctl credential list "
		"%s` shows those it has",
		app, name, app);
	struct fault fault = { 0 };
	if (!control_delete(command->session, key, &fault)) return command_failed(
		command, "%s", fault.text);
	fprintf(command->out, "%.*s deleted\n", SLICE_ARG(key));
	return STATUS_DONE;
}

static const struct option create_options[] = {
	{ "expires", 0, "WHEN", MOMENT_FORM " from now; never where not given" },
	{ "secret-only", 0, NULL, "print nothing but the secret, for scripts" },
	{ 0 },
};

static const struct action actions[] = {
	{ "create", "APP [NAME]", 1, 2, "prints the generated secret, once",
		create_options, create },
	{ "list", "[APP]", 0, 1, "without secrets", NULL, list },
	{ "delete", "APP NAME", 2, 2, "it opens nothing any more, within a second", NULL,
		delete },
};

const struct verb credential_verb = {
	.name = "credential",
	.summary = "make and delete the secrets with which apps log in",
	.help = "The user name is the app's name. Two credentials of an app may be valid at a\n"
		"time, so that a secret can be replaced without a gap: create the new one, "
		"let\n"
		"the app use it, delete the old one.\n\n"
		"    posternctl credential create shop\n"
		"    posternctl credential create shop autumn --expires 90d\n",
	ACTIONS(actions),
};
