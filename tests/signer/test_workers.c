/* SPDX-License-Identifier: MIT */
#include "services/signer/workers.h"

#include <check.h>
#include <semaphore.h>

#include "lib/loop.h"

struct task {
	struct work work; /* first */
	bool is_slow, is_done;
};

static struct loop *loop;
static sem_t go_on; /* for the slow one */

static struct task task_of(const char *app)
{
	return (struct task){ .work.turn = { .lane = POSTERN__LANE__LANE_NORMAL,
				      .app = slice_of(app) } };
}

static void run(void *with, struct work *work)
{
	(void)with;
	if (((struct task *)work)->is_slow)
		sem_wait(&go_on);
}

static void done(void *with, struct work *work)
{
	struct task *last = *(struct task **)with;
	((struct task *)work)->is_done = true;
	if ((struct task *)work == last)
		loop_stop(loop);
}

static const struct workers_calls calls = { run, done };

START_TEST(a_newcomer_does_not_wait_for_another_apps_burst)
{
	struct task burst[] = { task_of("ads"), task_of("ads") }, code = task_of("shop");
	struct task *last = &code;
	burst[0].is_slow = true;
	loop = loop_new();
	sem_init(&go_on, 0, 0);
	struct workers *workers = workers_new(loop, 1, &calls, &last);
	for (size_t i = 0; i < 2; i++)
		workers_add(workers, &burst[i].work);
	workers_add(workers, &code.work);
	loop_run(loop);
	ck_assert(!burst[0].is_done && !burst[1].is_done);
	last = &burst[1];
	sem_post(&go_on);
	loop_run(loop);
	ck_assert(burst[0].is_done);
	workers_free(workers);
	loop_free(loop);
	sem_destroy(&go_on);
}
END_TEST

static void stop(void *with)
{
	(void)with;
	loop_stop(loop);
}

START_TEST(all_of_many_apps_are_done)
{
	enum { TASKS = 2000 };
	static struct task tasks[TASKS];
	static const char *const apps[] = { "a", "b", "c", "d", "e", "f", "g" };
	struct task end = task_of("end"), *last = &end;
	size_t count = 0;
	loop = loop_new();
	struct workers *workers = workers_new(loop, 2, &calls, &last);
	for (size_t i = 0; i < TASKS; i++) {
		tasks[i] = task_of(apps[i % 7]);
		workers_add(workers, &tasks[i].work);
	}
	workers_add(workers, &end.work);
	loop_run(loop);
	for (int i = 0; i < 500 && count < TASKS; i++) {
		struct timer *moment = timer_new(loop, stop, NULL);
		timer_start(moment, 10);
		loop_run(loop);
		timer_free(moment);
		count = 0;
		for (size_t at = 0; at < TASKS; at++)
			count += tasks[at].is_done;
	}
	ck_assert_uint_eq(count, TASKS);
	workers_free(workers);
	loop_free(loop);
}
END_TEST

Suite *workers_suite(void)
{
	Suite *suite = suite_create("workers");
	TCase *tcase = tcase_create("workers");
	tcase_add_test(tcase, a_newcomer_does_not_wait_for_another_apps_burst);
	tcase_add_test(tcase, all_of_many_apps_are_done);
	suite_add_tcase(suite, tcase);
	return suite;
}
