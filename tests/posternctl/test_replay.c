/* SPDX-License-Identifier: MIT
 *
 * Which mails are meant, and where they may go again. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cli/filter.h"
#include "cli/replay.h"
#include "lib/id.h"
#include "tests/posternctl/sample.h"

static struct arena *arena;

static void setup(void)
{
	arena = arena_new();
}

static void teardown(void)
{
	arena_free(arena);
}

static const struct {
	const char *text;
	bool matches;
} filters[] = {
	{ "app=shop", true },
	{ "app=sho", false },
	{ "app=shop,lane=urgent,pool=default,verdict=hold", true },
	{ "app=shop,verdict=clear", false },
	{ "verdict=none", false },
	{ "from=bounces@shop.example", true },
	{ "from=ORDERS@*", true },
	{ "from=*@evil.example", false },
	{ "to=bob@*", true },
	{ "to=ann@customer.example", true },
	{ "to=*@shop.example", false },
	{ "id=" SAMPLE_ID, true },
	{ "id=01890000-0000-7000-8000-000000000001", false },
};

START_TEST(a_filter_matches_when_all_its_terms_do)
{
	struct filter filter = { 0 };
	struct fault fault;
	ck_assert(filter_add(&filter, arena, filters[_i].text, &fault));
	Postern__Mail *mail = sample_mail(arena, SAMPLE_ID);
	mail->verdict->decision = POSTERN__DECISION__DECISION_HOLD;
	ck_assert_int_eq(filter_matches(&filter, mail), filters[_i].matches);
}
END_TEST

static const char *const bad_filters[] = { "", "app", "app=shop,", "shape=round",
	"verdict=bad", "lane=fast", "verdict=hold clear", "=x" };

START_TEST(a_filter_that_is_not_understood_is_refused)
{
	struct filter filter = { 0 };
	struct fault fault = { 0 };
	ck_assert(!filter_add(&filter, arena, bad_filters[_i], &fault));
	ck_assert_int_eq(fault.kind, FAULT_PERMANENT);
}
END_TEST

static const struct {
	const char *into, *from;
	bool is_cleared;
	const char *topic; /* NULL: refused */
} ways[] = {
	{ "mail.accepted", "mail.accepted.urgent", false, "mail.accepted.urgent" },
	{ "mail.accepted.bulk", "mail.cleared", true, "mail.accepted.bulk" },
	{ "mail.accepted", "mail.outbound.default", true, "mail.accepted.urgent" },
	{ "mail.cleared", "mail.accepted", true, "mail.cleared.urgent" },
	{ "mail.cleared", "mail.accepted", false, NULL },
	{ "mail.outbound", "mail.outbound.x.bulk", true, "mail.outbound.default.urgent" },
	{ "mail.outbound.otp", "mail.outbound", true, "mail.outbound.otp.urgent" },
	{ "mail.outbound.bulk", "mail.outbound", true, "mail.outbound.bulk.urgent" },
	{ "mail.outbound.otp.bulk", "mail.outbound", true, "mail.outbound.otp.bulk" },
	{ "mail.outbound", "mail.outbound", false, NULL },
	{ "mail.outbound", "mail.cleared", true, NULL },
	{ "mail.quarantine", "mail.cleared", true, NULL },
	{ "mail.acceptedx", "mail.cleared", true, NULL },
	{ "mail.accepted.fast", "mail.cleared", true, NULL },
	{ "control", "mail.cleared", true, NULL },
	{ "mail.accepted", "mail.quarantine", true, NULL },
	{ "mail.accepted", "mail.events", true, NULL },
	{ "mail.accepted", "control", true, NULL },
};

START_TEST(nothing_goes_behind_the_scanner_or_signer_unseen)
{
	struct replay_target target;
	struct fault fault = { 0 };
	Postern__Mail *mail = sample_mail(arena, SAMPLE_ID);
	if (ways[_i].is_cleared)
		mail->verdict->decision = POSTERN__DECISION__DECISION_CLEAR;
	else
		mail->verdict->decision = POSTERN__DECISION__DECISION_HOLD;
	const char *topic = NULL;
	if (replay_target_parse(&target, arena, ways[_i].into, &fault) &&
		replay_check_source(&target, ways[_i].from, &fault) &&
		!replay_refusal(&target, mail))
		topic = replay_prepare(&target, arena, mail, false);
	ck_assert_pstr_eq(topic, ways[_i].topic);
}
END_TEST

START_TEST(a_released_mail_may_go_behind_the_scanner)
{
	struct replay_target target;
	struct fault fault;
	Postern__Mail *mail = sample_mail(arena, SAMPLE_ID);
	Postern__Release release = POSTERN__RELEASE__INIT;
	mail->verdict->decision = POSTERN__DECISION__DECISION_HOLD;
	ck_assert(replay_target_parse(&target, arena, "mail.cleared", &fault));
	ck_assert_ptr_nonnull(replay_refusal(&target, mail));
	mail->release = &release;
	ck_assert_ptr_null(replay_refusal(&target, mail));
}
END_TEST

START_TEST(what_a_stage_does_anew_is_taken_off)
{
	struct replay_target target;
	struct fault fault;
	Postern__Mail *mail = sample_mail(arena, SAMPLE_ID);
	mail->verdict->decision = POSTERN__DECISION__DECISION_CLEAR;
	ck_assert_uint_eq(mail->n_headers, 2);
	ck_assert(replay_target_parse(&target, arena, "mail.outbound", &fault));
	replay_prepare(&target, arena, mail, false);
	ck_assert_uint_eq(mail->n_headers, 2);
	ck_assert(replay_target_parse(&target, arena, "mail.cleared", &fault));
	replay_prepare(&target, arena, mail, false);
	ck_assert_uint_eq(mail->n_headers, 1);
	ck_assert_mem_eq(mail->headers[0].data, "Received:", 9);
	ck_assert_ptr_nonnull(mail->verdict);
	ck_assert(replay_target_parse(&target, arena, "mail.accepted", &fault));
	replay_prepare(&target, arena, mail, false);
	ck_assert_ptr_null(mail->verdict);
	ck_assert_str_eq(mail->id, SAMPLE_ID);
}
END_TEST

START_TEST(again_makes_a_new_message_of_it)
{
	struct replay_target target;
	struct fault fault;
	Postern__Mail *mail = sample_mail(arena, SAMPLE_ID);
	int64_t received_us = mail->submission->received_us;
	ck_assert(replay_target_parse(&target, arena, "mail.accepted", &fault));
	replay_prepare(&target, arena, mail, true);
	ck_assert_str_ne(mail->id, SAMPLE_ID);
	ck_assert(id_is_valid(slice_of(mail->id)));
	ck_assert_int_gt(mail->submission->received_us, received_us);
	ck_assert_uint_eq(mail->n_steps, 0);
}
END_TEST

Suite *replay_suite(void)
{
	Suite *suite = suite_create("replay");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_loop_test(all, a_filter_matches_when_all_its_terms_do, 0,
		sizeof(filters) / sizeof(*filters));
	tcase_add_loop_test(all, a_filter_that_is_not_understood_is_refused, 0,
		sizeof(bad_filters) / sizeof(*bad_filters));
	tcase_add_loop_test(all, nothing_goes_behind_the_scanner_or_signer_unseen, 0,
		sizeof(ways) / sizeof(*ways));
	tcase_add_test(all, a_released_mail_may_go_behind_the_scanner);
	tcase_add_test(all, what_a_stage_does_anew_is_taken_off);
	tcase_add_test(all, again_makes_a_new_message_of_it);
	suite_add_tcase(suite, all);
	return suite;
}
