/* SPDX-License-Identifier: MIT */
#include "lib/thread.h"

#include <check.h>
#include <sched.h>
#include <sys/resource.h>

/* In threads of their own, for what is said there does not go with the test. */
static void run(void *(*body)(void *))
{
	pthread_t thread;
	thread_start(&thread, "test", body, NULL);
	pthread_join(thread, NULL);
}

static int nice_here(void)
{
	return getpriority(PRIO_PROCESS, 0);
}

static void *compute_for_a_while(void *with)
{
	int nice = nice_here();
	thread_compute_some();
	ck_assert_int_eq(sched_getscheduler(0), SCHED_BATCH);
	ck_assert_int_eq(nice_here(), nice);
	thread_answer();
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
	ck_assert_int_eq(nice_here(), nice);
	return with;
}

static void *compute(void *with)
{
	thread_answer();
	thread_compute();
	ck_assert_int_eq(sched_getscheduler(0), SCHED_BATCH);
	ck_assert_int_ge(nice_here(), 10);
	return with;
}

static void *be_idle(void *with)
{
	const struct sched_param none = { 0 };
	ck_assert_int_eq(sched_setscheduler(0, SCHED_IDLE, &none), 0);
	thread_answer();
	ck_assert_int_eq(sched_getscheduler(0), SCHED_IDLE);
	thread_compute();
	ck_assert_int_eq(sched_getscheduler(0), SCHED_IDLE);
	return with;
}

START_TEST(who_has_computed_for_a_while_answers_again)
{
	run(compute_for_a_while);
}
END_TEST

START_TEST(who_computes_for_good_gives_way)
{
	int nice = nice_here();
	run(compute);
	ck_assert_int_eq(nice_here(), nice);
}
END_TEST

START_TEST(a_policy_someone_chose_stays)
{
	run(be_idle);
}
END_TEST

Suite *thread_suite(void)
{
	Suite *suite = suite_create("thread");
	TCase *tcase = tcase_create("thread");
	tcase_add_test(tcase, who_has_computed_for_a_while_answers_again);
	tcase_add_test(tcase, who_computes_for_good_gives_way);
	tcase_add_test(tcase, a_policy_someone_chose_stays);
	suite_add_tcase(suite, tcase);
	return suite;
}
