/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "services/sender/client.h"
#include "tests/sender/dialogue.h"

#define FOLDER "tests/dialogues/sender/"

static glob_t found;

static int dialogue_count(void)
{
	if (glob(FOLDER "*.dialogue", 0, NULL, &found) != 0) {
		fprintf(stderr, "no dialogues in " FOLDER "\n");
		abort();
	}
	return (int)found.gl_pathc;
}

START_TEST(a_dialogue_goes_as_written)
{
	dialogue_play(found.gl_pathv[_i], 4096);
}
END_TEST

START_TEST(a_dialogue_goes_as_written_byte_by_byte)
{
	dialogue_play(found.gl_pathv[_i], 1);
}
END_TEST

static const struct {
	const char *parts[4];
	const char *wire;
} stuffing[] = {
	{ { "" }, ".\r\n" },
	{ { "a\r\n" }, "a\r\n.\r\n" },
	{ { ".\r\n" }, "..\r\n.\r\n" },
	{ { "a\r\n", ".b\r\n" }, "a\r\n..b\r\n.\r\n" },
	{ { "a\r", "\n", ".b", ".c\r\n" }, "a\r\n..b.c\r\n.\r\n" },
	{ { "a\r\n.\r\n.\r\n..x\r\n" }, "a\r\n..\r\n..\r\n...x\r\n.\r\n" },
	{ { "no line end" }, "no line end\r\n.\r\n" },
	{ { "a\n.\nb\r\n" }, "a\n..\nb\r\n.\r\n" },
	{ { "", "a.\r\n", "", "" }, "a.\r\n.\r\n" },
};

/* Sends `step` bytes at a time of what dots_next() offers. */
static void check_stuffing(int row, size_t step)
{
	struct slice parts[4];
	size_t count = 0;
	while (count < 4 && stuffing[row].parts[count]) {
		parts[count] = slice_of(stuffing[row].parts[count]);
		count++;
	}
	struct dots dots;
	struct buffer wire;
	buffer_init(&wire, 4096);
	dots_init(&dots, parts, count);
	while (!dots_is_over(&dots)) {
		struct dots ahead = dots;
		struct slice piece;
		ck_assert(dots_next(&ahead, &piece));
		piece = slice_head(piece, step);
		ck_assert(buffer_append(&wire, piece));
		dots_skip(&dots, piece.size);
	}
	ck_assert_msg(slice_equal(buffer_slice(&wire), slice_of(stuffing[row].wire)),
		"\"%.*s\"", SLICE_ARG(buffer_slice(&wire)));
	buffer_done(&wire);
}

START_TEST(dots_are_stuffed_wherever_the_parts_and_writes_are_cut)
{
	check_stuffing(_i, 4096);
	check_stuffing(_i, 2);
	check_stuffing(_i, 1);
}
END_TEST

/* A piece that ends behind a line leaves the dot that follows to the next one. */
START_TEST(a_dot_is_stuffed_wherever_a_long_part_is_cut)
{
	enum { SIZE = 200000 };
	char *content = malloc(SIZE);
	memset(content, 'x', SIZE);
	memcpy(content + 65536 - 2 + _i, "\r\n.y", 4);
	memcpy(content + SIZE - 2, "\r\n", 2);
	struct slice part = { content, SIZE }, piece;
	struct dots dots;
	struct buffer wire;
	buffer_init(&wire, SIZE * 2);
	dots_init(&dots, &part, 1);
	while (dots_next(&dots, &piece))
		ck_assert(buffer_append(&wire, piece));
	size_t before = 65536 + (size_t)_i;
	struct slice sent = buffer_slice(&wire);
	ck_assert_uint_eq(sent.size, SIZE + 4);
	ck_assert_mem_eq(sent.data, content, before);
	ck_assert(sent.data[before] == '.');
	ck_assert_mem_eq(sent.data + before + 1, content + before, SIZE - before);
	buffer_done(&wire);
	free(content);
}
END_TEST

START_TEST(a_large_content_is_sent_without_being_copied)
{
	enum { SIZE = 3 << 20 };
	char *content = malloc(SIZE);
	memset(content, 'x', SIZE);
	for (size_t i = 76; i + 2 < SIZE; i += 78)
		memcpy(content + i, "\r\n", 2);
	memcpy(content + SIZE - 2, "\r\n", 2);
	struct client_recipient to = {
		.address = "b@example", .notify = "", .orcpt = ""
	};
	struct slice part = { content, SIZE };
	struct client_mail mail = { .from = "a@example",
		.envid = "",
		.ret = "",
		.parts = &part,
		.part_count = 1,
		.recipients = &to,
		.recipient_count = 1,
		.size_bytes = SIZE };
	struct client *client = client_new(&(struct client_options){ .helo = "h" });
	static const char *const replies[] = { "220 hi\r\n",
		"250-d\r\n250 PIPELINING\r\n", "250 a\r\n250 b\r\n354 c\r\n" };
	struct iovec pieces[64];
	for (size_t i = 0; i < 3; i++) {
		struct slice reply = slice_of(replies[i]);
		client_feed(client, &reply);
		if (client_wish(client) == CLIENT_IDLE)
			client_deliver(client, &mail);
		if (i < 2) {
			ck_assert_uint_eq(client_output(client, pieces, 64), 1);
			client_sent(client, pieces[0].iov_len);
		}
	}
	size_t sent = 0, count;
	while ((count = client_output(client, pieces, 64)) > 0) {
		const char *at = pieces[0].iov_base;
		if (sent < SIZE)
			ck_assert_ptr_eq(at, content + sent);
		client_sent(client, pieces[0].iov_len);
		sent += pieces[0].iov_len;
	}
	ck_assert_uint_eq(sent, SIZE + 3);
	ck_assert_int_eq(client_state(client), CLIENT_FINAL);
	client_free(client);
	free(content);
}
END_TEST

Suite *client_suite(void)
{
	Suite *suite = suite_create("client");
	TCase *tcase = tcase_create("client");
	int count = dialogue_count();
	tcase_add_loop_test(tcase, a_dialogue_goes_as_written, 0, count);
	tcase_add_loop_test(tcase, a_dialogue_goes_as_written_byte_by_byte, 0, count);
	tcase_add_loop_test(tcase, dots_are_stuffed_wherever_the_parts_and_writes_are_cut,
		0, sizeof(stuffing) / sizeof(*stuffing));
	tcase_add_loop_test(tcase, a_dot_is_stuffed_wherever_a_long_part_is_cut, -3, 4);
	tcase_add_test(tcase, a_large_content_is_sent_without_being_copied);
	suite_add_tcase(suite, tcase);
	return suite;
}
