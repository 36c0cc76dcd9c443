/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "lib/id.h"
#include "services/sender/retry.h"

#define URGENT POSTERN__LANE__LANE_URGENT
#define BULK   POSTERN__LANE__LANE_BULK
#define LONG   INT64_C(1000000000)
/* The spread is nought here. */
#define MIDDLE 512

static const struct {
	Postern__Lane lane;
	unsigned attempt;
	int64_t waited_ms, delay_ms;
} delays[] = {
	{ URGENT, 1, 0, 5000 },
	{ URGENT, 2, LONG, 15000 },
	{ URGENT, 3, LONG, 30000 },
	{ URGENT, 7, LONG, 600000 },
	{ URGENT, 1000000, LONG, 600000 },
	{ URGENT, 0, 0, 5000 },
	{ BULK, 1, 0, 60000 },
	{ BULK, 2, LONG, 120000 },
	{ BULK, 7, LONG, 3600000 },
	{ BULK, 4000000000u, LONG, 3600000 },
	{ POSTERN__LANE__LANE_NORMAL, 3, LONG, 300000 },
	/* Many restarts in a short time don't put a message off by an hour. */
	{ BULK, 9, 1000, 60000 },
	{ URGENT, 9, 20000, 30000 },
	{ BULK, 9, 0, 60000 },
	/* Nor does the spread of the steps before it shorten a step. */
	{ BULK, 2, 48000, 120000 },
	{ BULK, 3, 144000, 300000 },
	{ BULK, 3, 143999, 120000 },
};

START_TEST(delays_grow_with_attempts_and_are_bounded_by_the_wait)
{
	ck_assert_int_eq(retry_delay_ms(delays[_i].lane, delays[_i].attempt,
				 delays[_i].waited_ms, MIDDLE),
		delays[_i].delay_ms);
}
END_TEST

START_TEST(chance_spreads_a_delay_by_a_fifth)
{
	int64_t least = INT64_MAX, most = 0;
	for (uint32_t chance = 0; chance < 4096; chance++) {
		int64_t delay = retry_delay_ms(BULK, 1, 0, chance);
		least = delay < least ? delay : least;
		most = delay > most ? delay : most;
	}
	ck_assert_int_eq(least, 48000);
	ck_assert_int_gt(most, 71900);
	ck_assert_int_lt(most, 72000);
}
END_TEST

START_TEST(a_destination_rests_longer_with_each_failure)
{
	ck_assert_int_eq(retry_rest_ms(1, LONG, 1, MIDDLE), 1000);
	ck_assert_int_eq(retry_rest_ms(2, LONG, 1, MIDDLE), 2000);
	ck_assert_int_eq(retry_rest_ms(5, 0, 1, MIDDLE), 16000);
	ck_assert_int_eq(retry_rest_ms(11, LONG, 0, MIDDLE), 600000);
	ck_assert_int_eq(retry_rest_ms(4000000000u, LONG, 1, MIDDLE), 600000);
}
END_TEST

START_TEST(a_destination_rests_less_the_more_mail_waits)
{
	ck_assert_int_eq(retry_rest_ms(3, 3000, 100000, MIDDLE), 4000);
	ck_assert_int_eq(retry_rest_ms(9, 300000, 100000, MIDDLE), 10000);
	ck_assert_int_eq(retry_rest_ms(20, 3200000, 100000, MIDDLE), 100000);
	ck_assert_int_eq(retry_rest_ms(20, 3200000, 16, MIDDLE), 200000);
	ck_assert_int_eq(retry_rest_ms(20, LONG, 100000, MIDDLE), 600000);
}
END_TEST

static Postern__Mail mail_of(Postern__Lane lane, struct id *id)
{
	Postern__Mail mail = POSTERN__MAIL__INIT;
	*id = id_mint();
	mail.id = id->text;
	mail.lane = lane;
	return mail;
}

START_TEST(a_message_expires_some_time_after_it_was_minted)
{
	struct id id;
	Postern__Mail mail = mail_of(URGENT, &id);
	int64_t born_ms = id_time_ms(slice_of(id.text));
	ck_assert_int_eq(retry_expiry_ms(&mail, 60000), born_ms + 60000);
}
END_TEST

START_TEST(a_released_message_has_its_whole_time_again)
{
	struct id id;
	Postern__Mail mail = mail_of(URGENT, &id);
	Postern__Release release = POSTERN__RELEASE__INIT;
	release.released_us = (id_time_ms(slice_of(id.text)) + LONG) * 1000;
	mail.release = &release;
	ck_assert_int_eq(retry_expiry_ms(&mail, 1000),
		id_time_ms(slice_of(id.text)) + LONG + 1000);
}
END_TEST

START_TEST(waiting_counts_from_the_last_stage_before_us)
{
	struct id id;
	Postern__Mail mail = mail_of(URGENT, &id);
	ck_assert_int_eq(retry_since_ms(&mail), id_time_ms(slice_of(id.text)));
	Postern__Step steps[2] = { POSTERN__STEP__INIT, POSTERN__STEP__INIT };
	steps[0].stage = "signer";
	steps[0].finished_us = 5000;
	steps[1].stage = "sender.default";
	steps[1].finished_us = 9000;
	mail.steps = (Postern__Step *[]){ &steps[0], &steps[1] };
	mail.n_steps = 2;
	ck_assert_int_eq(retry_since_ms(&mail), 5);
}
END_TEST

Suite *retry_suite(void)
{
	Suite *suite = suite_create("retry");
	TCase *tcase = tcase_create("retry");
	tcase_add_loop_test(tcase, delays_grow_with_attempts_and_are_bounded_by_the_wait,
		0, sizeof(delays) / sizeof(*delays));
	tcase_add_test(tcase, chance_spreads_a_delay_by_a_fifth);
	tcase_add_test(tcase, a_destination_rests_longer_with_each_failure);
	tcase_add_test(tcase, a_destination_rests_less_the_more_mail_waits);
	tcase_add_test(tcase, a_message_expires_some_time_after_it_was_minted);
	tcase_add_test(tcase, a_released_message_has_its_whole_time_again);
	tcase_add_test(tcase, waiting_counts_from_the_last_stage_before_us);
	suite_add_tcase(suite, tcase);
	return suite;
}
