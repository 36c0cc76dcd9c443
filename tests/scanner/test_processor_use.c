/* SPDX-License-Identifier: MIT */
#include "services/scanner/processor_use.h"

#include <check.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *says;
	struct processor_use before, after;
	bool is_ready;
	int64_t ms;
	bool is_starved;
} cases[] = {
	{ "ran all the time", { 100, 5 }, { 700, 5 }, true, 600, false },
	{ "hardly ever ran", { 100, 5 }, { 110, 5 }, true, 600, true },
	{ "ran a third of it", { 100, 5 }, { 300, 200 }, true, 600, false },
	{ "sleeps", { 100, 5 }, { 101, 6 }, false, 600, false },
	{ "is done after a long wait", { 100, 5 }, { 150, 505 }, false, 600, true },
	{ "waited long before", { 100, 900 }, { 650, 910 }, false, 600, false },
	{ "is gone", { 100, 5 }, { 0, 0 }, false, 600, false },
	{ "nothing is known", { 0, 0 }, { 0, 0 }, false, 600, false },
};

START_TEST(who_was_kept_from_running_is_starved)
{
	ck_assert_msg(processor_use_is_starved(&cases[_i].before, &cases[_i].after,
			      cases[_i].is_ready, cases[_i].ms) == cases[_i].is_starved,
		"%s", cases[_i].says);
}
END_TEST

START_TEST(the_kernel_says_what_a_process_got)
{
	pid_t pid = fork();
	if (pid == 0)
		for (volatile unsigned long i = 0;; i++)
			;
	int pidfd = pidfd_open(pid, 0);
	int facts = processor_facts_open(pidfd);
	ck_assert_int_ge(facts, 0);
	struct processor_use use = { 0 };
	for (int i = 0; i < 100 && use.ran_ms < 20; i++) {
		usleep(50000);
		use = processor_use_of(facts);
	}
	ck_assert_int_ge(use.ran_ms, 20);
	/* It is ready, and has run too little for all this time. */
	ck_assert(processor_is_starved(facts, &use, 1000000));
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	ck_assert(!processor_is_starved(facts, &use, 1000000));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	use = processor_use_of(facts);
	ck_assert_int_eq(use.ran_ms, 0);
	ck_assert_int_eq(processor_facts_open(pidfd), -1);
	close(facts);
	close(pidfd);
}
END_TEST

Suite *processor_use_suite(void)
{
	Suite *suite = suite_create("processor use");
	TCase *tcase = tcase_create("processor use");
	tcase_add_loop_test(tcase, who_was_kept_from_running_is_starved, 0,
		sizeof(cases) / sizeof(*cases));
	tcase_add_test(tcase, the_kernel_says_what_a_process_got);
	suite_add_tcase(suite, tcase);
	return suite;
}
