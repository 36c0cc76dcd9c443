/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/settings.h"

struct sample {
	const char *text, *folder, *file, *address, *secret, *choice;
	int64_t number, bytes, duration_ms;
	bool is_on;
};

#define AT(field) offsetof(struct sample, field)

static const struct setting table[] = {
	{ "POSTERN_TEST_TEXT", SETTING_TEXT, AT(text), "plain", 0, 0, "A text." },
	{ "POSTERN_TEST_FOLDER", SETTING_FOLDER, AT(folder), "", 0, 0, "A folder." },
	{ "POSTERN_TEST_FILE", SETTING_FILE, AT(file), "", 0, 0, "A file." },
	{ "POSTERN_TEST_LISTEN", SETTING_ADDRESS, AT(address), "", 0, 0, "An address." },
	{ "POSTERN_TEST_PASSWORD", SETTING_SECRET, AT(secret), "", 0, 0, "A secret." },
	{ "POSTERN_TEST_MODE", SETTING_CHOICE, AT(choice), "fast", 0, 0, "A choice.",
		"fast safe" },
	{ "POSTERN_TEST_COUNT", SETTING_NUMBER, AT(number), "10", 1, 100, "A number." },
	{ "POSTERN_TEST_SIZE", SETTING_BYTES, AT(bytes), "25M", 1024, 0, "A size." },
	{ "POSTERN_TEST_TIMEOUT", SETTING_DURATION, AT(duration_ms), "5m", 1000, 3600000,
		"A time." },
	{ "POSTERN_TEST_SWITCH", SETTING_SWITCH, AT(is_on), "no", 0, 0, "A switch." },
	{ 0 },
};

static const struct setting strict[] = {
	{ "POSTERN_TEST_HOST", SETTING_TEXT, AT(text), NULL, 0, 0, "A host." },
	{ 0 },
};

static struct arena *arena;
static struct sample sample;
static char *errors;
static size_t errors_size;

static void setup(void)
{
	arena = arena_new();
	for (const struct setting *s = table; s->name; s++)
		unsetenv(s->name);
}

static void teardown(void)
{
	arena_free(arena);
	free(errors);
	errors = NULL;
}

static bool load(const struct setting *settings)
{
	free(errors);
	FILE *out = open_memstream(&errors, &errors_size);
	memset(&sample, 0, sizeof(sample));
	bool is_good = settings_load(settings, &sample, arena, out);
	fclose(out);
	return is_good;
}

START_TEST(defaults_fill_what_is_not_set)
{
	ck_assert_msg(load(table), "%s", errors);
	ck_assert_str_eq(sample.text, "plain");
	ck_assert_str_eq(sample.folder, "");
	ck_assert_str_eq(sample.choice, "fast");
	ck_assert_int_eq(sample.number, 10);
	ck_assert_int_eq(sample.bytes, 25 << 20);
	ck_assert_int_eq(sample.duration_ms, 300000);
	ck_assert(!sample.is_on);
	ck_assert_str_eq(errors, "");
}
END_TEST

static const struct {
	const char *name, *value, *wrong; /* NULL: good */
} values[] = {
	{ "POSTERN_TEST_COUNT", "1", NULL },
	{ "POSTERN_TEST_COUNT", "100", NULL },
	{ "POSTERN_TEST_COUNT", "101", "out of range; allowed: a number, 1 to 100" },
	{ "POSTERN_TEST_COUNT", "0", "out of range" },
	{ "POSTERN_TEST_COUNT", "-5", "not a number" },
	{ "POSTERN_TEST_COUNT", "", "not a number" },
	{ "POSTERN_TEST_COUNT", "5x", "unknown unit" },
	{ "POSTERN_TEST_COUNT", "99999999999999999999", "out of range" },
	{ "POSTERN_TEST_SIZE", "2k", NULL },
	{ "POSTERN_TEST_SIZE", "1G", NULL },
	{ "POSTERN_TEST_SIZE", "1023",
		"out of range; allowed: bytes, also with k, M or "
		"G, from 1k" },
	{ "POSTERN_TEST_SIZE", "9223372036854775807G", "out of range" },
	{ "POSTERN_TEST_SIZE", "2 M", "unknown unit" },
	{ "POSTERN_TEST_TIMEOUT", "90s", NULL },
	{ "POSTERN_TEST_TIMEOUT", "1h", NULL },
	{ "POSTERN_TEST_TIMEOUT", "1000",
		"has no unit; allowed: a time with ms, s, m, h "
		"or d, 1s to 1h" },
	{ "POSTERN_TEST_TIMEOUT", "2h", "out of range" },
	{ "POSTERN_TEST_TIMEOUT", "0", "out of range" },
	{ "POSTERN_TEST_SWITCH", "yes", NULL },
	{ "POSTERN_TEST_SWITCH", "true", "is neither; allowed: yes or no" },
	{ "POSTERN_TEST_MODE", "safe", NULL },
	{ "POSTERN_TEST_MODE", "saf", "is none of them; allowed: fast, safe" },
	{ "POSTERN_TEST_FOLDER", "/tmp", NULL },
	{ "POSTERN_TEST_FOLDER", "/dev/null", "is no folder" },
	{ "POSTERN_TEST_FOLDER", "/none", "does not exist, or may not be looked at" },
	{ "POSTERN_TEST_FILE", "/dev/null", NULL },
	{ "POSTERN_TEST_FILE", "/tmp", "is a folder" },
	{ "POSTERN_TEST_LISTEN", "0.0.0.0:587", NULL },
	{ "POSTERN_TEST_LISTEN", "[::1]:0", NULL },
	{ "POSTERN_TEST_LISTEN", "mail.example.com:65535", NULL },
	{ "POSTERN_TEST_LISTEN", "", NULL },
	{ "POSTERN_TEST_LISTEN", "587", "has no port; allowed: HOST:PORT or [V6]:PORT" },
	{ "POSTERN_TEST_LISTEN", "host:65536", "has no port" },
	{ "POSTERN_TEST_LISTEN", "host:", "has no port" },
	{ "POSTERN_TEST_LISTEN", ":587", "has no host" },
	{ "POSTERN_TEST_LISTEN", "::1:587", "has no host" },
	{ "POSTERN_TEST_LISTEN", "[::g]:587", "has no host" },
};

START_TEST(values_are_checked)
{
	const char *name = values[_i].name, *wrong = values[_i].wrong;
	setenv(name, values[_i].value, 1);
	bool is_good = load(table);
	unsetenv(name);
	ck_assert_msg(is_good == !wrong, "%s=%s: %s", name, values[_i].value, errors);
	char wanted[256] = "";
	if (wrong)
		snprintf(wanted, sizeof(wanted), "%s=\"%s\": %s", name, values[_i].value,
			wrong);
	ck_assert_msg(strncmp(errors, wanted, strlen(wanted)) == 0, "%s", errors);
}
END_TEST

START_TEST(all_faults_are_reported_at_once)
{
	setenv("POSTERN_TEST_COUNT", "many", 1);
	setenv("POSTERN_TEST_SWITCH", "perhaps", 1);
	ck_assert(!load(table));
	ck_assert_ptr_nonnull(strstr(errors, "POSTERN_TEST_COUNT=\"many\": not a"));
	ck_assert_ptr_nonnull(strstr(errors, "POSTERN_TEST_SWITCH=\"perhaps\": is"));
}
END_TEST

START_TEST(what_has_no_default_must_be_set)
{
	static const char wanted[] = "POSTERN_TEST_HOST: must be set; allowed: text\n";
	ck_assert(!load(strict));
	ck_assert_str_eq(errors, wanted);
	setenv("POSTERN_TEST_HOST", "", 1);
	ck_assert(!load(strict));
	setenv("POSTERN_TEST_HOST", "x", 1);
	ck_assert(load(strict));
	unsetenv("POSTERN_TEST_HOST");
}
END_TEST

START_TEST(a_secret_may_come_from_a_file)
{
	char path[] = "/tmp/postern-secret-XXXXXX";
	int fd = mkstemp(path);
	ck_assert_int_eq(write(fd, "pass word\r\n", 11), 11);
	close(fd);
	setenv("POSTERN_TEST_PASSWORD_FILE", path, 1);
	ck_assert_msg(load(table), "%s", errors);
	ck_assert_str_eq(sample.secret, "pass word");
	setenv("POSTERN_TEST_PASSWORD", "direct", 1);
	ck_assert(!load(table));
	ck_assert_ptr_nonnull(strstr(errors, "both set"));
	ck_assert_ptr_null(strstr(errors, "direct"));
	unsetenv("POSTERN_TEST_PASSWORD");
	unlink(path);
	ck_assert(!load(table));
	ck_assert_ptr_nonnull(strstr(errors, "can't be read"));
	unsetenv("POSTERN_TEST_PASSWORD_FILE");
}
END_TEST

struct unknown {
	int count;
	char name[64], nearest[64];
};

static void note_unknown(void *with, const char *name, const char *nearest)
{
	struct unknown *unknown = with;
	unknown->count++;
	snprintf(unknown->name, sizeof(unknown->name), "%s", name);
	snprintf(unknown->nearest, sizeof(unknown->nearest), "%s", nearest);
}

START_TEST(a_mistyped_name_is_told_with_the_nearest)
{
	struct unknown unknown = { 0 };
	unsetenv("POSTERN_TEST_KAFKA"); /* the test runner's own */
	setenv("POSTERN_TEST_TIMEOUT", "5s", 1);
	setenv("POSTERN_TEST_PASSWORD_FILE", "/x", 1);
	setenv("POSTERN_OTHER_TIMEOUT", "5s", 1);
	settings_unknown(table, note_unknown, &unknown);
	ck_assert_int_eq(unknown.count, 0);
	setenv("POSTERN_TEST_TIME_OUT", "5s", 1);
	settings_unknown(table, note_unknown, &unknown);
	ck_assert_int_eq(unknown.count, 1);
	ck_assert_str_eq(unknown.name, "POSTERN_TEST_TIME_OUT");
	ck_assert_str_eq(unknown.nearest, "POSTERN_TEST_TIMEOUT");
}
END_TEST

START_TEST(the_table_prints_itself)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	settings_print(table, out);
	settings_print_markdown(table, out);
	settings_print_markdown(strict, out);
	fclose(out);
	static const char *const wanted[] = {
		"POSTERN_TEST_SIZE\n    A size.\n    Allowed: bytes, also with k, M or "
		"G, from 1k. Default: 25M.\n",
		"POSTERN_TEST_PASSWORD or …_FILE\n",
		"| `POSTERN_TEST_TIMEOUT` | `5m` | a time with ms, s, m, h or d, 1s to "
		"1h | A time. |\n",
		"| `POSTERN_TEST_LISTEN` | not set | HOST:PORT or [V6]:PORT |",
		"| `POSTERN_TEST_HOST` | must be set | text |",
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		ck_assert_msg(
			strstr(text, wanted[i]) != NULL, "no %s in %s", wanted[i], text);
	free(text);
}
END_TEST

Suite *settings_suite(void)
{
	Suite *suite = suite_create("settings");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, defaults_fill_what_is_not_set);
	tcase_add_loop_test(all, values_are_checked, 0, sizeof(values) / sizeof(*values));
	tcase_add_test(all, all_faults_are_reported_at_once);
	tcase_add_test(all, what_has_no_default_must_be_set);
	tcase_add_test(all, a_secret_may_come_from_a_file);
	tcase_add_test(all, a_mistyped_name_is_told_with_the_nearest);
	tcase_add_test(all, the_table_prints_itself);
	suite_add_tcase(suite, all);
	return suite;
}
