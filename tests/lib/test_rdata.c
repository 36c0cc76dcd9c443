/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dns/rdata.h"
#include "lib/memory.h"

#define LABEL_63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"
#define LABEL_61 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxy"
#define NAME_253 LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61

static const struct name_row {
	const char *name;
	bool is_valid;
} names[] = {
	{ "example.com", true },
	{ "example.com.", true },
	{ "_25._tcp.mx1.example.com", true },
	{ "xn--bcher-kva.example", true },
	{ LABEL_63 ".example", true },
	{ NAME_253, true },
	{ NAME_253 ".", true },
	{ "", false },
	{ ".", false },
	{ "..", false },
	{ ".example.com", false },
	{ "example..com", false },
	{ "example.com..", false },
	{ LABEL_63 "1.example", false },
	{ NAME_253 "z", false },
	{ "exam ple.com", false },
	{ "exam\\.ple.com", false },
	{ "b\xc3\xbc"
	  "cher.example",
		false },
	{ "*.example.com", false },
	{ "127.0.0.1:53", false },
};

START_TEST(a_name_is_letters_digits_hyphens_and_underscores_in_labels)
{
	const struct name_row *row = &names[_i];
	ck_assert_msg(
		name_is_valid(slice_of(row->name)) == row->is_valid, "%s", row->name);
}
END_TEST

static const struct mx_row {
	struct slice rdata;
	const char *host; /* NULL: damaged */
	unsigned preference;
} mxes[] = {
	{ SLICE("\0\12\3MX1\7example\3com\0"), "mx1.example.com", 10 },
	{ SLICE("\xff\xfe\1a\0"), "a", 65534 },
	{ SLICE("\0\0\0"), "", 0 },
	{ SLICE(""), NULL, 0 },
	{ SLICE("\0"), NULL, 0 },
	{ SLICE("\0\12"), NULL, 0 },
	{ SLICE("\0\12\3mx1"), NULL, 0 },
	{ SLICE("\0\12\4mx1\0"), NULL, 0 },
	{ SLICE("\0\12\3mx1\0trailing"), NULL, 0 },
	{ SLICE("\0\12\xc0\x0c"), NULL, 0 },
	{ SLICE("\0\12\3a.b\0"), NULL, 0 },
	{ SLICE("\0\12\3a\0b\0"), NULL, 0 },
	{ SLICE("\0\12\3a\nb\0"), NULL, 0 },
	{ SLICE("\0\12\100" LABEL_63 "z\0"), NULL, 0 },
};

START_TEST(an_mx_is_a_preference_and_a_host)
{
	const struct mx_row *row = &mxes[_i];
	struct rdata_mx mx;
	bool is_read = rdata_mx(row->rdata, &mx);
	ck_assert_int_eq(is_read, row->host != NULL);
	if (!is_read)
		return;
	ck_assert_str_eq(mx.host, row->host);
	ck_assert_uint_eq(mx.preference, row->preference);
}
END_TEST

START_TEST(the_longest_name_fits_and_one_byte_more_does_not)
{
	const char longest[] = "\0\1\77" LABEL_63 "\77" LABEL_63 "\77" LABEL_63
			       "\75" LABEL_61;
	const char longer[] = "\0\1\77" LABEL_63 "\77" LABEL_63 "\77" LABEL_63
			      "\76" LABEL_61 "z";
	struct rdata_mx mx;
	ck_assert(rdata_mx((struct slice){ longest, sizeof(longest) }, &mx));
	ck_assert_str_eq(mx.host, NAME_253);
	ck_assert(!rdata_mx((struct slice){ longer, sizeof(longer) }, &mx));
}
END_TEST

START_TEST(addresses_have_exactly_their_size)
{
	struct in_addr v4;
	struct in6_addr v6;
	char text[INET6_ADDRSTRLEN];
	ck_assert(rdata_a(SLICE("\x7f\0\0\1"), &v4));
	ck_assert_str_eq(inet_ntop(AF_INET, &v4, text, sizeof(text)), "127.0.0.1");
	ck_assert(!rdata_a(SLICE("\x7f\0\0"), &v4));
	ck_assert(!rdata_a(SLICE("\x7f\0\0\0\1"), &v4));
	ck_assert(rdata_aaaa(SLICE("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"), &v6));
	ck_assert_str_eq(inet_ntop(AF_INET6, &v6, text, sizeof(text)), "::1");
	ck_assert(!rdata_aaaa(SLICE("\x7f\0\0\1"), &v6));
}
END_TEST

static const struct txt_row {
	struct slice rdata;
	const char *text; /* NULL: damaged */
} txts[] = {
	{ SLICE("\13v=DKIM1; p="), "v=DKIM1; p=" },
	{ SLICE("\3abc\0\3def"), "abcdef" },
	{ SLICE("\0"), "" },
	{ SLICE(""), NULL },
	{ SLICE("\4abc"), NULL },
	{ SLICE("\3abc\1"), NULL },
	{ SLICE("\xff"), NULL },
};

START_TEST(the_strings_of_a_txt_are_joined)
{
	const struct txt_row *row = &txts[_i];
	struct arena *arena = arena_new();
	struct slice text;
	bool is_read = rdata_txt(row->rdata, arena, &text);
	ck_assert_int_eq(is_read, row->text != NULL);
	if (is_read)
		ck_assert(slice_equal(text, slice_of(row->text)));
	arena_free(arena);
}
END_TEST

START_TEST(a_tlsa_has_three_numbers_and_data)
{
	struct rdata_tlsa tlsa;
	ck_assert(rdata_tlsa(SLICE("\3\1\1\xab\xcd"), &tlsa));
	ck_assert_uint_eq(tlsa.usage, 3);
	ck_assert_uint_eq(tlsa.selector, 1);
	ck_assert_uint_eq(tlsa.matching, 1);
	ck_assert(slice_equal(tlsa.data, SLICE("\xab\xcd")));
	ck_assert(!rdata_tlsa(SLICE("\3\1\1"), &tlsa));
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(*(table)))

Suite *rdata_suite(void)
{
	Suite *suite = suite_create("rdata");
	TCase *tcase = tcase_create("rdata");
	tcase_add_loop_test(tcase,
		a_name_is_letters_digits_hyphens_and_underscores_in_labels, 0,
		COUNT(names));
	tcase_add_loop_test(tcase, an_mx_is_a_preference_and_a_host, 0, COUNT(mxes));
	tcase_add_test(tcase, the_longest_name_fits_and_one_byte_more_does_not);
	tcase_add_test(tcase, addresses_have_exactly_their_size);
	tcase_add_loop_test(tcase, the_strings_of_a_txt_are_joined, 0, COUNT(txts));
	tcase_add_test(tcase, a_tlsa_has_three_numbers_and_data);
	suite_add_tcase(suite, tcase);
	return suite;
}
