/* SPDX-License-Identifier: MIT */
#include "lib/turns.h"

#include <check.h>
#include <string.h>

struct guest {
	struct turn turn; /* first */
	const char *name;
};

#define URGENT POSTERN__LANE__LANE_URGENT
#define NORMAL POSTERN__LANE__LANE_NORMAL
#define BULK   POSTERN__LANE__LANE_BULK

static const char *served(struct turns *turns, struct turn *turn)
{
	if (!turn)
		return "";
	turns_end(turns, turn);
	return ((const struct guest *)turn)->name;
}

static const char *next_name(struct turns *turns)
{
	return served(turns, turns_take(turns));
}

static const char *newcomers_name(struct turns *turns)
{
	return served(turns, turns_take_newcomer(turns));
}

START_TEST(who_waits_goes_by_lane_and_by_app_in_turn)
{
	struct guest guests[] = {
		{ { BULK, SLICE("news"), NULL }, "bulk" },
		{ { URGENT, SLICE("ads"), NULL }, "a1" },
		{ { URGENT, SLICE("ads"), NULL }, "a2" },
		{ { URGENT, SLICE("ads"), NULL }, "a3" },
		{ { POSTERN__LANE__LANE_UNSPECIFIED, SLICE("old"), NULL }, "normal" },
		{ { URGENT, SLICE("shop"), NULL }, "s1" },
		{ { URGENT, SLICE("shop"), NULL }, "s2" },
	};
	static const char *const order[] = { "a1", "s1", "a2", "s2", "a3", "normal",
		"bulk", "" };
	struct turns *turns = turns_new();
	for (size_t i = 0; i < sizeof(guests) / sizeof(*guests); i++)
		turns_add(turns, &guests[i].turn);
	ck_assert_uint_eq(turns_count(turns), 7);
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		ck_assert_str_eq(next_name(turns), order[i]);
	ck_assert_uint_eq(turns_count(turns), 0);
	turns_free(turns);
}
END_TEST

START_TEST(who_comes_late_does_not_wait_for_the_others_queue)
{
	struct guest burst[100], codes[2] = { { { URGENT, SLICE("shop"), NULL }, "1" },
		{ { URGENT, SLICE("shop"), NULL }, "2" } };
	struct turns *turns = turns_new();
	for (size_t i = 0; i < 100; i++) {
		burst[i] = (struct guest){ { URGENT, SLICE("ads"), NULL }, "ad" };
		turns_add(turns, &burst[i].turn);
	}
	for (size_t i = 0; i < 50; i++)
		ck_assert_str_eq(next_name(turns), "ad");
	ck_assert(turns_add(turns, &codes[0].turn));
	ck_assert(!turns_add(turns, &codes[1].turn));
	ck_assert_str_eq(next_name(turns), "1");
	ck_assert_str_eq(next_name(turns), "ad");
	ck_assert_str_eq(next_name(turns), "2");
	turns_free(turns);
}
END_TEST

START_TEST(a_newcomer_is_who_has_none_open_while_others_have)
{
	struct guest ads[3] = { { { NORMAL, SLICE("ads"), NULL }, "ad" },
		{ { NORMAL, SLICE("ads"), NULL }, "ad" },
		{ { NORMAL, SLICE("ads"), NULL }, "ad" } };
	struct guest shop = { { NORMAL, SLICE("shop"), NULL }, "shop" };
	struct guest news = { { BULK, SLICE("news"), NULL }, "news" };
	struct guest code = { { URGENT, SLICE("ads"), NULL }, "code" };
	struct turns *turns = turns_new();
	ck_assert(!turns_add(turns, &ads[0].turn));
	struct turn *taken = turns_take(turns);
	ck_assert_ptr_null(turns_take_newcomer(turns));
	/* One is being served, and so others are newcomers; not the same app in the same
	 * lane, nor who is less urgent. */
	ck_assert(!turns_add(turns, &ads[1].turn));
	ck_assert(turns_add(turns, &shop.turn));
	ck_assert(!turns_add(turns, &news.turn));
	ck_assert(turns_add(turns, &code.turn));
	ck_assert_uint_eq(turns_count(turns), 4);
	ck_assert_str_eq(newcomers_name(turns), "code");
	ck_assert_str_eq(newcomers_name(turns), "shop");
	ck_assert_str_eq(newcomers_name(turns), "");
	ck_assert_str_eq(next_name(turns), "ad");
	ck_assert_str_eq(next_name(turns), "news");
	turns_end(turns, taken);
	/* Nobody is there any more. */
	ck_assert(!turns_add(turns, &ads[2].turn));
	ck_assert_str_eq(next_name(turns), "ad");
	turns_free(turns);
}
END_TEST

START_TEST(no_lane_waits_for_ever)
{
	struct guest guests[3][40];
	static const Postern__Lane of[] = { URGENT, NORMAL, BULK };
	static const char *const names[] = { "u", "n", "b" };
	size_t seen[3] = { 0 };
	struct turns *turns = turns_new();
	for (size_t lane = 0; lane < 3; lane++)
		for (size_t i = 0; i < 40; i++) {
			guests[lane][i] = (struct guest){
				{ of[lane], SLICE("shop"), NULL }, names[lane]
			};
			turns_add(turns, &guests[lane][i].turn);
		}
	for (size_t i = 0; i < 42; i++)
		seen[strcspn("unb", next_name(turns))]++;
	ck_assert_uint_eq(seen[0], 32);
	ck_assert_uint_eq(seen[1], 8);
	ck_assert_uint_eq(seen[2], 2);
	turns_free(turns);
}
END_TEST

Suite *turns_suite(void)
{
	Suite *suite = suite_create("turns");
	TCase *tcase = tcase_create("turns");
	tcase_add_test(tcase, who_waits_goes_by_lane_and_by_app_in_turn);
	tcase_add_test(tcase, who_comes_late_does_not_wait_for_the_others_queue);
	tcase_add_test(tcase, a_newcomer_is_who_has_none_open_while_others_have);
	tcase_add_test(tcase, no_lane_waits_for_ever);
	suite_add_tcase(suite, tcase);
	return suite;
}
