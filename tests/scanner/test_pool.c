/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "services/scanner/wire.h"
#include "tests/fixtures/eicar.h"
#include "tests/scanner/bench.h"

#define REAL    "../../bin/scanner-worker"
#define HOSTILE "hostile-worker"

static struct bench bench;

static const Postern__Finding *finding_of(
	const struct outcome *outcome, const char *check)
{
	ck_assert_msg(outcome->inspection != NULL, "%s", outcome->fault.text);
	for (size_t i = 0; i < outcome->inspection->n_findings; i++)
		if (strcmp(outcome->inspection->findings[i]->check, check) == 0)
			return outcome->inspection->findings[i];
	return NULL;
}

static struct slice eicar_mail(void)
{
	return mail_with(
		bench.arena, "application/zip", "eicar.zip", eicar_zip(bench.arena));
}

START_TEST(a_real_worker_finds_eicar_and_clears_the_rest)
{
	bench_open(&bench, REAL, 2);
	bench_start(&bench);
	const struct outcome *bad = bench_push(
		&bench, eicar_mail(), POSTERN__LANE__LANE_NORMAL);
	for (unsigned i = 0; i < 20; i++)
		bench_push_how(&bench, NULL);
	bench_run(&bench);
	const Postern__Finding *finding = finding_of(bad, "malware");
	ck_assert(finding != NULL);
	ck_assert_str_eq(finding->part, "2 (eicar.zip) > eicar.com");
	for (unsigned i = 1; i < bench.n_outcomes; i++) {
		ck_assert(bench.outcomes[i].inspection != NULL);
		ck_assert_uint_eq(bench.outcomes[i].inspection->n_findings, 0);
	}
	ck_assert(strstr(bad->inspection->engine, "libclamav 1.") != NULL);
	bench_close(&bench);
}
END_TEST

/* In the packet, or in a file beside it. */
START_TEST(a_message_of_any_size_is_inspected_to_its_end)
{
	static const size_t sizes[] = { 500, CONTENT_CEILING - 1, CONTENT_CEILING,
		CONTENT_CEILING + 1, 5 * CONTENT_CEILING };
	static const char line[] = "This is one of the lines before the last.\r\n";
	bench_open(&bench, REAL, 1);
	bench_start(&bench);
	struct slice file = eicar_file(bench.arena);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char *mail = arena_alloc(bench.arena, sizes[i]);
		for (size_t at = 0; at < sizes[i]; at++)
			mail[at] = line[at % (sizeof(line) - 1)];
		memcpy(mail, "Subject: x\r\n\r\n", 14);
		char *end = mail + sizes[i] - file.size;
		memcpy(end - 2, "\r\n", 2);
		memcpy(end, file.data, file.size);
		bench_push(&bench, (struct slice){ mail, sizes[i] },
			POSTERN__LANE__LANE_NORMAL);
		mail = arena_alloc(bench.arena, sizes[i]);
		memcpy(mail, bench.outcomes[2 * i].order.content.data, sizes[i]);
		mail[sizes[i] - 1] = '?';
		bench_push(&bench, (struct slice){ mail, sizes[i] },
			POSTERN__LANE__LANE_NORMAL);
	}
	bench_run(&bench);
	for (unsigned i = 0; i < bench.n_outcomes; i++)
		ck_assert_msg((finding_of(&bench.outcomes[i], "malware") != NULL) ==
				      (i % 2 == 0),
			"message %u", i);
	bench_close(&bench);
}
END_TEST

/* The machine may have been busy enough to be to blame. */
static struct outcome *push_until_blamed(const char *how)
{
	struct outcome *outcome;
	int tries = 0;
	do {
		outcome = bench_push_how(&bench, how);
		bench_run(&bench);
	} while (outcome->fault.kind == FAULT_TEMPORARY && ++tries < 10);
	return outcome;
}

/* What a worker does to itself costs the one message its two tries and no other. */
static const struct {
	const char *how, *why;
} deaths[] = {
	{ "hang", "it took longer than it may" },
	{ "crash", "the worker died" },
	{ "leave", "the worker died" },
	{ "memory", "the worker died" },
	{ "socket", "the worker died" },
	{ "exec", "the worker died" },
	{ "fork", "the worker died" },
	{ "rubbish", "not a Inspection record" },
	{ "huge", "packet of more than" },
	{ "decide", "a finding with a decision of its own" },
	{ "fault", "out of sorts" },
};

START_TEST(a_message_that_kills_two_workers_is_given_up_and_others_go_on)
{
	bench_open(&bench, HOSTILE, 2);
	/* The others are to end by themselves, however slow the machine. */
	if (strcmp(deaths[_i].how, "hang") == 0)
		bench.plan.timeout_ms = 400;
	bench_start(&bench);
	bench_push_how(&bench, NULL);
	bench_push_how(&bench, deaths[_i].how);
	for (unsigned i = 0; i < 10; i++)
		bench_push_how(&bench, NULL);
	bench_run(&bench);
	const struct outcome *bad = &bench.outcomes[1];
	if (bad->fault.kind == FAULT_TEMPORARY)
		bad = push_until_blamed(deaths[_i].how);
	for (unsigned i = 0; i < bench.n_outcomes; i++) {
		const struct outcome *outcome = &bench.outcomes[i];
		if (i == 1 || i >= 12)
			continue;
		ck_assert_msg(
			outcome->inspection != NULL, "%u: %s", i, outcome->fault.text);
		ck_assert_uint_eq(outcome->inspection->n_findings, 0);
	}
	ck_assert(!bad->inspection);
	ck_assert_int_eq(bad->fault.kind, FAULT_PERMANENT);
	ck_assert_msg(strstr(bad->fault.text, "inspection failed twice: ") &&
			      strstr(bad->fault.text, deaths[_i].why),
		"%s", bad->fault.text);
	/* And a worker is there again. */
	bench_push_how(&bench, NULL);
	bench_run(&bench);
	bench_close(&bench);
}
END_TEST

static const struct {
	const char *how, *result;
} files[] = {
	{ "unpack", "opened" },
	{ "read", "Permission denied" },
	{ "escape", "Permission denied" },
};

START_TEST(a_worker_has_no_files_but_its_own)
{
	bench_open(&bench, HOSTILE, 1);
	bench_start(&bench);
	const struct outcome *outcome = bench_push_how(&bench, files[_i].how);
	bench_run(&bench);
	const Postern__Finding *finding = finding_of(outcome, "malware");
	ck_assert(finding != NULL);
	ck_assert_str_eq(finding->name, files[_i].result);
	bench_close(&bench);
}
END_TEST

static bool has_line(const char *path, const char *wanted)
{
	char line[256];
	bool found = false;
	FILE *file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s", path);
	while (fgets(line, sizeof(line), file))
		found = found || strncmp(line, wanted, strlen(wanted)) == 0;
	fclose(file);
	return found;
}

START_TEST(a_worker_is_locked_in)
{
	static const char *const facts[] = { "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
		"CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n" };
	bench_open(&bench, REAL, 1);
	bench_start(&bench);
	bench_push_how(&bench, NULL);
	bench_run(&bench);
	int pids[8] = { 0 };
	ck_assert_uint_eq(bench_children(0, pids, 8), 1);
	ck_assert_uint_eq(bench_children(pids[0], pids, 8), 2);
	const char *status = arena_printf(bench.arena, "/proc/%d/status", pids[0]);
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++)
		ck_assert_msg(has_line(status, facts[i]), "not %s", facts[i]);
	ck_assert(!has_line(status, "Uid:\t0\t"));
	ck_assert(has_line(arena_printf(bench.arena, "/proc/%d/limits", pids[0]),
		"Max core file size        0 "));
	ck_assert(!has_line(arena_printf(bench.arena, "/proc/%d/limits", pids[0]),
		"Max address space         unlimited"));
	/* Containers may not allow it; the scanner has logged that. */
	bool has_namespace = !strstr(pool_facts(bench.pool)->isolation, "network");
	char ours[64] = "", its[64] = "";
	ck_assert_int_gt(readlink("/proc/self/ns/net", ours, sizeof(ours) - 1), 0);
	ck_assert_int_gt(readlink(arena_printf(bench.arena, "/proc/%d/ns/net", pids[0]),
				 its, sizeof(its) - 1),
		0);
	ck_assert(!has_namespace || strcmp(ours, its) != 0);
	bench_close(&bench);
}
END_TEST

/* The modules of iconv are loaded when they are first needed: inside. */
START_TEST(character_sets_are_known_inside_the_sandbox)
{
	static const char *const mails[] = {
		"Subject: x\r\nContent-Type: text/plain; charset=windows-1252\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		"4012=A08888=A08888=A01881\r\n",
		"Subject: x\r\nContent-Type: text/plain; charset=utf-16le\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n"
		"NAAwADEAMgA4ADgAOAA4ADgAOAA4ADgAMQA4ADgAMQA=\r\n",
		"Subject: x\r\nContent-Type: text/plain; charset=IBM037\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n"
		"9PDx8vj4+Pj4+Pj48fj48Q==\r\n",
	};
	bench_open(&bench, REAL, 1);
	bench_start(&bench);
	for (size_t i = 0; i < 3; i++)
		bench_push(&bench, slice_of(mails[i]), POSTERN__LANE__LANE_NORMAL);
	bench_run(&bench);
	for (size_t i = 0; i < 3; i++)
		ck_assert_msg(
			finding_of(&bench.outcomes[i], "card_number") != NULL, "%zu", i);
	bench_close(&bench);
}
END_TEST

/* Kills the worker program, or what it has forked, while a message is in hand. */
static void kill_child_in_mid_scan(int generations)
{
	struct outcome *outcome = bench_push_how(&bench, "sleep");
	bench_pass(&bench, 100);
	int pids[8] = { 0 };
	size_t count = 0;
	for (int i = 0; i < generations; i++)
		count = bench_children(pids[0], pids, 8);
	ck_assert_uint_ge(count, 1);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(kill(pids[i], SIGKILL), 0);
	bench_run(&bench);
	ck_assert_msg(outcome->inspection != NULL, "%s", outcome->fault.text);
}

static void pin(bool is_pinned)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	for (int i = 0; i < (is_pinned ? 1 : CPU_SETSIZE); i++)
		CPU_SET(i, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static pid_t start_spinner(void)
{
	pid_t pid = fork();
	if (pid == 0)
		for (volatile unsigned long i = 0;; i++)
			;
	return pid;
}

START_TEST(a_machine_with_too_much_to_do_is_no_fault_of_the_message)
{
	pid_t spinners[3];
	pin(true); /* with the workers */
	bench_open(&bench, HOSTILE, 1);
	bench.plan.timeout_ms = 600;
	bench_start(&bench);
	bench_push_how(&bench, NULL);
	bench_run(&bench);
	for (size_t i = 0; i < 3; i++)
		spinners[i] = start_spinner();
	pin(false);
	const struct outcome *outcome = bench_push_how(&bench, "hang");
	bench_run(&bench);
	for (size_t i = 0; i < 3; i++)
		kill(spinners[i], SIGKILL);
	ck_assert_int_eq(outcome->fault.kind, FAULT_TEMPORARY);
	ck_assert_ptr_nonnull(strstr(outcome->fault.text, "overloaded"));
	ck_assert_uint_eq(outcome->order.losses, 0);
	/* With the processor to itself it is the message's. */
	outcome = push_until_blamed("hang");
	ck_assert_int_eq(outcome->fault.kind, FAULT_PERMANENT);
	bench_close(&bench);
}
END_TEST

START_TEST(a_program_that_hatches_no_worker_is_started_anew)
{
	bench_open(&bench, HOSTILE, 1);
	bench.plan.timeout_ms = 400;
	bench_start(&bench);
	bench_push_how(&bench, NULL);
	bench_run(&bench);
	int program[8] = { 0 }, worker[8] = { 0 };
	ck_assert_uint_eq(bench_children(0, program, 8), 1);
	ck_assert_uint_eq(bench_children(program[0], worker, 8), 2);
	ck_assert_int_eq(kill(program[0], SIGSTOP), 0);
	ck_assert_int_eq(kill(worker[0], SIGKILL), 0);
	ck_assert_int_eq(kill(worker[1], SIGKILL), 0);
	bench_pass(&bench, 100);
	struct outcome *outcome = bench_push_how(&bench, NULL);
	bench_run(&bench);
	ck_assert_msg(outcome->inspection != NULL, "%s", outcome->fault.text);
	ck_assert_uint_eq(outcome->order.losses, 0);
	bench_close(&bench);
}
END_TEST

START_TEST(a_worker_killed_in_mid_scan_costs_a_repeat)
{
	bench_open(&bench, HOSTILE, 1);
	bench_start(&bench);
	kill_child_in_mid_scan(2);
	ck_assert_uint_eq(bench.outcomes[0].order.losses, 1);
	bench_close(&bench);
}
END_TEST

START_TEST(a_worker_program_killed_is_started_anew_and_nothing_is_held_for_it)
{
	bench_open(&bench, HOSTILE, 1);
	bench_start(&bench);
	for (unsigned i = 0; i < 3; i++)
		kill_child_in_mid_scan(1);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(bench.outcomes[i].order.losses, 0);
	bench_close(&bench);
}
END_TEST

static bool has_new_signatures(struct bench *given)
{
	const Postern__WorkerReady *facts = pool_facts(given->pool);
	return facts && facts->signatures == 3;
}

START_TEST(new_signatures_are_used_and_no_message_is_dropped)
{
	bench_open(&bench, REAL, 2);
	bench_start(&bench);
	const char *mail =
		"From: a@example.com\r\nSubject: x\r\n\r\nvery-new-malware\r\n";
	bench_push(&bench, slice_of(mail), POSTERN__LANE__LANE_NORMAL);
	bench_run(&bench);
	ck_assert(!finding_of(&bench.outcomes[0], "malware"));
	bench_put_signature(&bench, "new.ndb",
		"Postern.Test.New:0:*:766572792d6e65772d6d616c77617265\n");
	pool_reload(bench.pool);
	for (unsigned i = 0; i < 30; i++)
		bench_push_how(&bench, NULL);
	bench_run(&bench);
	bench_wait(&bench, has_new_signatures);
	const struct outcome *outcome = bench_push(
		&bench, slice_of(mail), POSTERN__LANE__LANE_NORMAL);
	bench_run(&bench);
	ck_assert(finding_of(outcome, "malware") != NULL);
	for (unsigned i = 0; i < bench.n_outcomes; i++)
		ck_assert(bench.outcomes[i].inspection != NULL);
	/* The generation before is gone. */
	int pids[8];
	bench_pass(&bench, 300);
	ck_assert_uint_eq(bench_children(0, pids, 8), 1);
	bench_close(&bench);
}
END_TEST

static bool has_alert(struct bench *given)
{
	return given->n_alerts > 0;
}

START_TEST(damaged_signatures_leave_the_old_ones_in_use)
{
	bench_open(&bench, REAL, 1);
	bench_start(&bench);
	bench_put_signature(&bench, "bad.ndb", "half a lin");
	pool_reload(bench.pool);
	bench_wait(&bench, has_alert);
	ck_assert_msg(strstr(bench.alert, "Malformed database"), "%s", bench.alert);
	const struct outcome *outcome = bench_push(
		&bench, eicar_mail(), POSTERN__LANE__LANE_NORMAL);
	bench_run(&bench);
	ck_assert(finding_of(outcome, "malware") != NULL);
	struct fault why;
	ck_assert(pool_is_ready(bench.pool, &why));
	bench_close(&bench);
}
END_TEST

START_TEST(signatures_that_never_end_loading_leave_the_old_ones_in_use)
{
	bench_open(&bench, HOSTILE, 1);
	bench.plan.generation.load_ms = 1500;
	bench_start(&bench);
	bench_put_signature(&bench, "hang", "");
	pool_reload(bench.pool);
	bench_wait(&bench, has_alert);
	ck_assert_msg(strstr(bench.alert, "POSTERN_SCANNER_LOAD_TIMEOUT") != NULL, "%s",
		bench.alert);
	const struct outcome *outcome = bench_push_how(&bench, NULL);
	bench_run(&bench);
	ck_assert(outcome->inspection != NULL);
	int pids[8];
	ck_assert_uint_eq(bench_children(0, pids, 8), 1);
	bench_close(&bench);
}
END_TEST

START_TEST(a_first_load_without_an_end_fails_the_pool)
{
	bench_open(&bench, HOSTILE, 1);
	bench.plan.generation.load_ms = 200;
	bench_put_signature(&bench, "hang", "");
	bench_fail(&bench);
	ck_assert_msg(strstr(bench.failure.text, "POSTERN_SCANNER_LOAD_TIMEOUT") != NULL,
		"%s", bench.failure.text);
	bench_close(&bench);
}
END_TEST

static bool has_one_program(struct bench *with)
{
	int pids[8];
	return bench_children(0, pids, 8) == 1;
}

START_TEST(many_reloads_at_once_end_in_one_generation)
{
	bench_open(&bench, REAL, 2);
	bench_start(&bench);
	for (unsigned i = 0; i < 20; i++) {
		pool_reload(bench.pool);
		bench_push_how(&bench, NULL);
		bench_pass(&bench, 5);
	}
	bench_run(&bench);
	bench_wait(&bench, has_one_program);
	bench_close(&bench);
}
END_TEST

static const struct {
	const char *program, *signatures, *why;
} useless[] = {
	{ "no-such-program", NULL, "no-such-program: No such file" },
	{ REAL, "/dev/shm/no-such-folder", "no-such-folder: No such file" },
	{ "/bin/true", NULL, "ended" },
};

START_TEST(a_pool_that_can_not_inspect_says_why)
{
	bench_open(&bench, useless[_i].program, 1);
	if (useless[_i].signatures)
		bench.worker_plan.signatures = (char *)useless[_i].signatures;
	bench_fail(&bench);
	ck_assert_msg(
		strstr(bench.failure.text, useless[_i].why), "%s", bench.failure.text);
	bench_close(&bench);
}
END_TEST

START_TEST(what_comes_while_signatures_are_loaded_waits)
{
	bench_open(&bench, REAL, 2);
	struct fault fault = { 0 };
	bench.pool = pool_open(bench.loop, &bench.plan, &fault);
	ck_assert(bench.pool && !pool_is_ready(bench.pool, &fault));
	ck_assert(strstr(fault.text, "being loaded") != NULL);
	for (unsigned i = 0; i < 5; i++)
		bench_push_how(&bench, NULL);
	bench_run(&bench);
	ck_assert(bench.is_ready);
	bench_close(&bench);
}
END_TEST

START_TEST(urgent_mail_goes_first)
{
	bench_open(&bench, HOSTILE, 1);
	bench_start(&bench);
	bench_push_how(&bench, "sleep");
	struct slice mail = SLICE("Subject: x\r\n\r\ny\r\n");
	const struct outcome *bulk = bench_push(&bench, mail, POSTERN__LANE__LANE_BULK);
	const struct outcome *normal = bench_push(
		&bench, mail, POSTERN__LANE__LANE_NORMAL);
	const struct outcome *urgent = bench_push(
		&bench, mail, POSTERN__LANE__LANE_URGENT);
	bench_run(&bench);
	/* It has not even waited. */
	ck_assert_uint_eq(urgent->place, 1);
	ck_assert_uint_lt(normal->place, bulk->place);
	bench_close(&bench);
}
END_TEST

START_TEST(a_pool_closes_with_work_in_hand_and_leaves_nothing)
{
	bench_open(&bench, HOSTILE, 2);
	bench_start(&bench);
	for (unsigned i = 0; i < 10; i++)
		bench_push_how(&bench, "sleep");
	bench_pass(&bench, 100);
	pool_reload(bench.pool);
	bench_close(&bench);
	int pids[8];
	ck_assert_uint_eq(bench_children(0, pids, 8), 0);
	ck_assert_uint_eq(bench.n_done, 0);
}
END_TEST

Suite *pool_suite(void)
{
	Suite *suite = suite_create("pool");
	TCase *all = tcase_create("all");
	tcase_add_test(all, a_real_worker_finds_eicar_and_clears_the_rest);
	tcase_add_test(all, a_message_of_any_size_is_inspected_to_its_end);
	tcase_add_loop_test(all,
		a_message_that_kills_two_workers_is_given_up_and_others_go_on, 0,
		sizeof(deaths) / sizeof(*deaths));
	tcase_add_loop_test(all, a_worker_has_no_files_but_its_own, 0,
		sizeof(files) / sizeof(*files));
	tcase_add_test(all, a_worker_is_locked_in);
	tcase_add_test(all, character_sets_are_known_inside_the_sandbox);
	tcase_add_test(all, a_program_that_hatches_no_worker_is_started_anew);
	tcase_add_test(all, a_worker_killed_in_mid_scan_costs_a_repeat);
	tcase_add_test(
		all, a_worker_program_killed_is_started_anew_and_nothing_is_held_for_it);
	tcase_add_test(all, new_signatures_are_used_and_no_message_is_dropped);
	tcase_add_test(all, damaged_signatures_leave_the_old_ones_in_use);
	tcase_add_test(all, signatures_that_never_end_loading_leave_the_old_ones_in_use);
	tcase_add_test(all, a_first_load_without_an_end_fails_the_pool);
	tcase_add_test(all, many_reloads_at_once_end_in_one_generation);
	tcase_add_loop_test(all, a_pool_that_can_not_inspect_says_why, 0,
		sizeof(useless) / sizeof(*useless));
	tcase_add_test(all, what_comes_while_signatures_are_loaded_waits);
	tcase_add_test(all, urgent_mail_goes_first);
	tcase_add_test(all, a_pool_closes_with_work_in_hand_and_leaves_nothing);
	tcase_set_timeout(all, 60);
	tcase_add_test(all, a_machine_with_too_much_to_do_is_no_fault_of_the_message);
	suite_add_tcase(suite, all);
	return suite;
}
