/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "services/scanner/worker/html.h"
#include "services/scanner/worker/text.h"

static const struct {
	const char *html, *text;
} rows[] = {
	{ "", "" },
	{ "plain", "plain" },
	{ "a  b\r\n\tc", "a b c" },
	{ "<p>one</p><p>two</p>", "one\ntwo\n" },
	{ "4111<b>1111</b>1111<span style=\"x\">1111</span>", "4111111111111111" },
	{ "4111<wbr>1111<WBR/>1111<i\n>1111", "4111111111111111" },
	{ "a<br>b<br/>c", "a\nb\nc" },
	{ "<td>1</td><td>2</td>", "1\n2\n" },
	{ "&#52;&#x31;&#X31;&#0049", "4111" },
	{ "x &amp; y &lt;z&gt; &quot;&apos;", "x & y <z> \"'" },
	{ "fish &chips; &; & &# &#x; &#xZ", "fish &chips; &; & &# &#x; &#xZ" },
	{ "&#0;&#1114112;&#xd800;", "&#0;&#1114112;?" },
	{ "&#32;&#9;a", "a" },
	{ "<style>.a{b:4111}</style>x", "x" },
	{ "<STYLE>x</sTyLe\n>y", "y" },
	{ "<style>never ends", "" },
	{ "<script>var card = \"4111\"; if (a<b) c();</script>d",
		"var card = \"4111\"; if (a<b) c();\nd" },
	{ "a<!-- 4111 -- > -->b", "ab" },
	{ "a<!doctype html>b<?xml?>c", "abc" },
	{ "a<!-- never ends", "a" },
	{ "1 < 2 and 3<4", "1 < 2 and 3<4" },
	{ "<a title=\"1 > 0\">x</a>", "x" },
	{ "<a title='1 > 0' b>x</a>", "x" },
	{ "<a title=\"open>x</a> y", "x y" },
	{ "<", "<" },
	{ "</", "</" },
	{ "<a", "" },
	{ "x</p", "x\n" },
};

START_TEST(html_becomes_what_a_reader_sees)
{
	struct arena *arena = arena_new();
	struct slice text = html_text(arena, slice_of(rows[_i].html));
	ck_assert_msg(slice_equal(text, slice_of(rows[_i].text)),
		"\"%s\" gives \"%.*s\", not \"%s\"", rows[_i].html, SLICE_ARG(text),
		rows[_i].text);
	arena_free(arena);
}
END_TEST

static const struct {
	const char *bytes;
	size_t size;
	const char *charset, *text;
} texts[] = {
	{ "plain", 5, NULL, "plain" },
	{ "caf\xe9", 4, "ISO-8859-1", "caf\xc3\xa9" },
	{ "4\xa0"
	  "1",
		3, "windows-1252", "4 1" },
	{ "4\xc2\xa0\x31", 4, "utf-8", "4 1" },
	{ "\xff\xfe"
	  "4\0001\000",
		6, NULL, "41" },
	{ "\xfe\xff\0004\0001", 6, "us-ascii", "41" },
	{ "\xef\xbb\xbfx", 4, NULL, "x" },
	{ "\0004\0001", 4, "UTF-16BE", "41" },
	{ "+ADQAMQ-", 8, "UTF-7", "41" },
	{ "4\xe2\x80\x8b\x31\xc2\xad\x32", 8, "utf-8", "412" },
	{ "4\xe2\x80\x91\x31\xe2\x88\x92\x32", 9, "utf-8", "4-1-2" },
	{ "\xef\xbc\x94\xef\xbc\x91", 6, "utf-8", "41" },
	{ "x\xff\xfey", 4, "utf-8", "x\xff\xfey" },
	{ "same", 4, "x-no-such-charset", "same" },
	{ "same", 4, "UTF-8//IGNORE", "same" },
	{ "\xe2\x80", 2, "utf-8", "\xe2\x80" },
};

START_TEST(text_becomes_utf8_with_lookalikes_folded)
{
	struct arena *arena = arena_new();
	struct slice bytes = { texts[_i].bytes, texts[_i].size };
	struct slice text = text_fold(
		arena, text_decode(arena, bytes, texts[_i].charset));
	ck_assert_msg(slice_equal(text, slice_of(texts[_i].text)),
		"row %d gives \"%.*s\"", _i, SLICE_ARG(text));
	arena_free(arena);
}
END_TEST

START_TEST(text_is_told_from_binary)
{
	ck_assert(text_is_likely(SLICE("name;card\r\nAnn;4111\r\n")));
	ck_assert(text_is_likely(SLICE("caf\xe9 in Latin-1")));
	ck_assert(text_is_likely(SLICE("\xff\xfe"
				       "4\0001\000")));
	ck_assert(!text_is_likely(SLICE("")));
	ck_assert(!text_is_likely(SLICE("PK\3\4 and more")));
	ck_assert(!text_is_likely(SLICE("a\0b")));
}
END_TEST

Suite *html_suite(void)
{
	Suite *suite = suite_create("html");
	TCase *all = tcase_create("all");
	tcase_add_loop_test(
		all, html_becomes_what_a_reader_sees, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_loop_test(all, text_becomes_utf8_with_lookalikes_folded, 0,
		sizeof(texts) / sizeof(*texts));
	tcase_add_test(all, text_is_told_from_binary);
	suite_add_tcase(suite, all);
	return suite;
}
