/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/sender/reply.h"

static const struct {
	const char *input;
	enum reply_progress progress;
	unsigned code;
	const char *enhanced, *text;
	size_t left; /* bytes behind the reply */
} rows[] = {
	{ "250 ok\r\n", REPLY_DONE, 250, "", "ok", 0 },
	{ "250\r\n", REPLY_DONE, 250, "", "", 0 },
	{ "250 \r\n", REPLY_DONE, 250, "", "", 0 },
	{ "250 ok\n", REPLY_DONE, 250, "", "ok", 0 },
	{ "550 5.1.1 no such user\r\n", REPLY_DONE, 550, "5.1.1", "no such user", 0 },
	{ "550 5.1.1\r\n", REPLY_DONE, 550, "5.1.1", "", 0 },
	{ "450-4.2.1 busy\r\n450-4.2.1 really\r\n450 4.2.1 so\r\n", REPLY_DONE, 450,
		"4.2.1", "busy really so", 0 },
	{ "250-a\r\n250\r\nrest", REPLY_DONE, 250, "", "a", 4 },
	{ "550 4.1.1 class of another reply\r\n", REPLY_DONE, 550, "",
		"4.1.1 class of another reply", 0 },
	{ "550 5.1 half\r\n", REPLY_DONE, 550, "", "5.1 half", 0 },
	{ "550 5.1.1000 long\r\n", REPLY_DONE, 550, "", "5.1.1000 long", 0 },
	{ "550 5.999.999 x\r\n", REPLY_DONE, 550, "5.999.999", "x", 0 },
	{ "550 a\x01\x7f\xc3\xa9\tb\r\n", REPLY_DONE, 550, "", "a?????b", 0 },
	{ "250 a\rb\r\n", REPLY_DONE, 250, "", "a?b", 0 },
	{ "250-more\r\n", REPLY_MORE, 0, NULL, NULL, 0 },
	{ "25", REPLY_MORE, 0, NULL, NULL, 0 },
	{ "", REPLY_MORE, 0, NULL, NULL, 0 },
	{ "\r\n", REPLY_BROKEN, 0, NULL, NULL, 0 },
	{ "25 ok\r\n", REPLY_BROKEN, 0, NULL, NULL, 0 },
	{ "2500 ok\r\n", REPLY_BROKEN, 0, NULL, NULL, 0 },
	{ "150 ok\r\n", REPLY_BROKEN, 0, NULL, NULL, 0 },
	{ "650 ok\r\n", REPLY_BROKEN, 0, NULL, NULL, 0 },
	{ "250:ok\r\n", REPLY_BROKEN, 0, NULL, NULL, 0 },
	{ "HTTP/1.1 400 Bad Request\r\n", REPLY_BROKEN, 0, NULL, NULL, 0 },
	{ "250-a\r\n251 b\r\n", REPLY_BROKEN, 0, NULL, NULL, 0 },
};

static void check_row(int i, size_t step)
{
	struct reply_parser parser;
	reply_parser_init(&parser);
	struct slice input = slice_of(rows[i].input);
	enum reply_progress progress = REPLY_MORE;
	struct fault fault = { 0 };
	while (input.size && progress == REPLY_MORE) {
		struct slice bytes = slice_head(input, step);
		size_t given = bytes.size;
		progress = reply_feed(&parser, &bytes, &fault);
		input = slice_skip(input, given - bytes.size);
	}
	ck_assert_int_eq(progress, rows[i].progress);
	if (progress == REPLY_BROKEN)
		ck_assert_int_eq(fault.kind, FAULT_TEMPORARY);
	if (progress == REPLY_DONE) {
		struct reply reply;
		reply_read(&parser, &reply);
		ck_assert_uint_eq(reply.code, rows[i].code);
		ck_assert_str_eq(reply.enhanced, rows[i].enhanced);
		ck_assert_str_eq(reply.text, rows[i].text);
		ck_assert_uint_eq(input.size, rows[i].left);
	}
	reply_parser_done(&parser);
}

START_TEST(a_reply_is_read_whole_and_byte_by_byte)
{
	check_row(_i, 4096);
	check_row(_i, 1);
}
END_TEST

/* Feeds `line` over and over: how many bytes go in before it is refused? */
static size_t endure(const char *line)
{
	struct reply_parser parser;
	reply_parser_init(&parser);
	size_t taken = 0;
	struct fault fault;
	enum reply_progress progress = REPLY_MORE;
	while (progress == REPLY_MORE) {
		struct slice bytes = slice_of(line);
		progress = reply_feed(&parser, &bytes, &fault);
		taken += strlen(line);
		ck_assert_uint_lt(taken, 1 << 20);
	}
	ck_assert_int_eq(progress, REPLY_BROKEN);
	reply_parser_done(&parser);
	return taken;
}

START_TEST(an_endless_reply_is_cut)
{
	char line[1200] = "250-";
	memset(line + 4, 'x', sizeof(line) - 7);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	ck_assert_uint_le(endure("x"), REPLY_LINE_MAX + 1);
	ck_assert_uint_le(endure("250-\r\n"), (REPLY_LINES_MAX + 1) * 6);
	ck_assert_uint_le(endure(line), REPLY_BYTES_MAX + sizeof(line));
}
END_TEST

START_TEST(a_long_text_is_cut)
{
	char line[1200] = "250 ";
	memset(line + 4, 'x', sizeof(line) - 7);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	struct reply_parser parser;
	reply_parser_init(&parser);
	struct slice bytes = slice_of(line);
	struct reply reply;
	ck_assert_int_eq(reply_feed(&parser, &bytes, NULL), REPLY_DONE);
	reply_read(&parser, &reply);
	ck_assert_uint_eq(strlen(reply.text), REPLY_TEXT_MAX);
	reply_parser_done(&parser);
}
END_TEST

START_TEST(replies_come_one_after_the_other)
{
	struct reply_parser parser;
	reply_parser_init(&parser);
	struct slice bytes = SLICE("250-one\r\n250 PIPELINING\r\n354 two\r\n");
	struct reply reply;
	ck_assert_int_eq(reply_feed(&parser, &bytes, NULL), REPLY_DONE);
	ck_assert(slice_equal(reply_lines(&parser), SLICE("one\nPIPELINING\n")));
	ck_assert_int_eq(reply_feed(&parser, &bytes, NULL), REPLY_DONE);
	reply_read(&parser, &reply);
	ck_assert_uint_eq(reply.code, 354);
	ck_assert_str_eq(reply.text, "two");
	reply_parser_done(&parser);
}
END_TEST

Suite *reply_suite(void)
{
	Suite *suite = suite_create("reply");
	TCase *tcase = tcase_create("reply");
	tcase_add_loop_test(tcase, a_reply_is_read_whole_and_byte_by_byte, 0,
		sizeof(rows) / sizeof(*rows));
	tcase_add_test(tcase, an_endless_reply_is_cut);
	tcase_add_test(tcase, a_long_text_is_cut);
	tcase_add_test(tcase, replies_come_one_after_the_other);
	suite_add_tcase(suite, tcase);
	return suite;
}
