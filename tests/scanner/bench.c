/* SPDX-License-Identifier: MIT */
#include "tests/scanner/bench.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static const struct log_field fields[] = { { "service", { "test", 4 }, 0, false },
	{ 0 } };
static const struct log bench_log = { NULL, fields };

static void on_alert(void *with, const char *reason)
{
	struct bench *bench = with;
	bench->n_alerts++;
	snprintf(bench->alert, sizeof(bench->alert), "%s", reason);
}

static void on_ready(void *with)
{
	struct bench *bench = with;
	ck_assert(!bench->is_ready);
	bench->is_ready = true;
}

static void on_failed(void *with, const struct fault *why)
{
	struct bench *bench = with;
	bench->failure = *why;
}

static void lose_patience(void *with)
{
	struct bench *bench = with;
	ck_abort_msg("%u of %u done after %d s", bench->n_done, bench->n_outcomes,
		PATIENCE_MS / 1000);
}

const char *bench_path(struct bench *bench, const char *name)
{
	char path[512];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	ck_assert_int_gt(length, 0);
	path[length] = '\0';
	*strrchr(path, '/') = '\0';
	return arena_printf(bench->arena, "%s/%s", path, name);
}

void bench_put_signature(struct bench *bench, const char *file, const char *text)
{
	const char *path = arena_printf(bench->arena, "%s/%s", bench->signatures, file);
	const char *draft = arena_printf(bench->arena, "%s/.draft", bench->signatures);
	FILE *stream = fopen(draft, "w");
	ck_assert(stream != NULL);
	fputs(text, stream);
	fclose(stream);
	ck_assert_int_eq(rename(draft, path), 0);
}

void bench_open(struct bench *bench, const char *program, unsigned workers)
{
	*bench = (struct bench){ .loop = loop_new(), .arena = arena_new() };
	struct fault fault = { 0 };
	log_set_level(LOG_ERROR);
	setenv("POSTERN_LOG_LEVEL", "error", 1);
	bench->folder = folder_open("/dev/shm", &fault);
	ck_assert_msg(bench->folder != NULL, "%s", fault.text);
	snprintf(bench->signatures, sizeof(bench->signatures),
		"/tmp/postern-test-signatures-XXXXXX");
	ck_assert(mkdtemp(bench->signatures) != NULL);
	ck_assert_int_eq(system(arena_printf(bench->arena,
				 "cp tests/fixtures/signatures/* %s", bench->signatures)),
		0);
	postern__worker_plan__init(&bench->worker_plan);
	bench->worker_plan.malware = bench->worker_plan.dlp = true;
	bench->worker_plan.signatures = bench->signatures;
	bench->worker_plan.unpacked_bytes = 64 << 20;
	bench->worker_plan.files = 1000;
	bench->worker_plan.depth = 16;
	bench->worker_plan.parts = 100;
	bench->worker_plan.memory_bytes = 128 << 20;
	bench->plan = (struct pool_plan){
		.generation = { program[0] == '/' ? program : bench_path(bench, program),
			folder_path(bench->folder), &bench->worker_plan, 60000 },
		.workers = workers,
		.timeout_ms = 10000,
		.log = &bench_log,
		.ready = on_ready,
		.failed = on_failed,
		.alert = on_alert,
		.with = bench,
	};
	bench->patience = timer_new(bench->loop, lose_patience, bench);
}

void bench_close(struct bench *bench)
{
	pool_close(bench->pool);
	folder_close(bench->folder);
	folder_remove(AT_FDCWD, bench->signatures);
	timer_free(bench->patience);
	loop_free(bench->loop);
	arena_free(bench->arena);
}

static void on_done(
	void *with, Postern__Inspection *inspection, const struct fault *fault)
{
	struct outcome *outcome = with;
	ck_assert(!outcome->place);
	outcome->inspection = inspection;
	if (fault)
		outcome->fault = *fault;
	outcome->place = ++outcome->bench->n_done;
}

struct outcome *bench_push(struct bench *bench, struct slice content, Postern__Lane lane)
{
	ck_assert_uint_lt(bench->n_outcomes, BENCH_MAX);
	struct outcome *outcome = &bench->outcomes[bench->n_outcomes++];
	*outcome = (struct outcome){ .bench = bench };
	outcome->order = (struct order){ .content = content,
		.turn.lane = lane,
		.arena = bench->arena,
		.log = &bench_log,
		.done = on_done,
		.with = outcome };
	pool_inspect(bench->pool, &outcome->order);
	return outcome;
}

struct outcome *bench_push_how(struct bench *bench, const char *how)
{
	const char *mail = arena_printf(bench->arena,
		"From: a@example.com\r\nSubject: x\r\n%s%s%s\r\nHello.\r\n",
		how ? "X-Misbehave: " : "", how ? how : "", how ? "\r\n" : "");
	return bench_push(bench, slice_of(mail), POSTERN__LANE__LANE_NORMAL);
}

static void stop(void *with)
{
	loop_stop(with);
}

void bench_pass(struct bench *bench, int64_t ms)
{
	struct timer *timer = timer_new(bench->loop, stop, bench->loop);
	timer_start(timer, ms);
	while (timer_is_running(timer))
		loop_run(bench->loop);
	timer_free(timer);
}

void bench_wait(struct bench *bench, bool (*is_so)(struct bench *bench))
{
	timer_start(bench->patience, PATIENCE_MS);
	while (!is_so(bench))
		bench_pass(bench, 10);
	timer_stop(bench->patience);
}

static bool is_ready(struct bench *bench)
{
	return bench->is_ready || bench->failure.kind;
}

static bool has_failed(struct bench *bench)
{
	return bench->failure.kind != FAULT_NONE;
}

void bench_start(struct bench *bench)
{
	struct fault fault = { 0 };
	bench->pool = pool_open(bench->loop, &bench->plan, &fault);
	ck_assert_msg(bench->pool != NULL, "%s", fault.text);
	bench_wait(bench, is_ready);
	ck_assert_msg(bench->is_ready, "%s", bench->failure.text);
}

void bench_fail(struct bench *bench)
{
	bench->pool = pool_open(bench->loop, &bench->plan, &bench->failure);
	struct fault why;
	ck_assert(!bench->pool || !pool_is_ready(bench->pool, &why));
	bench_wait(bench, has_failed);
}

static bool is_all_done(struct bench *bench)
{
	return bench->n_done == bench->n_outcomes;
}

void bench_run(struct bench *bench)
{
	bench_wait(bench, is_all_done);
}

unsigned bench_children(int pid, int *pids, unsigned max)
{
	char path[64];
	if (!pid)
		pid = getpid();
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	FILE *file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s", path);
	unsigned count = 0;
	while (count < max && fscanf(file, "%d", &pids[count]) == 1)
		count++;
	fclose(file);
	return count;
}
