/* SPDX-License-Identifier: MIT
 *
 * Text of strangers, as people and terminals may have it. */
#include <check.h>

#include "lib/printable.h"

static struct arena *arena;

static void setup(void)
{
	arena = arena_new();
}

static void teardown(void)
{
	arena_free(arena);
}

static const struct {
	const char *text, *wanted;
} texts[] = {
	{ "plain", "plain" },
	{ "", "" },
	{ "Grüße, 世界 🎉", "Grüße, 世界 🎉" },
	{ "\x1b[2Jgone", "?[2Jgone" },
	{ "a\r\nb\tc\x7f", "a??b?c?" },
	{ "c1 \xc2\x9b 31m", "c1 ? 31m" },
	{ "\xe2\x80\xae"
	  "gpj.exe",
		"?gpj.exe" },
	{ "a\xe2\x80\x8b"
	  "b\xef\xbb\xbf\xd8\x9c\xf3\xa0\x81\xa1",
		"a?b???" },
	{ "\xc0\xaf \xe0\x80\xaf \xed\xa0\x80 \xf4\x90\x80\x80", "?? ??? ??? ????" },
	{ "\xf5\x80\x80\x80", "????" },
	{ "cut \xe4\xb8", "cut ??" },
	{ "\xff\xfe", "??" },
};

START_TEST(text_of_strangers_cannot_drive_a_terminal)
{
	ck_assert_str_eq(printable_string(arena, texts[_i].text), texts[_i].wanted);
}
END_TEST

static const struct {
	const char *text, *wanted;
} cut[] = {
	{ "0123456789", "0123456789" },
	{ "0123456789more", "0123456789" },
	{ "012345678\xc3\xbc", "012345678" },
	{ "012345678\xc2\x9b", "012345678?" },
};

START_TEST(long_text_is_cut_between_characters)
{
	ck_assert_str_eq(printable(arena, slice_of(cut[_i].text), 10), cut[_i].wanted);
}
END_TEST

Suite *printable_suite(void)
{
	Suite *suite = suite_create("printable");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_loop_test(all, text_of_strangers_cannot_drive_a_terminal, 0,
		sizeof(texts) / sizeof(*texts));
	tcase_add_loop_test(
		all, long_text_is_cut_between_characters, 0, sizeof(cut) / sizeof(*cut));
	suite_add_tcase(suite, all);
	return suite;
}
