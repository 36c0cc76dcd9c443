/* SPDX-License-Identifier: MIT
 *
 * Words and options, help, and what every verb and kind must have. */
#include <check.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/key_file.h"
#include "cli/kind.h"
#include "lib/dkim_record.h"
#include "lib/version.h"
#include "tests/posternctl/sample.h"

#define NOWHERE "local:/nonexistent/bus"

static struct outcome outcome;

static const struct {
	const char *words[10];
	enum status status;
	const char *told; /* is part of the errors */
} rows[] = {
	{ { NULL }, STATUS_USAGE, "Usage:" },
	{ { "fly" }, STATUS_USAGE, "there is no verb \"fly\"" },
	{ { "help", "fly" }, STATUS_USAGE, "there is no verb \"fly\"" },
	{ { "app" }, STATUS_USAGE, "app what? One of suspend, resume, revoke" },
	{ { "app", "stop", "x" }, STATUS_USAGE, "\"stop\" is none of suspend" },
	{ { "app", "suspend" }, STATUS_USAGE, "posternctl app suspend NAME" },
	{ { "app", "resume", "a", "b" }, STATUS_USAGE, "too many words" },
	{ { "get", "apps", "--colour" }, STATUS_USAGE, "no option --colour here" },
	{ { "get", "apps", "-x" }, STATUS_USAGE, "no option -x here" },
	{ { "get", "apps", "-o" }, STATUS_USAGE, "-o wants a value: FORM" },
	{ { "get", "apps", "-oxml" }, STATUS_USAGE, "-o \"xml\" is none of table" },
	{ { "get", "things" }, STATUS_USAGE, "\"things\" is none of app, credential" },
	{ { "get", "--help=yes" }, STATUS_USAGE, "takes no value" },
	{ { "apply" }, STATUS_USAGE, "-f FILE" },
	{ { "apply", "-f", "/nonexistent" }, STATUS_USAGE,
		"/nonexistent: can't be read" },
	{ { "apply", "-f", "-" }, STATUS_USAGE, "-: holds no objects" },
	{ { "get", "apps" }, STATUS_FAILED, "there is no bus " NOWHERE },
	{ { "get", "apps", "--bus", "mars:1" }, STATUS_FAILED, "neither local:" },
	{ { "trace", "x" }, STATUS_USAGE, "\"x\" is no message id" },
	{ { "events", "--since", "soon" }, STATUS_USAGE, "--since \"soon\"" },
	{ { "events", "--kind", "odd" }, STATUS_USAGE, "none of accepted, cleared" },
	{ { "events", "--limit", "0" }, STATUS_USAGE, "--limit \"0\"" },
	{ { "quarantine", "release" }, STATUS_USAGE, "say which: ids, or --where" },
	{ { "quarantine", "release", "x", "--where", "app=x" }, STATUS_USAGE,
		"say which" },
	{ { "quarantine", "list", "--where", "x" }, STATUS_USAGE,
		"\"x\" is none of app=" },
	{ { "replay", "--since", "1h" }, STATUS_USAGE, "--topic" },
	{ { "replay", "--topic", "mail.cleared", "--into", "mail.cleared" }, STATUS_USAGE,
		"--since" },
	{ { "replay", "--topic", "mail.cleared", "--into", "mail.outbound", "--since",
		  "1h" },
		STATUS_USAGE, "not signed" },
	{ { "dkim-key", "create", "a.example", "s" }, STATUS_USAGE, "--folder" },
	{ { "dkim-key", "create", "a..b", "s", "--folder", "/nonexistent" }, STATUS_USAGE,
		"\"a..b\"" },
	{ { "dkim-key", "create", "a.example", "s/t", "--folder", "/nonexistent" },
		STATUS_USAGE, "\"s/t\" is no selector" },
	{ { "dkim-key", "create", "a.example", "s", "--folder", "/nonexistent/x/y" },
		STATUS_FAILED, "No such file" },
	{ { "dkim-key", "create", "a.example", "s", "--folder", "/tmp", "--type", "dsa" },
		STATUS_USAGE, "none of rsa2048, ed25519" },
	{ { "tls", "sample" }, STATUS_USAGE, "--folder" },
};

START_TEST(what_is_not_understood_is_told)
{
	run_words(&outcome, NOWHERE, "", rows[_i].words);
	ck_assert_msg(outcome.status == rows[_i].status, "row %d: status %d", _i,
		(int)outcome.status);
	ck_assert_msg(
		strstr(outcome.errors, rows[_i].told), "row %d: %s", _i, outcome.errors);
	ck_assert_str_eq(outcome.out, "");
}
END_TEST

START_TEST(every_verb_has_help_that_shows_its_actions)
{
	RUN(&outcome, NOWHERE, "", "help");
	ck_assert_int_eq(outcome.status, STATUS_DONE);
	struct outcome own;
	for (const struct verb *const *verb = verb_registry; *verb; verb++) {
		ck_assert_ptr_eq(verb_find((*verb)->name), *verb);
		ck_assert_ptr_nonnull(strstr(outcome.out, (*verb)->summary));
		RUN(&own, NOWHERE, "", "help", (*verb)->name);
		ck_assert_int_eq(own.status, STATUS_DONE);
		for (unsigned i = 0; i < (*verb)->count; i++) {
			const struct action *action = &(*verb)->actions[i];
			ck_assert_ptr_nonnull(action->run);
			ck_assert_uint_le(action->least, action->most);
			ck_assert(
				(*verb)->count == 1 || (action->name && action->summary));
			const struct option *option = action->options;
			for (; option && option->name; option++)
				ck_assert_ptr_nonnull(strstr(own.out, option->help));
		}
		struct outcome asked;
		RUN(&asked, NOWHERE, "", (*verb)->name, "--help");
		ck_assert_str_eq(asked.out, own.out);
	}
}
END_TEST

static void check_fields(const struct field *fields)
{
	size_t count = 0;
	for (const struct field *field = fields; field->name; field++, count++) {
		ck_assert_ptr_eq(field_find(fields, field->name), field);
		ck_assert_msg(!field->value != !field->fields, "%s", field->name);
		ck_assert(!field->fields || field->message);
		if (field->fields)
			check_fields(field->fields);
	}
	ck_assert_uint_le(count, FIELD_MOST);
}

START_TEST(every_kind_has_a_sound_table)
{
	for (const struct kind *const *kind = kind_registry; *kind; kind++) {
		ck_assert_ptr_eq(kind_find((*kind)->name), *kind);
		ck_assert_ptr_eq(kind_find((*kind)->plural), *kind);
		check_fields((*kind)->fields);
		for (size_t i = 0; (*kind)->columns[i]; i++)
			ck_assert_ptr_nonnull(
				field_find((*kind)->fields, (*kind)->columns[i]));
	}
}
END_TEST

START_TEST(no_table_names_a_salt_or_hash)
{
	const struct field *fields = kind_find("credential")->fields;
	for (const struct field *field = fields; field->name; field++) {
		ck_assert_uint_ne(field->offset, offsetof(Postern__Credential, salt));
		ck_assert_uint_ne(field->offset, offsetof(Postern__Credential, hash));
	}
}
END_TEST

START_TEST(the_version_is_printed)
{
	RUN(&outcome, NOWHERE, "", "--version");
	ck_assert_str_eq(outcome.out, "posternctl " POSTERN_VERSION "\n");
}
END_TEST

/* --- keys -----------------------------------------------------------------------------
 */

static char folder[64];

static void setup_folder(void)
{
	memcpy(folder, "/tmp/posternctl-test-XXXXXX",
		sizeof("/tmp/posternctl-test-XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown_folder(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static EVP_PKEY *read_key(const char *name, mode_t mode)
{
	char path[128];
	struct stat status;
	snprintf(path, sizeof(path), "%s/keys/%s", folder, name);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_mode & 0777, mode);
	EVP_PKEY *key = key_file_read(path, NULL);
	ck_assert_ptr_nonnull(key);
	return key;
}

/* Joins the strings of a zone line, each of at most 255 bytes. */
static void join_strings(const char *line, char joined[1024])
{
	size_t used = 0;
	while ((line = strchr(line, '"'))) {
		size_t length = strcspn(++line, "\"");
		ck_assert_uint_le(length, 255);
		ck_assert_uint_lt(used + length, 1024);
		memcpy(joined + used, line, length);
		used += length;
		line += length + 1;
	}
	joined[used] = '\0';
}

START_TEST(a_dkim_key_is_made_once_with_its_record)
{
	static const struct {
		const char *type, *selector, *file, *begin, *openssl;
	} types[] = {
		{ "rsa2048", "r1", "r1.pem", "v=DKIM1; k=rsa; p=MII", "RSA" },
		{ "ed25519", "e1", "e1.pem", "v=DKIM1; k=ed25519; p=", "ED25519" },
	};
	const char *type = types[_i].type, *selector = types[_i].selector;
	char keys[80], joined[1024], again[1024];
	snprintf(keys, sizeof(keys), "%s/keys", folder);
	RUN(&outcome, NOWHERE, "", "dkim-key", "create", "Bücher.example", selector,
		"--folder", keys, "--type", type, "--zone-line");
	ck_assert_int_eq(outcome.status, STATUS_DONE);
	char wanted[128];
	snprintf(wanted, sizeof(wanted),
		"%s._domainkey.xn--bcher-kva.example. IN TXT ( \"", selector);
	ck_assert_mem_eq(outcome.out, wanted, strlen(wanted));
	join_strings(outcome.out, joined);
	ck_assert_mem_eq(joined, types[_i].begin, strlen(types[_i].begin));
	EVP_PKEY *key = read_key(types[_i].file, 0600);
	ck_assert(EVP_PKEY_is_a(key, types[_i].openssl));
	struct arena *arena = arena_new();
	ck_assert_str_eq(dkim_record_text(arena, key, NULL), joined);
	arena_free(arena);
	EVP_PKEY_free(key);
	RUN(&outcome, NOWHERE, "", "dkim-key", "create", "bücher.example", selector,
		"--folder", keys, "--type", type);
	ck_assert_int_eq(outcome.status, STATUS_FAILED);
	ck_assert_ptr_nonnull(strstr(outcome.errors, "is there already"));
	RUN(&outcome, NOWHERE, "", "dkim-key", "show", "bücher.example", selector,
		"--folder", keys, "--zone-line");
	join_strings(outcome.out, again);
	ck_assert_str_eq(again, joined);
}
END_TEST

/* RFC 8463 A.2: the key pair of selector brisbane. */
START_TEST(the_record_of_rfc_8463_is_ours)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/brisbane.pem", folder);
	FILE *file = fopen(path, "w");
	fputs("-----BEGIN PRIVATE KEY-----\n"
	      "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
	      "-----END PRIVATE KEY-----\n",
		file);
	fclose(file);
	RUN(&outcome, NOWHERE, "", "dkim-key", "show", "football.example.com", "brisbane",
		"--folder", folder, "--zone-line");
	ck_assert_str_eq(outcome.out,
		"brisbane._domainkey.football.example.com. IN TXT ( \"v=DKIM1; k=ed25519; "
		"p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\" )\n");
}
END_TEST

START_TEST(a_sample_certificate_is_replaced_only_by_force)
{
	char keys[80];
	snprintf(keys, sizeof(keys), "%s/keys", folder);
	RUN(&outcome, NOWHERE, "", "tls", "sample", "--folder", keys);
	ck_assert_int_eq(outcome.status, STATUS_DONE);
	EVP_PKEY *first = read_key("key.pem", 0600);
	RUN(&outcome, NOWHERE, "", "tls", "sample", "--folder", keys);
	ck_assert_int_eq(outcome.status, STATUS_FAILED);
	EVP_PKEY *same = read_key("key.pem", 0600);
	ck_assert_int_eq(EVP_PKEY_eq(first, same), 1);
	RUN(&outcome, NOWHERE, "", "tls", "sample", "--folder", keys, "--force");
	ck_assert_int_eq(outcome.status, STATUS_DONE);
	EVP_PKEY *other = read_key("key.pem", 0600);
	ck_assert_int_ne(EVP_PKEY_eq(first, other), 1);
	char command[300];
	snprintf(command, sizeof(command),
		"openssl verify -CAfile %s/certificate.pem -purpose sslserver "
		"-verify_hostname localhost %s/certificate.pem >/dev/null",
		keys, keys);
	ck_assert_int_eq(system(command), 0);
	EVP_PKEY_free(first);
	EVP_PKEY_free(same);
	EVP_PKEY_free(other);
}
END_TEST

Suite *command_suite(void)
{
	Suite *suite = suite_create("command");
	TCase *all = tcase_create("all");
	tcase_add_loop_test(
		all, what_is_not_understood_is_told, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_test(all, every_verb_has_help_that_shows_its_actions);
	tcase_add_test(all, every_kind_has_a_sound_table);
	tcase_add_test(all, no_table_names_a_salt_or_hash);
	tcase_add_test(all, the_version_is_printed);
	suite_add_tcase(suite, all);
	TCase *keys = tcase_create("keys");
	tcase_add_checked_fixture(keys, setup_folder, teardown_folder);
	tcase_add_loop_test(keys, a_dkim_key_is_made_once_with_its_record, 0, 2);
	tcase_add_test(keys, the_record_of_rfc_8463_is_ours);
	tcase_add_test(keys, a_sample_certificate_is_replaced_only_by_force);
	suite_add_tcase(suite, keys);
	return suite;
}
