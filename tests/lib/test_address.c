/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "lib/utf8.h"

#define LOCAL_64 "0123456789012345678901234567890123456789012345678901234567890123"
#define LABEL_63 "012345678901234567890123456789012345678901234567890123456789012"

static const struct {
	const char *text, *local, *domain;
	bool is_utf8, is_literal;
} good[] = {
	{ "ann@example.com", "ann", "example.com" },
	{ "a@b", "a", "b" },
	{ "Ann.Lee+tag@Example.COM", "Ann.Lee+tag", "Example.COM" },
	{ "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~", "example.com" },
	{ "*@example.com", "*", "example.com" },
	{ "\"ann lee\"@example.com", "\"ann lee\"", "example.com" },
	{ "\"a@b\\\"c\\\\\"@example.com", "\"a@b\\\"c\\\\\"", "example.com" },
	{ "\"\"@example.com", "\"\"", "example.com" },
	{ "ann@[192.0.2.1]", "ann", "[192.0.2.1]", false, true },
	{ "ann@[IPv6:2001:db8::1]", "ann", "[IPv6:2001:db8::1]", false, true },
	{ "ann@[ipv6:::1]", "ann", "[ipv6:::1]", false, true },
	{ "ann@xn--bcher-kva.example", "ann", "xn--bcher-kva.example" },
	{ "ann@b\xc3\xbc"
	  "cher.example",
		"ann",
		"b\xc3\xbc"
		"cher.example",
		true },
	{ "\xc3\xa4nn@example.com", "\xc3\xa4nn", "example.com", true },
	{ "\"\xc3\xa4 b\"@example.com", "\"\xc3\xa4 b\"", "example.com", true },
	{ LOCAL_64 "0123@example.com", LOCAL_64 "0123", "example.com" },
	{ "a@" LABEL_63 ".com", "a", LABEL_63 ".com" },
	{ "a@1.2.3.4.example", "a", "1.2.3.4.example" },
};

START_TEST(a_good_address_is_taken_apart)
{
	struct address address;
	struct fault fault = { 0 };
	ck_assert_msg(address_parse(slice_of(good[_i].text), &address, &fault), "%s: %s",
		good[_i].text, fault.text);
	ck_assert(slice_equal(address.whole, slice_of(good[_i].text)));
	ck_assert(slice_equal(address.local, slice_of(good[_i].local)));
	ck_assert(slice_equal(address.domain, slice_of(good[_i].domain)));
	ck_assert_int_eq(address.is_utf8, good[_i].is_utf8);
	ck_assert_int_eq(address.is_literal, good[_i].is_literal);
	ck_assert(address_equal(&address, &address));
}
END_TEST

static const struct slice bad[] = {
	SLICE(""),
	SLICE("ann"),
	SLICE("@example.com"),
	SLICE("ann@"),
	SLICE("ann@example.com "),
	SLICE(" ann@example.com"),
	SLICE("ann @example.com"),
	SLICE("ann@ example.com"),
	SLICE("ann@example.com>"),
	SLICE("<ann@example.com>"),
	SLICE("ann@example.com,bob@example.com"),
	SLICE("ann@@example.com"),
	SLICE("ann@bob@example.com"),
	SLICE(".ann@example.com"),
	SLICE("ann.@example.com"),
	SLICE("a..b@example.com"),
	SLICE("ann@example..com"),
	SLICE("ann@.example.com"),
	SLICE("ann@example.com."),
	SLICE("ann@-example.com"),
	SLICE("ann@example-.com"),
	SLICE("ann@exa_mple.com"),
	SLICE("ann@exam!ple.com"),
	SLICE("ann@192.0.2.1"),
	SLICE("ann@example.123"),
	SLICE("ann@[192.0.2.256]"),
	SLICE("ann@[192.0.2.1"),
	SLICE("ann@[]"),
	SLICE("ann@[IPv6:]"),
	SLICE("ann@[IPv6:192.0.2.1]"),
	SLICE("ann@[2001:db8::1]"),
	SLICE("ann@[tag:value]"),
	SLICE("ann@[192.0.2.1].com"),
	SLICE("a(comment)@example.com"),
	SLICE("ann@example.com(comment)"),
	SLICE("\"ann@example.com"),
	SLICE("\"ann\"lee@example.com"),
	SLICE("ann\"lee\"@example.com"),
	SLICE("\"a\tb\"@example.com"),
	SLICE("\"a\r\nb\"@example.com"),
	SLICE("\"a\\\nb\"@example.com"),
	SLICE("an\0n@example.com"),
	SLICE("ann@exam\0ple.com"),
	SLICE("ann@example.com\0"),
	SLICE("\"a\0b\"@example.com"),
	SLICE("@a.com:ann@example.com"),
	SLICE("a:b@example.com"),
	SLICE("\xe4nn@example.com"),        /* Latin-1 */
	SLICE("\xc0\xa0nn@example.com"),    /* not the shortest form */
	SLICE("\xed\xa0\x80@example.com"),  /* surrogate */
	SLICE("a\xe2\x80\xae@example.com"), /* right-to-left override */
	SLICE("a\xc2\x85@example.com"),     /* C1 control */
	SLICE("ann@exam\xc2\xad"
	      "ple.com"), /* soft hyphen */
	SLICE("ann@B\xc3\x9c"
	      "CHER.example"), /* not a U-label */
	SLICE("ann@example\xe3\x80\x82"
	      "com"),                         /* ideographic full stop */
	SLICE("ann@\xef\xbd\x85xample.com"),  /* full-width letter */
	SLICE("ann@exam\xe2\x80\x8bple.com"), /* zero width space */
	SLICE("a@" LABEL_63 "0.com"),
	SLICE(LOCAL_64 LOCAL_64 LOCAL_64 LOCAL_64 "@example.com"),
	SLICE("a@" LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63),
};

START_TEST(a_bad_address_is_refused_with_a_reason)
{
	struct address address;
	struct fault fault = { 0 };
	ck_assert_msg(
		!address_parse(bad[_i], &address, &fault), "%.*s", SLICE_ARG(bad[_i]));
	ck_assert_int_eq(fault.kind, FAULT_PERMANENT);
	ck_assert_uint_gt(strlen(fault.text), 0);
}
END_TEST

static const struct {
	const char *text, *whole, *rest;
} paths[] = {
	{ "<ann@example.com>", "ann@example.com", "" },
	{ "<ann@example.com> SIZE=1", "ann@example.com", " SIZE=1" },
	{ "<>", "", "" },
	{ "<> BODY=8BITMIME", "", " BODY=8BITMIME" },
	{ "<\"a>b\"@example.com>x", "\"a>b\"@example.com", "x" },
	{ "<ann@[IPv6:::1]>", "ann@[IPv6:::1]", "" },
	{ "", NULL },
	{ "<", NULL },
	{ ">", NULL },
	{ "ann@example.com", NULL },
	{ "<ann@example.com", NULL },
	{ "<ann@example.com >", NULL },
	{ "< ann@example.com>", NULL },
	{ "<<ann@example.com>>", NULL },
	{ "<ann>", NULL },
	{ "<@a.com,@b.com:ann@example.com>", NULL },
};

START_TEST(a_path_is_taken_off_the_front)
{
	struct address address;
	struct slice rest = slice_of(paths[_i].text);
	bool taken = address_take_path(&rest, &address, NULL);
	ck_assert_int_eq(taken, paths[_i].whole != NULL);
	if (!taken) {
		ck_assert(slice_equal(rest, slice_of(paths[_i].text)));
		return;
	}
	ck_assert(slice_equal(address.whole, slice_of(paths[_i].whole)));
	ck_assert(slice_equal(rest, slice_of(paths[_i].rest)));
}
END_TEST

static const struct {
	const char *a, *b;
	bool equal;
} pairs[] = {
	{ "ann@example.com", "ann@EXAMPLE.com", true },
	{ "Ann@example.com", "ann@example.com", true },
	{ "\"ann\"@example.com", "ann@example.com", true },
	{ "\"a\\nn\"@example.com", "ann@example.com", true },
	{ "\"a b\"@example.com", "\"a\\ b\"@example.com", true },
	{ "ann@xn--bcher-kva.example",
		"ann@B\xc3\xbc"
		"cher.example",
		true },
	{ "ann@example.com", "bob@example.com", false },
	{ "ann@example.com", "ann@sub.example.com", false },
	{ "ann@example.com", "ann+x@example.com", false },
	{ "\xc3\xa4@example.com", "\xc3\x84@example.com", false },
};

START_TEST(the_same_mailbox_is_recognised)
{
	struct address a, b;
	ck_assert(address_parse(slice_of(pairs[_i].a), &a, NULL));
	ck_assert(address_parse(slice_of(pairs[_i].b), &b, NULL));
	ck_assert_int_eq(address_equal(&a, &b), pairs[_i].equal);
	ck_assert_int_eq(address_equal(&b, &a), pairs[_i].equal);
}
END_TEST

START_TEST(domains_become_a_labels)
{
	char ascii[DOMAIN_MAX + 1];
	ck_assert(domain_to_ascii(SLICE("Example.COM"), ascii, NULL));
	ck_assert_str_eq(ascii, "example.com");
	ck_assert(domain_to_ascii(SLICE("B\xc3\xbc"
					"cher.Example"),
		ascii, NULL));
	ck_assert_str_eq(ascii, "xn--bcher-kva.example");
	ck_assert(!domain_to_ascii(SLICE("*.example.com"), ascii, NULL));
	ck_assert(!domain_to_ascii(SLICE(""), ascii, NULL));
	ck_assert(!domain_to_ascii(SLICE("a b"), ascii, NULL));
}
END_TEST

START_TEST(no_byte_above_127_is_overlooked)
{
	char bytes[24];
	memset(bytes, 'a', sizeof(bytes));
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		ck_assert(utf8_is_ascii((struct slice){ bytes, size }));
		for (size_t at = 0; at < size; at++) {
			bytes[at] = (char)0x80;
			ck_assert(!utf8_is_ascii((struct slice){ bytes, size }));
			ck_assert(utf8_is_ascii((struct slice){ bytes, at }));
			bytes[at] = 0x7f;
		}
	}
}
END_TEST

START_TEST(utf8_is_cut_between_characters)
{
	ck_assert_uint_eq(utf8_head(SLICE("a\xc3\xa4z"), 2).size, 1);
	ck_assert_uint_eq(utf8_head(SLICE("a\xc3\xa4z"), 3).size, 3);
	ck_assert_uint_eq(utf8_head(SLICE("abc"), 9).size, 3);
	ck_assert(utf8_is_valid(SLICE("\xf4\x8f\xbf\xbf")));
	ck_assert(!utf8_is_valid(SLICE("\xf4\x90\x80\x80")));
	ck_assert(!utf8_is_valid(SLICE("\xe0\x80\x80")));
	ck_assert(!utf8_is_valid(SLICE("\xc3")));
}
END_TEST

#define ADD_ROWS(tcase, test, table) \
	tcase_add_loop_test(tcase, test, 0, (int)(sizeof(table) / sizeof(*(table))))

Suite *address_suite(void)
{
	Suite *suite = suite_create("address");
	TCase *all = tcase_create("all");
	ADD_ROWS(all, a_good_address_is_taken_apart, good);
	ADD_ROWS(all, a_bad_address_is_refused_with_a_reason, bad);
	ADD_ROWS(all, a_path_is_taken_off_the_front, paths);
	ADD_ROWS(all, the_same_mailbox_is_recognised, pairs);
	tcase_add_test(all, domains_become_a_labels);
	tcase_add_test(all, utf8_is_cut_between_characters);
	tcase_add_test(all, no_byte_above_127_is_overlooked);
	suite_add_tcase(suite, all);
	return suite;
}
