/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "lib/arena.h"
#include "services/sender/rest.h"

#define NOW    INT64_C(1800000000)
#define MIDDLE 512 /* a rest isn't spread by it */

static struct rest rest;
static struct rest_line line;

/* It has been away for some time, and so many messages came meanwhile. */
static void set_up_away(int64_t away_ms, size_t waiting)
{
	struct reply why = { 0 };
	rest = (struct rest){ 0 };
	line = (struct rest_line){ .pace = { 1000, 1000000 } };
	reply_set(&why, 451, "4.4.1", "Connection refused");
	rest_begin(&rest, 1, &why, NOW - away_ms, MIDDLE);
	for (int i = 0; i < 20; i++)
		rest_begin(&rest, 1, &why, NOW - away_ms, MIDDLE);
	rest.untried = waiting;
	rest_begin(&rest, 1, &why, NOW, MIDDLE);
}

static int64_t put_off(size_t size_bytes, int64_t now_ms, uint32_t chance)
{
	return now_ms + rest_put_off(&rest, &line, size_bytes, now_ms, chance);
}

START_TEST(a_rest_grows_with_failures_and_ends_when_one_works)
{
	struct reply why = { 0 };
	set_up_away(0, 0);
	rest_end(&rest);
	for (int i = 0; i < 3; i++) {
		rest_begin(&rest, 1, &why, NOW, MIDDLE);
		ck_assert_int_eq(rest.until_ms, NOW + (1000 << i));
	}
	rest_end(&rest);
	ck_assert_uint_eq(rest.failures, 0);
	rest_begin(&rest, 1, &why, NOW + 5000, MIDDLE);
	ck_assert_int_eq(rest.until_ms, NOW + 6000);
	ck_assert_int_eq(rest.since_ms, NOW + 5000);
}
END_TEST

START_TEST(who_waits_is_counted_between_two_failures)
{
	struct reply why = { 0 };
	set_up_away(200000, 99999);
	ck_assert_uint_eq(rest.crowd, 100000);
	ck_assert_int_eq(rest.until_ms, NOW + 10000);
	rest_begin(&rest, 1, &why, rest.until_ms, MIDDLE);
	ck_assert_uint_eq(rest.crowd, 1);
}
END_TEST

START_TEST(few_messages_come_when_the_rest_is_over)
{
	set_up_away(200000, 40);
	for (uint32_t i = 0; i < 40; i++) {
		int64_t due_ms = put_off(500, NOW, i * 1000);
		ck_assert_int_ge(due_ms, rest.until_ms);
		ck_assert_int_lt(due_ms, rest.until_ms + 200000 / 16);
	}
}
END_TEST

START_TEST(many_messages_come_one_after_the_other)
{
	enum { COUNT = 100000 };
	set_up_away(200000, COUNT);
	static unsigned in_second[COUNT / 1000 + 20];
	rest.untried = 65;
	for (uint32_t i = 0; i < COUNT; i++) {
		int64_t due_ms = put_off(500, NOW, i * 7919);
		ck_assert_int_ge(due_ms, rest.until_ms);
		ck_assert_int_le(due_ms, NOW + COUNT);
		in_second[(due_ms - NOW) / 1000]++;
	}
	/* But for those that would have had to come before the rest is over. */
	for (size_t i = 23; i < COUNT / 1000; i++)
		ck_assert_uint_eq(in_second[i], 1000);
	/* And again, while it is still away: each goes to the end. */
	for (int64_t i = 20000; i < COUNT; i++)
		ck_assert_int_eq(put_off(500, NOW + i, 0), NOW + i + COUNT - 20000 + 1);
}
END_TEST

START_TEST(few_messages_do_not_wait_behind_many_for_another_destination)
{
	set_up_away(200000, 100000);
	rest.untried = 100000;
	for (uint32_t i = 0; i < 100000; i++)
		put_off(500, NOW, 0);
	rest.untried = 64;
	ck_assert_int_eq(put_off(500, NOW, 0), rest.until_ms);
	rest.untried = 65;
	ck_assert_int_eq(put_off(500, NOW, 0), NOW + 100002);
}
END_TEST

START_TEST(large_messages_take_more_time)
{
	struct reply why = { 0 };
	set_up_away(0, 0);
	rest_end(&rest);
	rest_begin(&rest, 1, &why, NOW, MIDDLE);
	rest.untried = 65;
	for (int i = 1; i <= 100; i++)
		ck_assert_int_eq(put_off(2000000, NOW, 0), NOW + 2000 * i);
}
END_TEST

START_TEST(what_comes_during_an_attempt_waits_as_if_that_failed)
{
	set_up_away(200000, 40);
	int64_t later_ms = rest.until_ms + 3000;
	ck_assert_int_eq(put_off(500, later_ms, 0), later_ms + 10000);
}
END_TEST

START_TEST(after_a_long_time_mail_comes_back_seldom)
{
	enum { DAY = 86400000 };
	set_up_away(2 * DAY, 40);
	int64_t least_ms = INT64_MAX, most_ms = 0;
	for (uint32_t i = 0; i < 100; i++) {
		int64_t in_ms = put_off(500, NOW, i * 99991) - NOW;
		least_ms = in_ms < least_ms ? in_ms : least_ms;
		most_ms = in_ms > most_ms ? in_ms : most_ms;
	}
	ck_assert_int_lt(least_ms, 800000);
	ck_assert_int_gt(most_ms, 3600000);
	ck_assert_int_lt(most_ms, 4300000);
}
END_TEST

Suite *rest_suite(void)
{
	Suite *suite = suite_create("rest");
	TCase *tcase = tcase_create("rest");
	tcase_add_test(tcase, a_rest_grows_with_failures_and_ends_when_one_works);
	tcase_add_test(tcase, who_waits_is_counted_between_two_failures);
	tcase_add_test(tcase, few_messages_come_when_the_rest_is_over);
	tcase_add_test(tcase, many_messages_come_one_after_the_other);
	tcase_add_test(
		tcase, few_messages_do_not_wait_behind_many_for_another_destination);
	tcase_add_test(tcase, large_messages_take_more_time);
	tcase_add_test(tcase, what_comes_during_an_attempt_waits_as_if_that_failed);
	tcase_add_test(tcase, after_a_long_time_mail_comes_back_seldom);
	suite_add_tcase(suite, tcase);
	return suite;
}
