/* SPDX-License-Identifier: MIT */
#include "lib/bus/gather.h"

#include <check.h>

#define SECOND 1000000

static struct gather gather;

/* They are let go of one at a time. Returns the time of the last. */
static int64_t pass(int64_t from_us, unsigned count, int64_t gap_us)
{
	for (unsigned i = 0; i < count; i++)
		gather_sent(&gather, 1, from_us += gap_us);
	return from_us;
}

START_TEST(a_lone_record_is_not_kept_back)
{
	gather_init(&gather);
	ck_assert_int_le(gather_until(&gather, true), 0);
	int64_t now = pass(SECOND, 100, 10000);
	ck_assert_int_le(gather_until(&gather, false), now);
	ck_assert_int_le(gather_until(&gather, true), now);
}
END_TEST

START_TEST(two_that_meet_by_chance_keep_nobody_back)
{
	gather_init(&gather);
	int64_t now = pass(SECOND, 20, 5300);
	gather_sent(&gather, 2, now += 100);
	ck_assert_int_le(gather_until(&gather, true), now);
}
END_TEST

START_TEST(records_that_come_thick_are_kept_back_for_a_moment)
{
	gather_init(&gather);
	int64_t now = pass(SECOND, 30, 1000);
	ck_assert_int_eq(gather_until(&gather, false), now + 4000);
	ck_assert_int_eq(gather_until(&gather, true), now + 12000);
	/* Let go of together they are as thick as before. */
	for (int i = 0; i < 30; i++)
		gather_sent(&gather, 12, now += 12000);
	ck_assert_int_eq(gather_until(&gather, true), now + 12000);
}
END_TEST

START_TEST(after_a_pause_nobody_is_kept_back_for_long)
{
	gather_init(&gather);
	int64_t now = pass(SECOND, 100, 500) + SECOND;
	ck_assert_int_lt(gather_until(&gather, true), now);
	now = pass(now, 8, SECOND);
	ck_assert_int_eq(gather_until(&gather, true), 0);
}
END_TEST

Suite *gather_suite(void)
{
	Suite *suite = suite_create("gather");
	TCase *tcase = tcase_create("gather");
	tcase_add_test(tcase, a_lone_record_is_not_kept_back);
	tcase_add_test(tcase, two_that_meet_by_chance_keep_nobody_back);
	tcase_add_test(tcase, records_that_come_thick_are_kept_back_for_a_moment);
	tcase_add_test(tcase, after_a_pause_nobody_is_kept_back_for_long);
	suite_add_tcase(suite, tcase);
	return suite;
}
