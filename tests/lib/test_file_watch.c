/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file_watch.h"

static struct loop *loop;
static struct timer *deadline;
static char folder[64];
static int calls;

static void on_changed(void *with)
{
	(void)with;
	calls++;
	loop_stop(loop);
}

static void on_deadline(void *with)
{
	(void)with;
	loop_stop(loop);
}

static void setup(void)
{
	snprintf(folder, sizeof(folder), "/tmp/postern-watch-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	loop = loop_new();
	deadline = timer_new(loop, on_deadline, NULL);
	calls = 0;
}

static void teardown(void)
{
	timer_free(deadline);
	loop_free(loop);
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static const char *in_folder(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *content)
{
	FILE *file = fopen(in_folder(name), "w");
	ck_assert_ptr_nonnull(file);
	fputs(content, file);
	fclose(file);
}

static int run(int64_t for_ms)
{
	calls = 0;
	timer_start(deadline, for_ms);
	loop_run(loop);
	timer_stop(deadline);
	return calls;
}

static void expect_change(void)
{
	ck_assert_int_eq(run(20000), 1);
}

static void expect_silence(void)
{
	ck_assert_int_eq(run(600), 0);
}

START_TEST(a_file_that_is_written_or_replaced_is_seen)
{
	struct fault fault = { 0 };
	write_file("key", "one");
	struct file_watch *watch = file_watch_new(
		loop, in_folder("key"), on_changed, NULL, &fault);
	ck_assert_msg(watch != NULL, "%s", fault.text);
	write_file("key", "second");
	expect_change();
	write_file("new", "third1");
	ck_assert_int_eq(rename(in_folder("new"), in_folder("key")), 0);
	expect_change();
	unlink(in_folder("key"));
	expect_change();
	file_watch_free(watch);
}
END_TEST

START_TEST(another_file_beside_it_is_not_reported)
{
	write_file("key", "one");
	struct file_watch *watch = file_watch_new(
		loop, in_folder("key"), on_changed, NULL, NULL);
	write_file("other", "x");
	expect_silence();
	file_watch_free(watch);
}
END_TEST

START_TEST(a_run_of_changes_is_reported_once)
{
	struct file_watch *watch = file_watch_new(loop, folder, on_changed, NULL, NULL);
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof(name), "key%d", i);
		write_file(name, name);
	}
	expect_change();
	expect_silence();
	unlink(in_folder("key3"));
	expect_change();
	file_watch_free(watch);
}
END_TEST

/* As Kubernetes mounts secrets: keys -> ..data/keys, and ..data is replaced. */
START_TEST(a_symbolic_link_on_the_way_may_be_replaced)
{
	mkdir(in_folder("v1"), 0700);
	mkdir(in_folder("v2"), 0700);
	write_file("v1/key", "one");
	write_file("v2/key", "two");
	ck_assert_int_eq(symlink("v1", in_folder("data")), 0);
	ck_assert_int_eq(symlink("data/key", in_folder("key")), 0);
	struct file_watch *watch = file_watch_new(
		loop, in_folder("key"), on_changed, NULL, NULL);
	ck_assert_int_eq(symlink("v2", in_folder("data2")), 0);
	ck_assert_int_eq(rename(in_folder("data2"), in_folder("data")), 0);
	expect_change();
	file_watch_free(watch);
}
END_TEST

START_TEST(a_folder_that_comes_late_is_watched)
{
	struct file_watch *watch = file_watch_new(
		loop, in_folder("keys/"), on_changed, NULL, NULL);
	ck_assert_ptr_nonnull(watch);
	mkdir(in_folder("keys"), 0700);
	expect_change();
	write_file("keys/a", "x");
	expect_change();
	file_watch_free(watch);
}
END_TEST

START_TEST(a_path_without_a_parent_is_refused)
{
	struct fault fault = { 0 };
	ck_assert_ptr_null(
		file_watch_new(loop, in_folder("none/key"), on_changed, NULL, &fault));
	ck_assert_int_eq(fault.kind, FAULT_PERMANENT);
	ck_assert_ptr_nonnull(strstr(fault.text, "/none: No such file"));
}
END_TEST

Suite *file_watch_suite(void)
{
	Suite *suite = suite_create("file_watch");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 60);
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, a_file_that_is_written_or_replaced_is_seen);
	tcase_add_test(all, another_file_beside_it_is_not_reported);
	tcase_add_test(all, a_run_of_changes_is_reported_once);
	tcase_add_test(all, a_symbolic_link_on_the_way_may_be_replaced);
	tcase_add_test(all, a_folder_that_comes_late_is_watched);
	tcase_add_test(all, a_path_without_a_parent_is_refused);
	suite_add_tcase(suite, all);
	return suite;
}
