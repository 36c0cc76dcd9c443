/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/job.h"
#include "lib/mail.h"
#include "lib/topics.h"
#include "tests/lib/bench.h"

#define IN      "mail.accepted.normal"
#define OUT     "mail.cleared.normal"
#define CONTENT "From: ann@example.com\r\n\r\nHello\r\n"
#define SOON    10000

static char folder[64];
static struct stage *stage;
static unsigned works;        /* how often work was called */
static struct job *in_hand;   /* of the last call that kept it */
static unsigned last_attempt; /* of the last call */
static bool is_drained;

static void setup(void)
{
	log_set_level(LOG_ERROR + 1);
	snprintf(folder, sizeof(folder), "/tmp/postern-stage-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	bench_open(folder);
	bench_app("shop", POSTERN__APP_STATE__APP_ACTIVE, "");
	works = 0;
	in_hand = NULL;
	is_drained = false;
}

static void close_stage(void)
{
	stage_close(stage);
	stage = NULL;
}

static void teardown(void)
{
	close_stage();
	bench_close();
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void open_stage(void (*work)(void *with, struct job *job))
{
	struct fault fault = { 0 };
	const struct stage_plan plan = {
		.name = "tester",
		.consumes = TOPIC_ACCEPTED,
		.window = 16,
		.window_bytes = 1 << 20,
		.work = work,
	};
	stage = stage_open(&bench.process, &plan, &fault);
	ck_assert_msg(stage != NULL, "%s", fault.text);
}

/* What the services do: one output, one event. */
static void emit_cleared(struct job *job)
{
	job_emit(job, OUT, job_mail(job), 0);
	job_event(job, job_new_event(job, POSTERN__EVENT_KIND__EVENT_CLEARED));
}

static void work_finish(void *with, struct job *job)
{
	(void)with;
	works++;
	last_attempt = job_attempt(job);
	emit_cleared(job);
	job_finish(job);
}

static void work_keep(void *with, struct job *job)
{
	(void)with;
	works++;
	last_attempt = job_attempt(job);
	in_hand = job;
}

static bool one_settled(void)
{
	return bench.settled == 1;
}

static bool one_returned(void)
{
	return bench.returned == 1;
}

static bool one_in_hand(void)
{
	return in_hand != NULL;
}

static bool worked_twice(void)
{
	return works == 2;
}

static struct job *take_one(void)
{
	bench_publish_mail(IN, "shop", CONTENT);
	open_stage(work_keep);
	ck_assert(bench_wait(one_in_hand, SOON));
	return in_hand;
}

/* The only record of a topic. */
static struct bench_record only(const char *topic)
{
	struct bench_record records[8];
	ck_assert_uint_eq(bench_read(topic, records, 8), 1);
	return records[0];
}

static size_t count(const char *topic)
{
	struct bench_record records[32];
	return bench_read(topic, records, 32);
}

static Postern__Mail *mail_in(const char *topic)
{
	struct fault fault = { 0 };
	Postern__Mail *mail = mail_decode(bench.process.arena, only(topic).value, &fault);
	ck_assert_msg(mail != NULL, "%s", fault.text);
	return mail;
}

/* The only event of that kind. */
static Postern__Event *event_of(Postern__EventKind kind)
{
	struct bench_record records[32];
	Postern__Event *found = NULL;
	size_t events = bench_read(TOPIC_EVENTS, records, 32);
	for (size_t i = 0; i < events; i++) {
		Postern__Event *event = event_decode(
			bench.process.arena, records[i].value, NULL);
		ck_assert_ptr_nonnull(event);
		ck_assert(slice_equal(records[i].key, slice_of(event->message_id)));
		if (event->kind != kind)
			continue;
		ck_assert_ptr_null(found);
		found = event;
	}
	ck_assert_msg(found != NULL, "no event of kind %d among %zu", (int)kind, events);
	return found;
}

/* The group is never given anything again. */
static void expect_nothing_left(void)
{
	close_stage();
	works = 0;
	open_stage(work_keep);
	bench_run(100);
	ck_assert_uint_eq(works, 0);
}

START_TEST(a_mail_goes_on_and_is_settled)
{
	struct id id = bench_publish_mail(IN, "shop", CONTENT);
	open_stage(work_finish);
	ck_assert(bench_wait(one_settled, SOON));
	ck_assert_uint_eq(bench.durable_at_settle, 2);
	Postern__Mail *mail = mail_in(OUT);
	ck_assert_str_eq(mail->id, id.text);
	ck_assert_uint_eq(mail->n_steps, 1);
	ck_assert_str_eq(mail->steps[0]->stage, "tester");
	ck_assert_int_le(mail->steps[0]->started_us, mail->steps[0]->finished_us);
	Postern__Event *event = event_of(POSTERN__EVENT_KIND__EVENT_CLEARED);
	ck_assert_str_eq(event->message_id, id.text);
	ck_assert_str_eq(event->app, "shop");
	ck_assert_str_eq(event->service, "tester");
	ck_assert_str_eq(event->instance, "tester-1");
	ck_assert_str_eq(event->pool, "default");
	ck_assert_int_eq(event->lane, POSTERN__LANE__LANE_NORMAL);
	ck_assert_uint_eq(event->attempt, 1);
	ck_assert_int_gt(event->time_us, 0);
	ck_assert_int_le(event->started_us, event->time_us);
	ck_assert_uint_eq(stage_in_hand(stage), 0);
	expect_nothing_left();
}
END_TEST

START_TEST(a_mail_without_outputs_is_just_settled)
{
	struct job *job = take_one();
	job_finish(job);
	ck_assert(bench_wait(one_settled, SOON));
	ck_assert_uint_eq(count(TOPIC_EVENTS), 0);
	expect_nothing_left();
}
END_TEST

START_TEST(a_job_carries_what_its_owner_gave_it)
{
	struct job *job = take_one();
	job_set_data(job, &works);
	ck_assert_ptr_eq(job_data(job), &works);
	ck_assert_ptr_eq(job_process(job), &bench.process);
	ck_assert_int_gt(job_started_us(job), 0);
	ck_assert_str_eq(job_mail(job)->app, "shop");
	ck_assert_uint_eq(stage_in_hand(stage), 1);
	job_finish(job);
	ck_assert(bench_wait(one_settled, SOON));
}
END_TEST

START_TEST(an_announcement_is_out_before_the_end)
{
	struct job *job = take_one();
	Postern__Event *event = job_new_event(job, POSTERN__EVENT_KIND__EVENT_ALERT);
	event->reason = "look";
	job_announce(job, event);
	bench_run(200);
	ck_assert_str_eq(event_of(POSTERN__EVENT_KIND__EVENT_ALERT)->reason, "look");
	ck_assert_uint_eq(bench.settled, 0);
	job_finish(job);
	ck_assert(bench_wait(one_settled, SOON));
}
END_TEST

/* In a process of its own, which dies at the n-th settle or where `work` says; gives the
 * signal that killed it. */
static int die_elsewhere(void (*work)(void *with, struct job *job), unsigned settle)
{
	bench_close();
	pid_t child = fork();
	if (child == 0) {
		bench_open(folder);
		bench_app("shop", POSTERN__APP_STATE__APP_ACTIVE, "");
		bench.dies_at_settle = settle;
		open_stage(work);
		bench_run(SOON);
		_exit(1);
	}
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	bench_open(folder);
	bench_app("shop", POSTERN__APP_STATE__APP_ACTIVE, "");
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void work_die(void *with, struct job *job)
{
	(void)with;
	emit_cleared(job);
	kill(getpid(), SIGKILL);
}

static void work_die_publishing(void *with, struct job *job)
{
	(void)with;
	emit_cleared(job);
	job_finish(job);
	kill(getpid(), SIGKILL);
}

static void (*const deaths[])(
	void *with, struct job *job) = { work_finish, work_die, work_die_publishing };

START_TEST(a_mail_survives_the_death_of_the_process)
{
	struct id id = bench_publish_mail(IN, "shop", CONTENT);
	ck_assert_int_eq(die_elsewhere(deaths[_i], 1), SIGKILL);
	/* After `work_finish` it was durable, but not settled. */
	if (deaths[_i] == work_finish)
		ck_assert_str_eq(mail_in(OUT)->id, id.text);
	open_stage(work_finish);
	ck_assert(bench_wait(one_settled, SOON));
	struct bench_record records[4];
	size_t copies = bench_read(OUT, records, 4);
	ck_assert_uint_ge(copies, 1);
	for (size_t i = 0; i < copies; i++)
		ck_assert(slice_equal(mail_peek_id(records[i].value), slice_of(id.text)));
	expect_nothing_left();
}
END_TEST

#define MAILS 30

static unsigned wanted;

static bool enough_settled(void)
{
	return bench.settled >= wanted;
}

START_TEST(a_death_among_many_mails_loses_none)
{
	struct id ids[MAILS];
	for (size_t i = 0; i < MAILS; i++)
		ids[i] = bench_publish_mail(IN, "shop", CONTENT);
	ck_assert_int_eq(die_elsewhere(work_finish, (unsigned)_i), SIGKILL);
	struct bench_record records[2 * MAILS];
	size_t before = bench_read(OUT, records, 2 * MAILS);
	ck_assert_uint_ge(before, (size_t)_i);
	open_stage(work_finish);
	wanted = MAILS - ((unsigned)_i - 1);
	ck_assert(bench_wait(enough_settled, SOON));
	bench_run(50);
	size_t copies = bench_read(OUT, records, 2 * MAILS);
	for (size_t i = 0; i < MAILS; i++) {
		size_t found = 0;
		for (size_t j = 0; j < copies; j++)
			found += slice_equal(
				mail_peek_id(records[j].value), slice_of(ids[i].text));
		ck_assert_msg(found >= 1, "mail %zu of %d is lost", i, MAILS);
	}
	expect_nothing_left();
}
END_TEST

static struct slice damage(size_t how)
{
	struct bench_record record = only(IN);
	char *bytes = (char *)record.value.data;
	switch (how) {
	case 0: /* unknown version */
		bytes[1] = 9;
		return record.value;
	case 1: /* truncated */
		return slice_head(record.value, record.value.size - 3);
	case 2: /* empty */
		return SLICE("");
	default:
		return SLICE("\x08\x01\xff\xff\xff\xff rubbish");
	}
}

static const struct {
	const char *reason;
	bool has_id;
} damages[] = {
	{ "record version 9 is not known here", true },
	{ "not a Mail record", true },
	{ "record version 0 is not known here", false },
	{ "not a Mail record", false },
};

START_TEST(a_damaged_record_goes_to_the_dead_and_others_pass)
{
	struct id id = bench_publish_mail(IN, "shop", CONTENT);
	struct slice damaged = damage(_i);
	bench_publish(IN, SLICE("shop/0"), damaged);
	bench_publish_mail(IN, "shop", CONTENT);
	open_stage(work_finish);
	while (bench.settled < 3)
		bench_run(20);
	ck_assert_uint_eq(works, 2);
	struct bench_record record = only(TOPIC_DEAD);
	ck_assert(slice_equal(record.key, SLICE(IN)));
	Postern__DeadRecord *dead = dead_record_decode(
		bench.process.arena, record.value, NULL);
	ck_assert_ptr_nonnull(dead);
	ck_assert_str_eq(dead->topic, IN);
	ck_assert_str_eq(dead->service, "tester");
	ck_assert_ptr_nonnull(strstr(dead->reason, damages[_i].reason));
	ck_assert_int_gt(dead->time_us, 0);
	ck_assert(slice_equal(
		(struct slice){ (char *)dead->value.data, dead->value.len }, damaged));
	ck_assert(slice_equal((struct slice){ (char *)dead->key.data, dead->key.len },
		SLICE("shop/0")));
	if (damages[_i].has_id)
		ck_assert_str_eq(
			event_of(POSTERN__EVENT_KIND__EVENT_DEAD)->message_id, id.text);
	expect_nothing_left();
}
END_TEST

START_TEST(a_dead_letter_that_can_not_be_published_stops_nothing)
{
	bench.failure = (struct bench_failure){ TOPIC_DEAD, FAULT_PERMANENT, 1 };
	bench_publish(IN, SLICE("k"), SLICE("rubbish"));
	bench_publish_mail(IN, "shop", CONTENT);
	open_stage(work_finish);
	ck_assert(bench_wait(one_settled, SOON));
	ck_assert(bench_wait(one_returned, SOON));
	ck_assert_int_gt(bench.returned_due_ms, clock_unix_ms());
	ck_assert_uint_eq(count(TOPIC_DEAD), 0);
	ck_assert_uint_eq(count(OUT), 1);
}
END_TEST

START_TEST(a_rejected_job_goes_to_the_dead)
{
	struct job *job = take_one();
	struct fault why = { 0 };
	fault_permanent(&why, "its hash is wrong");
	job_emit(job, OUT, job_mail(job), 0);
	job_reject(job, &why);
	ck_assert(bench_wait(one_settled, SOON));
	ck_assert_uint_eq(count(OUT), 0);
	ck_assert_str_eq(event_of(POSTERN__EVENT_KIND__EVENT_DEAD)->reason, why.text);
	ck_assert_uint_eq(count(TOPIC_DEAD), 1);
}
END_TEST

static const struct {
	const char *app;
	Postern__AppState state;
	const char *why, *reason;
} inactive[] = {
	{ "shop", POSTERN__APP_STATE__APP_SUSPENDED, "", "app \"shop\" is suspended" },
	{ "shop", POSTERN__APP_STATE__APP_SUSPENDED, "too loud",
		"app \"shop\" is suspended: too loud" },
	{ "shop", POSTERN__APP_STATE__APP_REVOKED, "", "app \"shop\" is revoked" },
	{ "ghost", POSTERN__APP_STATE__APP_ACTIVE, "", "app \"ghost\" is not known" },
};

static Postern__Mail *expect_held(const char *reason)
{
	Postern__Mail *mail = mail_in(TOPIC_QUARANTINE);
	ck_assert(slice_equal(only(TOPIC_QUARANTINE).key, slice_of(mail->id)));
	ck_assert_str_eq(mail->hold->reason, reason);
	ck_assert_str_eq(mail->hold->stage, "tester");
	ck_assert_int_gt(mail->hold->held_us, 0);
	Postern__Event *event = event_of(POSTERN__EVENT_KIND__EVENT_HELD);
	ck_assert_str_eq(event->reason, reason);
	ck_assert_str_eq(event->message_id, mail->id);
	ck_assert_uint_eq(count(OUT), 0);
	return mail;
}

START_TEST(mail_of_an_inactive_app_is_held_before_any_work)
{
	bench_app("shop", inactive[_i].state, inactive[_i].why);
	struct id id = bench_publish_mail(IN, inactive[_i].app, CONTENT);
	open_stage(work_finish);
	ck_assert(bench_wait(one_settled, SOON));
	ck_assert_uint_eq(works, 0);
	Postern__Mail *mail = expect_held(inactive[_i].reason);
	ck_assert_str_eq(mail->id, id.text);
	ck_assert_str_eq(mail->hold->resume, TOPIC_ACCEPTED);
	expect_nothing_left();
}
END_TEST

START_TEST(an_app_suspended_during_the_work_sends_nothing)
{
	struct job *job = take_one();
	emit_cleared(job);
	bench_app("shop", POSTERN__APP_STATE__APP_SUSPENDED, "");
	job_finish(job);
	ck_assert(bench_wait(one_settled, SOON));
	expect_held("app \"shop\" is suspended");
	event_of(POSTERN__EVENT_KIND__EVENT_CLEARED);
}
END_TEST

START_TEST(what_was_done_before_the_suspension_is_still_told)
{
	struct job *job = take_one();
	job_event(job, job_new_event(job, POSTERN__EVENT_KIND__EVENT_DELIVERED));
	bench_app("shop", POSTERN__APP_STATE__APP_SUSPENDED, "");
	job_finish(job);
	ck_assert(bench_wait(one_settled, SOON));
	event_of(POSTERN__EVENT_KIND__EVENT_DELIVERED);
	ck_assert_uint_eq(count(TOPIC_QUARANTINE), 0);
}
END_TEST

START_TEST(a_hold_keeps_the_mail_and_its_verdict)
{
	struct job *job = take_one();
	Postern__Verdict verdict = POSTERN__VERDICT__INIT;
	verdict.decision = POSTERN__DECISION__DECISION_HOLD;
	verdict.reason = "a card number";
	emit_cleared(job);
	job_hold(job, "a card number", TOPIC_CLEARED, &verdict);
	ck_assert(bench_wait(one_settled, SOON));
	Postern__Mail *mail = expect_held("a card number");
	ck_assert_str_eq(mail->hold->resume, TOPIC_CLEARED);
	ck_assert_int_eq(mail->verdict->decision, POSTERN__DECISION__DECISION_HOLD);
	ck_assert_uint_eq(mail->n_steps, 1);
	ck_assert_uint_eq(mail->content.len, sizeof(CONTENT) - 1);
	ck_assert_str_eq(event_of(POSTERN__EVENT_KIND__EVENT_HELD)->verdict->reason,
		"a card number");
	expect_nothing_left();
}
END_TEST

/* The command that let it go may still be deleting the first hold. */
START_TEST(a_mail_that_was_let_go_is_held_under_another_key)
{
	struct job *job = take_one();
	Postern__Mail mail = *job_mail(job);
	mail_add_step(job_arena(job), &mail, STEP_QUARANTINE, 5);
	job_replace_mail(job, &mail);
	job_hold(job, "a card number", TOPIC_CLEARED, NULL);
	ck_assert(bench_wait(one_settled, SOON));
	struct slice key = only(TOPIC_QUARANTINE).key;
	struct slice id = slice_of(mail_in(TOPIC_QUARANTINE)->id);
	ck_assert(slice_has_prefix_nocase(key, id));
	ck_assert(slice_equal(slice_skip(key, id.size), SLICE("/2")));
}
END_TEST

START_TEST(a_retry_comes_again_when_it_is_due)
{
	struct job *job = take_one();
	emit_cleared(job);
	int64_t before_ms = clock_unix_ms();
	job_retry(job, 700, "no key");
	ck_assert(bench_wait(worked_twice, SOON));
	ck_assert_int_ge(clock_unix_ms() - before_ms, 700);
	ck_assert_uint_eq(last_attempt, 2);
	ck_assert_uint_eq(bench.settled, 0);
	ck_assert_uint_eq(count(OUT), 0);
	Postern__Event *event = event_of(POSTERN__EVENT_KIND__EVENT_DEFERRED);
	ck_assert_str_eq(event->reason, "no key");
	ck_assert_int_ge(event->due_us, (before_ms + 700) * 1000);
	ck_assert_int_eq(event->due_us, bench.returned_due_ms * 1000);
	event_of(POSTERN__EVENT_KIND__EVENT_CLEARED);
}
END_TEST

START_TEST(a_return_is_silent)
{
	struct job *job = take_one();
	job_return(job, 0);
	ck_assert(bench_wait(worked_twice, SOON));
	ck_assert_uint_eq(last_attempt, 2);
	ck_assert_uint_eq(count(TOPIC_EVENTS), 0);
}
END_TEST

static const struct {
	unsigned attempt;
	Postern__Lane lane;
	int64_t least_ms, most_ms;
} delays[] = {
	{ 1, POSTERN__LANE__LANE_NORMAL, 500, 1000 },
	{ 2, POSTERN__LANE__LANE_NORMAL, 1000, 2000 },
	{ 5, POSTERN__LANE__LANE_BULK, 8000, 16000 },
	{ 9, POSTERN__LANE__LANE_UNSPECIFIED, 128000, 256000 },
	{ 10, POSTERN__LANE__LANE_NORMAL, 150000, 300000 },
	{ 1000000, POSTERN__LANE__LANE_NORMAL, 150000, 300000 },
	{ 1, POSTERN__LANE__LANE_URGENT, 500, 1000 },
	{ 4, POSTERN__LANE__LANE_URGENT, 4000, 8000 },
	{ 5, POSTERN__LANE__LANE_URGENT, 7500, 15000 },
	{ 1000000, POSTERN__LANE__LANE_URGENT, 7500, 15000 },
};

START_TEST(retries_wait_longer_each_time)
{
	int64_t least_ms = INT64_MAX, most_ms = 0;
	for (int i = 0; i < 500; i++) {
		int64_t delay_ms = job_retry_delay_ms(
			delays[_i].attempt, delays[_i].lane);
		least_ms = delay_ms < least_ms ? delay_ms : least_ms;
		most_ms = delay_ms > most_ms ? delay_ms : most_ms;
	}
	ck_assert_int_ge(least_ms, delays[_i].least_ms);
	ck_assert_int_le(most_ms, delays[_i].most_ms);
	ck_assert_int_gt(
		most_ms - least_ms, (delays[_i].most_ms - delays[_i].least_ms) / 2);
}
END_TEST

START_TEST(a_failed_publish_is_repeated_without_the_work)
{
	bench.failure = (struct bench_failure){ "mail.cleared", FAULT_TEMPORARY, 3 };
	bench_publish_mail(IN, "shop", CONTENT);
	open_stage(work_finish);
	ck_assert(bench_wait(one_settled, SOON));
	ck_assert_uint_eq(works, 1);
	ck_assert_uint_eq(bench.failure.times, 0);
	mail_in(OUT);
	event_of(POSTERN__EVENT_KIND__EVENT_CLEARED);
	expect_nothing_left();
}
END_TEST

START_TEST(after_many_failed_tries_the_mail_goes_back)
{
	struct job *job = take_one();
	stage->shipper.tries = 3;
	bench.failure = (struct bench_failure){ "mail.cleared", FAULT_TEMPORARY, 3 };
	emit_cleared(job);
	job_finish(job);
	in_hand = NULL;
	ck_assert(bench_wait(one_in_hand, SOON));
	ck_assert_uint_eq(bench.failure.times, 0);
	ck_assert_uint_eq(bench.returned, 1);
	ck_assert_uint_eq(bench.settled, 0);
	ck_assert_uint_eq(last_attempt, 2);
	emit_cleared(in_hand);
	job_finish(in_hand);
	ck_assert(bench_wait(one_settled, SOON));
	mail_in(OUT);
}
END_TEST

START_TEST(a_retry_whose_event_fails_comes_again_all_the_same)
{
	struct job *job = take_one();
	stage->shipper.tries = 1;
	bench.failure = (struct bench_failure){ TOPIC_EVENTS, FAULT_TEMPORARY, 1 };
	job_retry(job, 100, "no key");
	ck_assert(bench_wait(worked_twice, SOON));
	ck_assert_uint_eq(last_attempt, 2);
}
END_TEST

START_TEST(an_output_that_can_never_be_published_holds_the_mail)
{
	bench.failure = (struct bench_failure){ "mail.cleared", FAULT_PERMANENT, 1 };
	bench_publish_mail(IN, "shop", CONTENT);
	open_stage(work_finish);
	ck_assert(bench_wait(one_settled, SOON));
	Postern__Mail *mail = expect_held("can't be published: told to fail");
	ck_assert_str_eq(mail->hold->resume, TOPIC_ACCEPTED);
	expect_nothing_left();
}
END_TEST

START_TEST(a_hold_that_can_never_be_published_goes_to_the_dead)
{
	struct job *job = take_one();
	bench.failure = (struct bench_failure){ TOPIC_QUARANTINE, FAULT_PERMANENT, 1 };
	job_hold(job, "a card number", TOPIC_CLEARED, NULL);
	ck_assert(bench_wait(one_settled, SOON));
	Postern__DeadRecord *dead = dead_record_decode(
		bench.process.arena, only(TOPIC_DEAD).value, NULL);
	ck_assert_str_eq(dead->reason, "can't be published: told to fail");
	struct slice value = { (char *)dead->value.data, dead->value.len };
	ck_assert(slice_equal(value, only(IN).value));
}
END_TEST

START_TEST(what_can_be_published_nowhere_stays_in_its_topic)
{
	struct job *job = take_one();
	bench.failure = (struct bench_failure){ "mail.", FAULT_PERMANENT, 1000 };
	emit_cleared(job);
	job_finish(job);
	ck_assert(bench_wait(one_returned, SOON));
	ck_assert_uint_eq(bench.settled, 0);
	ck_assert_uint_eq(stage_in_hand(stage), 0);
}
END_TEST

static void on_drained(void *with)
{
	ck_assert_ptr_eq(with, &is_drained);
	is_drained = true;
}

static bool drained(void)
{
	return is_drained;
}

START_TEST(a_drain_waits_for_what_is_in_hand)
{
	struct job *job = take_one();
	stage_drain(stage, on_drained, &is_drained);
	bench_publish_mail(IN, "shop", CONTENT);
	bench_run(100);
	ck_assert(!is_drained);
	ck_assert_uint_eq(works, 1);
	emit_cleared(job);
	job_finish(job);
	ck_assert(bench_wait(drained, SOON));
	ck_assert_uint_eq(bench.settled, 1);
	ck_assert_uint_eq(works, 1);
}
END_TEST

START_TEST(an_idle_stage_drains_at_once)
{
	open_stage(work_keep);
	stage_drain(stage, on_drained, &is_drained);
	ck_assert(bench_wait(drained, SOON));
}
END_TEST

START_TEST(closing_gives_back_what_is_in_hand)
{
	take_one();
	bench.failure = (struct bench_failure){ "mail.cleared", FAULT_TEMPORARY, 1000 };
	emit_cleared(in_hand);
	job_finish(in_hand);
	bench_run(150);
	close_stage();
	bench.failure.times = 0;
	ck_assert_uint_eq(bench.settled, 0);
	open_stage(work_finish);
	ck_assert(bench_wait(one_settled, SOON));
	ck_assert_uint_eq(works, 2);
}
END_TEST

/* The reports come when job and stage are gone. */
START_TEST(closing_while_publishing_is_clean)
{
	struct job *job = take_one();
	emit_cleared(job);
	job_finish(job);
	close_stage();
	bench_run(200);
	ck_assert_uint_eq(bench.settled, 0);
	open_stage(work_finish);
	ck_assert(bench_wait(one_settled, SOON));
}
END_TEST

static void work_finish_twice(void *with, struct job *job)
{
	(void)with;
	fclose(stderr);
	emit_cleared(job);
	job_finish(job);
	job_finish(job);
}

START_TEST(ending_a_job_twice_is_our_own_mistake)
{
	bench_publish_mail(IN, "shop", CONTENT);
	ck_assert_int_eq(die_elsewhere(work_finish_twice, 0), SIGABRT);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(*(table)))

Suite *stage_suite(void)
{
	Suite *suite = suite_create("stage");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 60);
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, a_mail_goes_on_and_is_settled);
	tcase_add_test(all, a_mail_without_outputs_is_just_settled);
	tcase_add_test(all, a_job_carries_what_its_owner_gave_it);
	tcase_add_test(all, an_announcement_is_out_before_the_end);
	tcase_add_loop_test(
		all, a_mail_survives_the_death_of_the_process, 0, ROWS(deaths));
	tcase_add_loop_test(all, a_death_among_many_mails_loses_none, 1, 4);
	tcase_add_loop_test(
		all, a_damaged_record_goes_to_the_dead_and_others_pass, 0, ROWS(damages));
	tcase_add_test(all, a_dead_letter_that_can_not_be_published_stops_nothing);
	tcase_add_test(all, a_rejected_job_goes_to_the_dead);
	tcase_add_loop_test(
		all, mail_of_an_inactive_app_is_held_before_any_work, 0, ROWS(inactive));
	tcase_add_test(all, an_app_suspended_during_the_work_sends_nothing);
	tcase_add_test(all, what_was_done_before_the_suspension_is_still_told);
	tcase_add_test(all, a_hold_keeps_the_mail_and_its_verdict);
	tcase_add_test(all, a_mail_that_was_let_go_is_held_under_another_key);
	tcase_add_test(all, a_retry_comes_again_when_it_is_due);
	tcase_add_test(all, a_return_is_silent);
	tcase_add_loop_test(all, retries_wait_longer_each_time, 0, ROWS(delays));
	tcase_add_test(all, a_failed_publish_is_repeated_without_the_work);
	tcase_add_test(all, after_many_failed_tries_the_mail_goes_back);
	tcase_add_test(all, a_retry_whose_event_fails_comes_again_all_the_same);
	tcase_add_test(all, an_output_that_can_never_be_published_holds_the_mail);
	tcase_add_test(all, a_hold_that_can_never_be_published_goes_to_the_dead);
	tcase_add_test(all, what_can_be_published_nowhere_stays_in_its_topic);
	tcase_add_test(all, a_drain_waits_for_what_is_in_hand);
	tcase_add_test(all, an_idle_stage_drains_at_once);
	tcase_add_test(all, closing_gives_back_what_is_in_hand);
	tcase_add_test(all, closing_while_publishing_is_clean);
	tcase_add_test(all, ending_a_job_twice_is_our_own_mistake);
	suite_add_tcase(suite, all);
	return suite;
}
