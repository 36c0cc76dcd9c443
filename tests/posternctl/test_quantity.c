/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "cli/quantity.h"

static struct arena *arena;

static void setup(void)
{
	arena = arena_new();
}

static void teardown(void)
{
	arena_free(arena);
}

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static const struct {
	const char *text;
	int64_t ms; /* -1: refused */
	const char *printed;
} durations[] = {
	{ "90s", 90000, "90s" },
	{ "1h30m", 90 * MINUTE, "90m" },
	{ "2d", 2 * DAY, "2d" },
	{ "1w", 7 * DAY, "7d" },
	{ "500ms", 500, "500ms" },
	{ "1m500ms", MINUTE + 500, "60500ms" },
	{ "0s", 0, "0ms" },
	{ "106751991167d", 106751991167 * DAY, "106751991167d" },
	{ "106751991168d", -1 },
	{ "", -1 },
	{ "5", -1 },
	{ "s", -1 },
	{ "-1s", -1 },
	{ "1.5h", -1 },
	{ "1h ", -1 },
	{ "30m1h", -1 },
	{ "1h1h", -1 },
	{ "1H", -1 },
	{ "99999999999999999999s", -1 },
};

START_TEST(durations_are_read_to_the_last_character)
{
	int64_t ms = -1;
	bool is_good = duration_parse(slice_of(durations[_i].text), &ms);
	ck_assert_int_eq(is_good, durations[_i].ms >= 0);
	ck_assert_int_eq(ms, durations[_i].ms);
	if (is_good)
		ck_assert_str_eq(duration_print(arena, ms), durations[_i].printed);
}
END_TEST

static const struct {
	const char *text;
	int64_t bytes; /* -1: refused */
	const char *printed;
} sizes[] = {
	{ "0", 0, "0" },
	{ "1023", 1023, "1023" },
	{ "1024", 1024, "1k" },
	{ "25M", 25 << 20, "25M" },
	{ "2048M", INT64_C(2) << 30, "2G" },
	{ "4096G", INT64_C(4096) << 30, "4096G" },
	{ "8589934591G", INT64_C(8589934591) << 30, "8589934591G" },
	{ "8589934592G", -1 },
	{ "9223372036854775808", -1 },
	{ "", -1 },
	{ "M", -1 },
	{ "25MB", -1 },
	{ "25m", -1 },
	{ "-1", -1 },
	{ "1 k", -1 },
	{ "1.5M", -1 },
};

START_TEST(sizes_are_read_to_the_last_character)
{
	uint64_t bytes = 0;
	bool is_good = bytes_parse(slice_of(sizes[_i].text), &bytes);
	ck_assert_int_eq(is_good, sizes[_i].bytes >= 0);
	if (!is_good)
		return;
	ck_assert_int_eq((int64_t)bytes, sizes[_i].bytes);
	ck_assert_str_eq(bytes_print(arena, bytes), sizes[_i].printed);
}
END_TEST

static const struct {
	const char *text, *printed; /* NULL: refused */
} moments[] = {
	{ "2026-11-22", "2026-11-22T00:00:00.000Z" },
	{ "2026-11-22T10:20:30Z", "2026-11-22T10:20:30.000Z" },
	{ "2026-11-22 10:20:30.1239Z", "2026-11-22T10:20:30.123Z" },
	{ "2026-11-22t10:20:30.5z", "2026-11-22T10:20:30.500Z" },
	{ "2026-11-22T00:30:00+01:00", "2026-11-21T23:30:00.000Z" },
	{ "2026-11-22T23:30:00-01:30", "2026-11-23T01:00:00.000Z" },
	{ "2028-02-29", "2028-02-29T00:00:00.000Z" },
	{ "now", "1970-01-02T00:00:00.000Z" },
	{ "2026-02-29", NULL },
	{ "2026-13-01", NULL },
	{ "2026-00-01", NULL },
	{ "2026-01-00", NULL },
	{ "1969-12-31", NULL },
	{ "2026-1-1", NULL },
	{ "2026-11-22T10:20:30", NULL },
	{ "2026-11-22T10:20Z", NULL },
	{ "2026-11-22T24:00:00Z", NULL },
	{ "2026-11-22T10:60:00Z", NULL },
	{ "2026-11-22T10:20:30Zx", NULL },
	{ "2026-11-22T10:20:30+1:00", NULL },
	{ "2026-11-22T10:20:30+24:00", NULL },
	{ "2026-11-22x", NULL },
	{ "", NULL },
	{ "1h", NULL },
};

START_TEST(moments_are_read_to_the_last_character)
{
	int64_t us;
	bool is_good = moment_parse(slice_of(moments[_i].text), DAY * 1000, &us);
	ck_assert_pstr_eq(is_good ? moment_print(arena, us) : NULL, moments[_i].printed);
}
END_TEST

START_TEST(durations_are_moments_before_and_after_now)
{
	int64_t us, now_us = 100 * DAY * 1000;
	ck_assert(moment_parse_past(SLICE("90m"), now_us, &us));
	ck_assert_int_eq(us, now_us - 90 * MINUTE * 1000);
	ck_assert(moment_parse_future(SLICE("90d"), now_us, &us));
	ck_assert_int_eq(us, now_us + 90 * DAY * 1000);
	ck_assert(moment_parse_future(SLICE("2026-11-22"), now_us, &us));
	ck_assert_str_eq(moment_print(arena, us), "2026-11-22T00:00:00.000Z");
	ck_assert(!moment_parse_future(SLICE("106751991167d"), now_us, &us));
	ck_assert(!moment_parse_past(SLICE("soon"), now_us, &us));
}
END_TEST

Suite *quantity_suite(void)
{
	Suite *suite = suite_create("quantity");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_loop_test(all, durations_are_read_to_the_last_character, 0,
		sizeof(durations) / sizeof(*durations));
	tcase_add_loop_test(all, sizes_are_read_to_the_last_character, 0,
		sizeof(sizes) / sizeof(*sizes));
	tcase_add_loop_test(all, moments_are_read_to_the_last_character, 0,
		sizeof(moments) / sizeof(*moments));
	tcase_add_test(all, durations_are_moments_before_and_after_now);
	suite_add_tcase(suite, all);
	return suite;
}
