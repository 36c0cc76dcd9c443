/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/encoded_word.h"
#include "lib/header.h"
#include "lib/mailbox.h"

START_TEST(fields_are_read_one_by_one)
{
	struct slice rest = SLICE("Subject: one\r\n\ttwo\r\nX-A:\r\nfrom:a\r\n b\r\n \r\n"
				  "\r\nbody\r\n");
	static const struct {
		const char *name, *value;
	} wanted[] = {
		{ "Subject", " one\r\n\ttwo" },
		{ "X-A", "" },
		{ "from", "a\r\n b\r\n " },
	};
	struct header_field field;
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(header_next(&rest, &field, NULL), HEADER_FIELD);
		ck_assert(slice_equal(field.name, slice_of(wanted[i].name)));
		ck_assert(slice_equal(field.value, slice_of(wanted[i].value)));
		ck_assert_ptr_eq(field.whole.data, field.name.data);
		ck_assert_ptr_eq(field.whole.data + field.whole.size,
			field.value.data + field.value.size + 2);
	}
	ck_assert(header_is(&field, "From"));
	ck_assert_int_eq(header_next(&rest, &field, NULL), HEADER_END);
	ck_assert(slice_equal(rest, SLICE("body\r\n")));
}
END_TEST

START_TEST(a_message_may_end_with_its_header)
{
	struct slice rest = SLICE("A: b\r\n");
	struct header_field field;
	ck_assert_int_eq(header_next(&rest, &field, NULL), HEADER_FIELD);
	ck_assert_int_eq(header_next(&rest, &field, NULL), HEADER_END);
	ck_assert_uint_eq(rest.size, 0);
}
END_TEST

static const struct slice broken[] = {
	SLICE("no colon\r\n\r\n"),
	SLICE("A: b\r\nFro\r\n m: x@example.com\r\n\r\n"),
	SLICE("A: b\r\nFrom\r\n : x@example.com\r\n\r\n"),
	SLICE("From : x@example.com\r\n\r\n"),
	SLICE("From\t: x@example.com\r\n\r\n"),
	SLICE("From x@example.com Mon Jan  1 00:00:00 2024\r\n\r\n"),
	SLICE(" From: x@example.com\r\n\r\n"),
	SLICE(": x\r\n\r\n"),
	SLICE("A: b\n\n"),
	SLICE("A: b\r\r\n\r\n"),
	SLICE("A: b\rFrom: x@example.com\r\n\r\n"),
	SLICE("A: b\nFrom: x@example.com\r\n\r\n"),
	SLICE("A: b\r\n c\nd\r\n\r\n"),
	SLICE("A\0: b\r\n\r\n"),
	SLICE("A: b\0c\r\n\r\n"),
	SLICE("A: b"),
	SLICE("A: b\r\n\n"),
	SLICE("\n"),
	SLICE("Fr\xc3\xb6m: x@example.com\r\n\r\n"),
	SLICE("Fr\x7fom: x@example.com\r\n\r\n"),
	SLICE("A: b\r\n>From: x@example.com\r\nno colon\r\n\r\n"),
};

START_TEST(what_could_be_cut_differently_is_broken)
{
	struct slice rest = broken[_i];
	struct header_field field;
	struct fault fault = { 0 };
	enum header_step step;
	while ((step = header_next(&rest, &field, &fault)) == HEADER_FIELD)
		;
	ck_assert_int_eq(step, HEADER_BROKEN);
	ck_assert_int_eq(fault.kind, FAULT_PERMANENT);
}
END_TEST

static const struct {
	const char *value, *address, *display, *shown;
} good_from[] = {
	{ " ann@example.com", "ann@example.com", "" },
	{ " <ann@example.com>", "ann@example.com", "" },
	{ " Ann Lee <ann@example.com>", "ann@example.com", "Ann Lee" },
	{ " \"Lee, Ann\" <ann@example.com>", "ann@example.com", "Lee, Ann" },
	{ " \"a \\\"b\\\" <c>\" <ann@example.com>", "ann@example.com", "a \"b\" <c>" },
	{ " Ann Q. Lee <ann@example.com>", "ann@example.com", "Ann Q. Lee" },
	{ "\r\n Ann\r\n\tLee\r\n <ann@example.com>", "ann@example.com", "Ann Lee" },
	{ " ann@example.com (Cron Daemon)", "ann@example.com", "Cron Daemon" },
	{ " <ann@example.com> (at work)", "ann@example.com", "at work" },
	{ " \"ann lee\"@example.com", "\"ann lee\"@example.com", "" },
	{ " ann@[IPv6:2001:db8::1]", "ann@[IPv6:2001:db8::1]", "" },
	{ " =?utf-8?q?J=C3=B6rg?= <j@example.com>", "j@example.com", "J\xc3\xb6rg" },
	{ " =?UTF-8?B?SsO2cmc=?= <j@example.com>", "j@example.com", "J\xc3\xb6rg" },
	{ " =?iso-8859-1?q?J=F6rg_X?= <j@example.com>", "j@example.com",
		"J\xc3\xb6rg X" },
	{ " J\xc3\xb6rg <j@example.com>", "j@example.com", "J\xc3\xb6rg" },
	{ " \"ann@example.com\" <ann@example.com>", "ann@example.com",
		"ann@example.com" },
	{ " \"'Ann@Example.com'\" <ann@example.com>", "ann@example.com",
		"'Ann@Example.com'" },
	{ " \"Shop @ Home\" <ann@example.com>", "ann@example.com", "Shop @ Home" },
	{ " \"@shop\" <ann@example.com>", "ann@example.com", "@shop" },
	{ " \xe7\x94\xb0\xe4\xb8\xad\xef\xbc\xa0\xe5\x96\xb6\xe6\xa5\xad "
	  "<ann@example.com>",
		"ann@example.com",
		"\xe7\x94\xb0\xe4\xb8\xad\xef\xbc\xa0\xe5\x96\xb6\xe6\xa5\xad" },
	/* ISO-2022-JP whose pairs hold '@' and '.' as bytes. */
	{ " =?iso-2022-jp?B?GyRCQEQuQCEhGyhC?= <ann@example.com>", "ann@example.com",
		"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf"
		"\xbd" },
	/* Another address in sight: the caller decides. */
	{ " \"ceo@bank.com\" <ann@example.com>", "ann@example.com", "ceo@bank.com",
		"ceo@bank.com" },
	{ " \"Bank (ceo@bank.com)\" <ann@example.com>", "ann@example.com",
		"Bank (ceo@bank.com)", "ceo@bank.com" },
	{ " =?utf-8?q?ceo=40bank.com?= <ann@example.com>", "ann@example.com",
		"ceo@bank.com", "ceo@bank.com" },
	{ " =?utf-8?q?ceo?= =?utf-8?q?=40bank=2Ecom?= <ann@example.com>",
		"ann@example.com", "ceo@bank.com", "ceo@bank.com" },
	{ " \"=?utf-8?q?ceo=40bank.com?=\" <ann@example.com>", "ann@example.com",
		"ceo@bank.com", "ceo@bank.com" },
	{ " x=?utf-8?b?Y2VvQGJhbmsuY29t?=x <ann@example.com>", "ann@example.com",
		"xceo@bank.comx", "xceo@bank.comx" },
	{ " =?utf-8?q?ceo=40bank.com=00?= <ann@example.com>", "ann@example.com",
		"ceo@bank.com", "ceo@bank.com" },
	{ " =?shift_jis?q?ceo=40bank.com?= <ann@example.com>", "ann@example.com",
		"ceo@bank.com", "ceo@bank.com" },
	{ " ceo\xef\xbc\xa0"
	  "bank.com <ann@example.com>",
		"ann@example.com",
		"ceo\xef\xbc\xa0"
		"bank.com",
		"ceo@bank.com" },
	{ " c\xe2\x80\x8b"
	  "eo\xef\xb9\xab"
	  "bank\xe3\x80\x82"
	  "com <ann@example.com>",
		"ann@example.com",
		"c\xe2\x80\x8b"
		"eo\xef\xb9\xab"
		"bank\xe3\x80\x82"
		"com",
		"ceo@bank.com" },
};

START_TEST(one_mailbox_is_read_with_its_name)
{
	struct arena *arena = arena_new();
	struct mailbox mailbox;
	struct fault fault = { 0 };
	ck_assert_msg(
		mailbox_parse(arena, slice_of(good_from[_i].value), &mailbox, &fault),
		"%s: %s", good_from[_i].value, fault.text);
	ck_assert(slice_equal(mailbox.address.whole, slice_of(good_from[_i].address)));
	ck_assert_msg(slice_equal(mailbox.display, slice_of(good_from[_i].display)),
		"%.*s", SLICE_ARG(mailbox.display));
	ck_assert_msg(slice_equal(mailbox.shown.whole, slice_of(good_from[_i].shown)),
		"%.*s", SLICE_ARG(mailbox.shown.whole));
	arena_free(arena);
}
END_TEST

static const struct slice bad_from[] = {
	SLICE(""),
	SLICE(" "),
	SLICE(" Ann"),
	SLICE(" <>"),
	SLICE(" Ann <>"),
	SLICE(" ann@example.com, bob@example.com"),
	SLICE(" ann@example.com,"),
	SLICE(" , ann@example.com"),
	SLICE(" ann@example.com bob@example.com"),
	SLICE(" ann@example.com; bob@example.com"),
	SLICE(" <ann@example.com> <bob@example.com>"),
	SLICE(" <ann@example.com>, <bob@example.com>"),
	SLICE(" <ann@example.com> bob@example.com"),
	SLICE(" Lee, Ann <ann@example.com>"),
	SLICE(" group: ann@example.com;"),
	SLICE(" undisclosed-recipients:;"),
	SLICE(" Ann: <ann@example.com>"),
	SLICE(" <@a.example,@b.example:ann@example.com>"),
	SLICE(" <@a.example:ann@example.com>"),
	SLICE(" bob@bank.com <ann@example.com>"),
	SLICE(" ann@example.com <ann@example.com>"),
	SLICE(" <bob@bank.com <ann@example.com>>"),
	SLICE(" (<bob@bank.com>) ann@example.com"),
	SLICE(" (comment) Ann <ann@example.com>"),
	SLICE(" ann@example.com (<bob@bank.com>)"),
	SLICE(" ann@example.com (bob@bank.com)"),
	SLICE(" ann@example.com (=?utf-8?q?bob=40bank.com?=)"),
	SLICE(" ann@example.com (nested (comment))"),
	SLICE(" ann@example.com (open"),
	SLICE(" ann(comment)@example.com"),
	SLICE(" ann@(comment)example.com"),
	SLICE(" ann @ example.com"),
	SLICE(" <ann@example.com"),
	SLICE(" ann@example.com>"),
	SLICE(" \"Ann <ann@example.com>"),
	SLICE(" Ann \\\" <ann@example.com>"),
	SLICE(" Ann [x] <ann@example.com>"),
	SLICE(" ann@example.com\r\n \r\n bob@bank.com"),
	SLICE(" Ann\r\n \r\n <ann@example.com>"),
	SLICE(" ann@example.com\r\n "),
	SLICE(" ann@example.com\0bob@bank.com"),
	SLICE(" \"A\0nn\" <ann@example.com>"),
	SLICE(" J\xf6rg <j@example.com>"),
	SLICE(" Ann\xe2\x80\xaemoc.knab <ann@example.com>"),
	SLICE(" =?utf-8?b?4oCu?= <ann@example.com>"),
	SLICE(" =?utf-8?q?ceo?=@bank.com"),
	SLICE(" <=?utf-8?q?ceo=40bank.com?=@example.com>"),
	SLICE(" =?utf-7?q?ceo+AEA-bank.com?= <ann@example.com>"),
	SLICE(" =?utf-16?b?AGMAZQBv?= <ann@example.com>"),
	SLICE(" =?x-unknown?q?Ann?= <ann@example.com>"),
	SLICE(" =?utf-8?x?Ann?= <ann@example.com>"),
	SLICE(" =?utf-8?q?=3D=3Futf-8=3Fq=3Fceo=3F=3D?= <ann@example.com>"),
	SLICE(" \"ceo@bank.com bob@bank.com\" <ann@example.com>"),
	SLICE(" \"a@b@bank.com\" <ann@example.com>"),
	SLICE(" \"ceo@b\xc3\x84nk.com\" <ann@example.com>"),
	SLICE(" ann@example"
	      "\xe3\x80\x82"
	      "com"),
};

START_TEST(anything_but_one_plain_mailbox_is_refused)
{
	struct arena *arena = arena_new();
	struct mailbox mailbox;
	struct fault fault = { 0 };
	ck_assert_msg(!mailbox_parse(arena, bad_from[_i], &mailbox, &fault), "%.*s",
		SLICE_ARG(bad_from[_i]));
	ck_assert_int_eq(fault.kind, FAULT_PERMANENT);
	arena_free(arena);
}
END_TEST

START_TEST(a_very_long_from_is_refused)
{
	static char value[MAILBOX_MAX + 1];
	memset(value, 'a', sizeof(value));
	memcpy(value + sizeof(value) - 6, "<a@b>", 5);
	struct arena *arena = arena_new();
	struct mailbox mailbox;
	ck_assert(mailbox_parse(
		arena, (struct slice){ value + 1, MAILBOX_MAX - 1 }, &mailbox, NULL));
	ck_assert(!mailbox_parse(
		arena, (struct slice){ value, MAILBOX_MAX + 1 }, &mailbox, NULL));
	arena_free(arena);
}
END_TEST

static const struct {
	struct slice message;
	const char *address; /* NULL: refused */
} froms[] = {
	{ SLICE("A: b\r\nfROM:ann@example.com\r\n\r\nFrom: x@y.example\r\n"),
		"ann@example.com" },
	{ SLICE("From: ann@example.com\r\n"), "ann@example.com" },
	{ SLICE("X-From: bob@bank.com\r\nFrom: ann@example.com\r\n\r\n"),
		"ann@example.com" },
	{ SLICE("A: b\r\n\r\nFrom: ann@example.com\r\n") },
	{ SLICE("") },
	{ SLICE("\r\n") },
	{ SLICE("From: ann@example.com\r\nFrom: ann@example.com\r\n\r\n") },
	{ SLICE("From: ann@example.com\r\nfrom: bob@bank.com\r\n\r\n") },
	{ SLICE("From: ann@example.com\r\nFROM : bob@bank.com\r\n\r\n") },
	{ SLICE("From: ann@example.com\r\nFrom\r\n : bob@bank.com\r\n\r\n") },
	{ SLICE("From: ann@example.com\r\nFr\0om: bob@bank.com\r\n\r\n") },
	{ SLICE("From: ann@example.com\r\nSubject: x\nFrom: bob@bank.com\r\n\r\n") },
	{ SLICE("From: ann@example.com\r\nSubject: x\rFrom: bob@bank.com\r\n\r\n") },
	{ SLICE("From: ann@example.com\r\nbob@bank.com\r\n\r\n") },
	/* A reader that ends the header at a line of blanks sees the same From. */
	{ SLICE("From: ann@example.com\r\nSubject: x\r\n \r\n\r\n"), "ann@example.com" },
	{ SLICE("Subject: x\r\n \r\nFrom: ann@example.com\r\nFrom: b@bank.com\r\n") },
};

START_TEST(a_message_has_exactly_one_from)
{
	struct arena *arena = arena_new();
	struct mailbox mailbox;
	bool found = mailbox_from(arena, froms[_i].message, &mailbox, NULL);
	ck_assert_int_eq(found, froms[_i].address != NULL);
	if (found)
		ck_assert(
			slice_equal(mailbox.address.whole, slice_of(froms[_i].address)));
	arena_free(arena);
}
END_TEST

static const struct {
	const char *text, *decoded;
} words[] = {
	{ "plain text", "plain text" },
	{ "a\r\n b", "a b" },
	{ "=?utf-8?q?a_b=20c?=", "a b c" },
	{ "=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab" },
	{ "=?utf-8?Q?a?=\r\n =?utf-8?Q?b?= c", "ab c" },
	{ "x =?utf-8?Q?a?= y", "x a y" },
	{ "=?utf-8?b?YWJj?=", "abc" },
	{ "=?utf-8?b?YWI?=", "ab" },
	{ "=?utf-8*en?q?a?=", "a" },
	/* One character cut in two by two words. */
	{ "=?utf-8?b?w7w=?= =?utf-8?b?w7w=?=", "\xc3\xbc\xc3\xbc" },
	{ "=?utf-8?b?ww==?= =?utf-8?b?vA==?=", "\xc3\xbc" },
	{ "=?utf-8?q?=C3?= x", "\xef\xbf\xbd x" },
	{ "=?utf-8?q?=C3x?=", "\xef\xbf\xbdx" },
	{ "=?utf-8?q?=C3", "=?utf-8?q?=C3" },
	{ "=?iso-8859-1?q?=FC=80?=", "\xc3\xbc " },
	{ "=?gbk?b?xOM=?=", "\xef\xbf\xbd\xef\xbf\xbd" },
	{ "=?utf-16?b?AGE=?=", "=?utf-16?b?AGE=?=" },
	{ "=?utf-8?q?a=0D=0Ab?=", "a  b" },
	{ "=?utf-8?q?a=4?=", "a=4" },
	{ "\xc3\xbc", "\xc3\xbc" },
	{ "\xfc x", "\xef\xbf\xbd x" },
	{ "=?", "=?" },
	{ "", "" },
};

START_TEST(encoded_words_become_utf8)
{
	struct buffer out;
	buffer_init(&out, 200);
	encoded_words_decode(slice_of(words[_i].text), &out);
	ck_assert_msg(slice_equal(buffer_slice(&out), slice_of(words[_i].decoded)),
		"%s: %.*s", words[_i].text, SLICE_ARG(buffer_slice(&out)));
	buffer_done(&out);
}
END_TEST

START_TEST(decoding_stops_between_characters_where_the_room_ends)
{
	struct buffer out;
	buffer_init(&out, 4);
	encoded_words_decode(SLICE("=?utf-8?q?abc=C3=BC?="), &out);
	ck_assert(slice_equal(buffer_slice(&out), SLICE("abc")));
	buffer_done(&out);
}
END_TEST

#define ADD_ROWS(tcase, test, table) \
	tcase_add_loop_test(tcase, test, 0, (int)(sizeof(table) / sizeof(*(table))))

Suite *header_suite(void)
{
	Suite *suite = suite_create("header");
	TCase *all = tcase_create("all");
	tcase_add_test(all, fields_are_read_one_by_one);
	tcase_add_test(all, a_message_may_end_with_its_header);
	ADD_ROWS(all, what_could_be_cut_differently_is_broken, broken);
	ADD_ROWS(all, one_mailbox_is_read_with_its_name, good_from);
	ADD_ROWS(all, anything_but_one_plain_mailbox_is_refused, bad_from);
	tcase_add_test(all, a_very_long_from_is_refused);
	ADD_ROWS(all, a_message_has_exactly_one_from, froms);
	ADD_ROWS(all, encoded_words_become_utf8, words);
	tcase_add_test(all, decoding_stops_between_characters_where_the_room_ends);
	suite_add_tcase(suite, all);
	return suite;
}
