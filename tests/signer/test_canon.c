/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "services/signer/canon.h"

static const struct row {
	const char *in, *out;
} field_rows[] = {
	/* RFC 6376 3.4.5 */
	{ "A: X\r\n", "a:X\r\n" },
	{ "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n" },
	{ "Subject: hello\r\n", "subject:hello\r\n" },
	{ "SUBJECT:hello\r\n", "subject:hello\r\n" },
	{ "Subject:   a  \t b   \r\n", "subject:a b\r\n" },
	{ "Subject:\r\n hello\r\n", "subject:hello\r\n" },
	{ "Subject: one\r\n\ttwo\r\n   three\r\n", "subject:one two three\r\n" },
	{ "Subject:\r\n", "subject:\r\n" },
	{ "Subject: \t \r\n", "subject:\r\n" },
	{ "Subject:\r\n \r\n", "subject:\r\n" },
	{ "Subject: a\r\n \r\n b\r\n", "subject:a b\r\n" },
	{ "Subject: a:b: c\r\n", "subject:a:b: c\r\n" },
	{ "Subject: \xc3\xa4 \xff\r\n", "subject:\xc3\xa4 \xff\r\n" },
	{ "X\t \t: y\r\n", "x:y\r\n" },
};

START_TEST(a_header_field_has_one_canonical_form)
{
	const struct row *row = &field_rows[_i];
	char out[256];
	size_t size = canon_field(slice_of(row->in), out);
	ck_assert_uint_le(size, strlen(row->in));
	ck_assert_msg(slice_equal((struct slice){ out, size }, slice_of(row->out)),
		"%s gave %.*s", row->in, (int)size, out);
}
END_TEST

static const struct row body_rows[] = {
	/* RFC 6376 3.4.5, 3.4.4 */
	{ " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n" },
	{ "", "" },
	{ "\r\n", "" },
	{ "\r\n\r\n\r\n", "" },
	{ " \t \r\n\t\r\n", "" },
	{ "a\r\n", "a\r\n" },
	{ "a\r\n\r\n", "a\r\n" },
	{ "a\r\n \r\n\t\r\n", "a\r\n" },
	{ "a\r\n \r\nb\r\n", "a\r\n\r\nb\r\n" },
	{ "\r\n\r\na\r\n", "\r\n\r\na\r\n" },
	{ "\t a\r\n", " a\r\n" },
	{ "a  b\t\tc \t \r\n", "a b c\r\n" },
	{ "sixteen bytes is  one block, and \r\n this another\r\n",
		"sixteen bytes is one block, and\r\n this another\r\n" },
	{ "a block that ends \r\nin a blank\r\n", "a block that ends\r\nin a blank\r\n" },
	{ "\xff\xfe  \xc3\xa4\r\n", "\xff\xfe \xc3\xa4\r\n" },
	/* nothing guarantees the last CRLF but letter_read() */
	{ "a", "a\r\n" },
	{ "a\r\nb ", "a\r\nb\r\n" },
};

static void collect(void *with, struct slice bytes)
{
	ck_assert(buffer_append(with, bytes));
}

/* The canonical form of `in` when it comes in pieces of `step` bytes. */
static void canonize(struct buffer *out, struct slice in, size_t step)
{
	struct canon_body body;
	buffer_clear(out);
	canon_body_init(&body, collect, out);
	for (; in.size > 0; in = slice_skip(in, step))
		canon_body_feed(&body, slice_head(in, step));
	canon_body_end(&body);
}

START_TEST(a_body_has_one_canonical_form_however_it_is_cut)
{
	const struct row *row = &body_rows[_i];
	struct buffer out;
	buffer_init(&out, 1024);
	for (size_t step = 1; step < 8; step++) {
		canonize(&out, slice_of(row->in), step);
		ck_assert_msg(slice_equal(buffer_slice(&out), slice_of(row->out)),
			"step %zu: %s gave %.*s", step, row->in,
			SLICE_ARG(buffer_slice(&out)));
	}
	buffer_done(&out);
}
END_TEST

START_TEST(a_body_larger_than_the_buffers_comes_out_whole)
{
	static char in[100000], wanted[100000];
	size_t size = 0, wanted_size = 0;
	while (size < sizeof(in) - 5000) {
		size_t word = (size * 7 + 3) % 4999 + 1;
		memset(in + size, 'a' + size % 26, word);
		memset(wanted + wanted_size, 'a' + size % 26, word);
		memcpy(in + size + word, " \t\r\n", 4);
		memcpy(wanted + wanted_size + word, "\r\n", 2);
		size += word + 4;
		wanted_size += word + 2;
	}
	struct buffer out;
	buffer_init(&out, sizeof(in));
	const size_t steps[] = { 1, 4096, 4097, 100000 };
	for (size_t i = 0; i < 4; i++) {
		canonize(&out, (struct slice){ in, size }, steps[i]);
		ck_assert(slice_equal(
			buffer_slice(&out), (struct slice){ wanted, wanted_size }));
	}
	buffer_done(&out);
}
END_TEST

/* A whole body is looked at in blocks, one that comes byte by byte is not. */
START_TEST(blocks_are_reduced_as_single_bytes_are)
{
	static const char *const words[] = { "a", "long-word-of-some-bytes", " ", "  ",
		"\t", " \t ", "\r\n", "\r\n\r\n", "x", ".", " y", "\xff" };
	struct buffer in, whole, single;
	buffer_init(&in, 4096);
	buffer_init(&whole, 4096);
	buffer_init(&single, 4096);
	unsigned seed = (unsigned)_i + 1;
	for (unsigned i = 0; i < 60; i++) {
		seed = seed * 1103515245 + 12345;
		const char *word = words[(seed >> 16) % (sizeof(words) / sizeof(*words))];
		ck_assert(buffer_append(&in, slice_of(word)));
		canonize(&whole, buffer_slice(&in), 4096);
		canonize(&single, buffer_slice(&in), 1);
		ck_assert(slice_equal(buffer_slice(&whole), buffer_slice(&single)));
	}
	buffer_done(&in);
	buffer_done(&whole);
	buffer_done(&single);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(*(table)))

Suite *canon_suite(void)
{
	Suite *suite = suite_create("canon");
	TCase *tcase = tcase_create("canon");
	tcase_add_loop_test(
		tcase, a_header_field_has_one_canonical_form, 0, COUNT(field_rows));
	tcase_add_loop_test(tcase, a_body_has_one_canonical_form_however_it_is_cut, 0,
		COUNT(body_rows));
	tcase_add_test(tcase, a_body_larger_than_the_buffers_comes_out_whole);
	tcase_add_loop_test(tcase, blocks_are_reduced_as_single_bytes_are, 0, 50);
	suite_add_tcase(suite, tcase);
	return suite;
}
