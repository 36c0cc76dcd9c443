/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/slice.h"
#include "services/smtp-gateway/meter.h"
#include "services/smtp-gateway/network.h"

static const struct {
	const char *network, *address;
	bool contains;
} networks[] = {
	{ "192.0.2.0/24", "192.0.2.255", true },
	{ "192.0.2.0/24", "192.0.3.0", false },
	{ "192.0.2.128/25", "192.0.2.127", false },
	{ "192.0.2.128/25", "192.0.2.128", true },
	{ "192.0.2.77/24", "192.0.2.1", true },
	{ "192.0.2.7", "192.0.2.7", true },
	{ "192.0.2.7", "192.0.2.8", false },
	{ "192.0.2.7/32", "192.0.2.7", true },
	{ "0.0.0.0/0", "198.51.100.1", true },
	{ "0.0.0.0/0", "2001:db8::1", false },
	{ "::/0", "2001:db8::1", true },
	{ "::/0", "192.0.2.1", false },
	{ "2001:db8::/33", "2001:db8:7fff::1", true },
	{ "2001:db8::/33", "2001:db8:8000::1", false },
	{ "2001:db8::1", "2001:db8:0:0::1", true },
	{ "192.0.2.0/24", "::ffff:192.0.2.9", true },
	{ "::ffff:192.0.2.0/120", "192.0.2.9", true },
	{ "::ffff:192.0.2.0/120", "192.0.3.9", false },
	{ "192.0.2.0/33", "192.0.2.0", false },
	{ "192.0.2.0/", "192.0.2.0", false },
	{ "192.0.2.0/-1", "192.0.2.0", false },
	{ "192.0.2.0/ 8", "192.0.2.0", false },
	{ "192.0.2.0/8x", "192.0.2.0", false },
	{ "192.0.2.0/99999999999999999999", "192.0.2.0", false },
	{ "shop.example", "192.0.2.0", false },
	{ "", "192.0.2.0", false },
	{ "192.0.2.0/24", "", false },
};

START_TEST(an_address_is_in_its_networks)
{
	ck_assert_msg(network_contains(networks[_i].network, networks[_i].address) ==
			      networks[_i].contains,
		"%s %s", networks[_i].network, networks[_i].address);
}
END_TEST

#define SECOND_US INT64_C(1000000)
#define NOW_US    (INT64_C(1700000000) * SECOND_US)

static Postern__App app;
static Postern__Limits limits;
static struct meters *meters;

static void open_meters(void)
{
	postern__app__init(&app);
	postern__limits__init(&limits);
	app.name = (char *)"shop";
	app.limits = &limits;
	meters = meters_new();
}

static void close_meters(void)
{
	meters_free(meters);
}

static unsigned spend_all(size_t bytes, int64_t now_us)
{
	unsigned count = 0;
	while (count < 100000 && meters_spend(meters, &app, bytes, true, now_us, NULL))
		count++;
	return count;
}

START_TEST(a_rested_app_has_its_whole_quota_and_then_what_flows_back)
{
	limits.messages_per_hour = 60;
	ck_assert_uint_eq(spend_all(1, NOW_US), 60);
	ck_assert_uint_eq(spend_all(1, NOW_US + 59 * SECOND_US), 0);
	ck_assert_uint_eq(spend_all(1, NOW_US + 61 * SECOND_US), 1);
	ck_assert_uint_eq(spend_all(1, NOW_US + 3 * 3600 * SECOND_US), 60);
}
END_TEST

START_TEST(the_narrowest_limit_decides_and_says_when_it_opens)
{
	struct fault why = { 0 };
	limits.messages_per_hour = 100;
	limits.bytes_per_day = 1000;
	ck_assert_uint_eq(spend_all(300, NOW_US), 3);
	ck_assert(!meters_spend(meters, &app, 300, true, NOW_US, &why));
	ck_assert_int_eq(why.kind, FAULT_TEMPORARY);
	ck_assert_ptr_nonnull(strstr(why.text, "1000 bytes per day"));
	/* 200 bytes too many, of 1000 a day. */
	ck_assert_ptr_nonnull(strstr(why.text, "17281 s"));
	ck_assert(meters_spend(meters, &app, 100, true, NOW_US, NULL));
}
END_TEST

START_TEST(asking_costs_nothing_and_a_refund_gives_back)
{
	limits.messages_per_day = 1;
	for (int i = 0; i < 10; i++)
		ck_assert(meters_spend(meters, &app, 1, false, NOW_US, NULL));
	ck_assert_uint_eq(spend_all(1, NOW_US), 1);
	meters_refund(meters, &app, 1);
	ck_assert_uint_eq(spend_all(1, NOW_US), 1);
}
END_TEST

START_TEST(a_message_larger_than_the_quota_passes_when_nothing_is_used)
{
	limits.bytes_per_hour = 1000;
	ck_assert_uint_eq(spend_all(5000, NOW_US), 1);
	ck_assert_uint_eq(spend_all(1, NOW_US + 3599 * SECOND_US), 999);
}
END_TEST

START_TEST(apps_are_metered_apart_and_without_limits_freely)
{
	Postern__App other = POSTERN__APP__INIT;
	other.name = (char *)"news";
	limits.messages_per_hour = 1;
	ck_assert_uint_eq(spend_all(1, NOW_US), 1);
	ck_assert(meters_spend(meters, &other, 1, true, NOW_US, NULL));
	ck_assert(meters_spend(meters, &other, 1, true, NOW_US, NULL));
}
END_TEST

START_TEST(sessions_are_counted_up_and_down)
{
	ck_assert(meters_enter(meters, SLICE("shop"), 2));
	ck_assert(meters_enter(meters, SLICE("shop"), 2));
	ck_assert(!meters_enter(meters, SLICE("shop"), 2));
	ck_assert(meters_enter(meters, SLICE("news"), 2));
	meters_leave(meters, SLICE("shop"));
	ck_assert(meters_enter(meters, SLICE("shop"), 2));
	ck_assert(meters_enter(meters, SLICE("shop"), 0));
}
END_TEST

Suite *limits_suite(void)
{
	Suite *suite = suite_create("limits");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, open_meters, close_meters);
	tcase_add_loop_test(all, an_address_is_in_its_networks, 0,
		(int)(sizeof(networks) / sizeof(*networks)));
	tcase_add_test(all, a_rested_app_has_its_whole_quota_and_then_what_flows_back);
	tcase_add_test(all, the_narrowest_limit_decides_and_says_when_it_opens);
	tcase_add_test(all, asking_costs_nothing_and_a_refund_gives_back);
	tcase_add_test(all, a_message_larger_than_the_quota_passes_when_nothing_is_used);
	tcase_add_test(all, apps_are_metered_apart_and_without_limits_freely);
	tcase_add_test(all, sessions_are_counted_up_and_down);
	suite_add_tcase(suite, all);
	return suite;
}
