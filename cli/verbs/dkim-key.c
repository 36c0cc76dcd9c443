/* SPDX-License-Identifier: MIT */
#include <openssl/evp.h>
#include <string.h>

#include "cli/command.h"
#include "cli/key_file.h"
#include "cli/value.h"
#include "lib/dkim_record.h"

struct key_names {
	const char *domain, *selector, *file, *folder;
};

/* False: what is wrong has been printed. */
static bool read_names(struct command *command, struct key_names *names)
{
	struct arena *arena = command->arena;
	struct fault fault = { 0 };
	*names = (struct key_names){ .folder = command_option(command, "folder") };
	const char *file = command_option(command, "file");
	if (!names->folder)
		return command_misused(
			       command, "say with --folder where the signer's keys are"),
		       false;
	names->domain = domain_normal(arena, command->words[0], &fault);
	if (!names->domain)
		return command_misused(
			       command, "\"%s\": %s", command->words[0], fault.text),
		       false;
	if (!selector_value.read(
		    &selector_value, arena, command->words[1], &names->selector, NULL))
		return command_misused(command, "\"%s\" is no selector; allowed: %s",
			       command->words[1], selector_value.allowed),
		       false;
	if (!file)
		file = arena_printf(arena, "%s.pem", names->selector);
	if (!file_value.read(&file_value, arena, file, &names->file, NULL))
		return command_misused(command, "\"%s\" is no file name; allowed: %s",
			       file, file_value.allowed),
		       false;
	return true;
}

static enum status print_record(
	struct command *command, const struct key_names *names, const EVP_PKEY *key)
{
	struct fault fault = { 0 };
	const char *text = dkim_record_text(command->arena, key, &fault);
	if (!text)
		return command_failed(command, "%s: %s", names->file, fault.text);
	const char *name = arena_printf(
		command->arena, "%s._domainkey.%s", names->selector, names->domain);
	const char *line = dkim_record_zone_line(command->arena, name, text);
	if (command_option(command, "zone-line")) {
		fprintf(command->out, "%s\n", line);
		return STATUS_DONE;
	}
	fprintf(command->out,
		"private key  %s/%s\n\n"
		"Publish this TXT record at %s:\n%s\n\n"
		"The same as a line of a zone file:\n%s\n\n"
		"Once it is published, apply:\n"
		"kind: domain\nname: %s\nkeys:\n  - selector: %s\n    file: %s\n",
		names->folder, names->file, name, text, line, names->domain,
		names->selector, names->file);
	return STATUS_DONE;
}

static enum status create(struct command *command)
{
	struct key_names names;
	if (!read_names(command, &names))
		return STATUS_USAGE;
	const char *type = command_option(command, "type");
	EVP_PKEY *key = NULL;
	if (!type || strcmp(type, "rsa2048") == 0)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	else if (strcmp(type, "ed25519") == 0)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	else
		return command_misused(
			command, "--type \"%s\" is none of rsa2048, ed25519", type);
	if (!key)
		return command_failed(command, "OpenSSL can't make a key");
	struct key_file file = { .folder = names.folder, .name = names.file };
	struct fault fault = { 0 };
	enum status status;
	if (key_file_write(&file, key, &fault))
		status = print_record(command, &names, key);
	else
		status = command_failed(command,
			"%s; keys are replaced by making one with a new selector, or choose "
			"a file with --file",
			fault.text);
	EVP_PKEY_free(key);
	return status;
}

static enum status show(struct command *command)
{
	struct key_names names;
	if (!read_names(command, &names))
		return STATUS_USAGE;
	struct fault fault = { 0 };
	EVP_PKEY *key = key_file_read(
		arena_printf(command->arena, "%s/%s", names.folder, names.file), &fault);
	if (!key)
		return command_failed(command, "%s", fault.text);
	enum status status = print_record(command, &names, key);
	EVP_PKEY_free(key);
	return status;
}

#define COMMON_OPTIONS                                                        \
	{ "folder", 0, "DIR", "the signer's key folder; made if need be" },   \
		{ "file", 0, "NAME", "of the key in it; else SELECTOR.pem" }, \
	{                                                                     \
		"zone-line", 0, NULL, "print only the line of a zone file"    \
	}

static const struct option create_options[] = {
	COMMON_OPTIONS,
	{ "type", 0, "TYPE", "rsa2048 (where not given) or ed25519" },
	{ 0 },
};

static const struct option show_options[] = { COMMON_OPTIONS, { 0 } };

static const struct action actions[] = {
	{ "create", "DOMAIN SELECTOR", 2, 2,
		"makes a private key, mode 0600, and prints its "
		"DNS record",
		create_options, create },
	{ "show", "DOMAIN SELECTOR", 2, 2, "prints the DNS record of a key that is there",
		show_options, show },
};

const struct verb dkim_key_verb = {
	.name = "dkim-key",
	.summary = "make DKIM keys and their DNS records",
	.help = "    posternctl dkim-key create shop.example s2026a --folder /etc/postern/dkim\n"
		"    posternctl dkim-key create shop.example e2026a --type ed25519 \\\n"
		"        --folder /etc/postern/dkim\n\n"
		"Publish the record first; then name selector and file in the domain's object.\n",
	ACTIONS(actions),
};
