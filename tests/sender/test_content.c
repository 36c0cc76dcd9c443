/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "services/sender/content.h"

static const struct {
	const char *parts[4];
	bool is_plain, has_8bit, header_has_8bit;
} rows[] = {
	{ { "A: b\r\n", "C: d\r\n\r\ntext\r\n" }, true, false, false },
	{ { "A: b\r", "\nC: d\r\n\r\ntext\r\n" }, true, false, false },
	{ { "A: b\r", "C: d\r\n" }, false, false, false },
	{ { "A: b\r\n\r\nbare\nlf\r\n" }, false, false, false },
	{ { "A: b\r\n", "\nlf first\r\n" }, false, false, false },
	{ { "\n" }, false, false, false },
	{ { "A: b\r\n\r\nbare\rcr\r\n" }, false, false, false },
	{ { "A: b\r\n\r\ntwo\r\r\n" }, false, false, false },
	{ { "A: b\r\n\r\nat the end\r" }, false, false, false },
	{ { "A: b\r\n\r\nno line end" }, true, false, false },
	{ { "\r\n" }, true, false, false },
	{ { "\r\n\r\n", "\r\n" }, true, false, false },
	{ { "A: b\r\n\r\n12345678f\xc3\xbcr\r\n" }, true, true, false },
	{ { "A: \xc3\xbc\r\n", "B: c\r\n\r\n.\r\n" }, true, true, true },
	{ { "A: b\r\n", "B: \xc3\xbc\r\n\r\n.\r\n" }, true, true, true },
	{ { "A: b\r\n", "B: c\r\n\r\n\xc3\xbc\r\n", "\xc3" }, true, true, false },
	{ { "" }, true, false, false },
};

START_TEST(what_matters_on_the_wire_is_seen)
{
	struct slice parts[4];
	size_t count = 0;
	for (; count < 4 && rows[_i].parts[count]; count++)
		parts[count] = slice_of(rows[_i].parts[count]);
	struct content content;
	content_read(&content, parts, count);
	ck_assert_int_eq(content.is_plain, rows[_i].is_plain);
	ck_assert_int_eq(content.has_8bit, rows[_i].has_8bit);
	ck_assert_int_eq(content.header_has_8bit, rows[_i].header_has_8bit);
}
END_TEST

START_TEST(a_nul_is_seen)
{
	struct content content;
	struct slice part = SLICE("A: b\r\n\r\nc\0d\r\n");
	content_read(&content, &part, 1);
	ck_assert(!content.is_plain);
}
END_TEST

Suite *content_suite(void)
{
	Suite *suite = suite_create("content");
	TCase *tcase = tcase_create("content");
	tcase_add_loop_test(
		tcase, what_matters_on_the_wire_is_seen, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_test(tcase, a_nul_is_seen);
	suite_add_tcase(suite, tcase);
	return suite;
}
