/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/loop.h"

struct trace {
	struct loop *loop;
	int count, stop_at;
	int order[4];
};

static void count_up(void *with)
{
	struct trace *trace = with;
	if (++trace->count == trace->stop_at)
		loop_stop(trace->loop);
}

static void *post_many(void *with)
{
	struct trace *trace = with;
	for (int i = 0; i < 1000; i++)
		loop_post(trace->loop, count_up, trace);
	return NULL;
}

START_TEST(calls_posted_by_threads_all_run)
{
	struct trace trace = { .loop = loop_new(), .stop_at = 4000 };
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, post_many, &trace);
	loop_run(trace.loop);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(trace.count, 4000);
	loop_free(trace.loop);
}
END_TEST

START_TEST(a_timer_fires_once_and_can_be_moved)
{
	struct trace trace = { .loop = loop_new(), .stop_at = 1 };
	struct timer *timer = timer_new(trace.loop, count_up, &trace);
	int64_t start = clock_monotonic_ms();
	timer_start(timer, 5);
	timer_start(timer, 40);
	loop_run(trace.loop);
	ck_assert_int_ge(clock_monotonic_ms() - start, 39);
	ck_assert_int_eq(trace.count, 1);
	ck_assert(!timer_is_running(timer));
	timer_free(timer);
	loop_free(trace.loop);
}
END_TEST

static void read_one(void *with, unsigned what)
{
	ck_assert_uint_eq(what, LOOP_READ);
	count_up(with);
}

START_TEST(a_watch_sees_bytes_and_signals)
{
	struct trace trace = { .loop = loop_new(), .stop_at = 1 };
	int ends[2];
	ck_assert_int_eq(pipe(ends), 0);
	struct watch *watch = watch_new(trace.loop, ends[0], LOOP_READ, read_one, &trace);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	loop_run(trace.loop);
	watch_change(watch, 0);
	loop_post(trace.loop, count_up, &trace);
	trace.stop_at = 2;
	loop_run(trace.loop);
	ck_assert_int_eq(trace.count, 2);
	watch_free(watch);
	close(ends[0]);
	close(ends[1]);
	loop_free(trace.loop);
}
END_TEST

Suite *loop_suite(void)
{
	Suite *suite = suite_create("loop");
	TCase *all = tcase_create("all");
	tcase_add_test(all, calls_posted_by_threads_all_run);
	tcase_add_test(all, a_timer_fires_once_and_can_be_moved);
	tcase_add_test(all, a_watch_sees_bytes_and_signals);
	suite_add_tcase(suite, all);
	return suite;
}
