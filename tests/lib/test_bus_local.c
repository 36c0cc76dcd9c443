/* SPDX-License-Identifier: MIT
 *
 * What only the local engine promises, or can be asked on one machine: full disks,
 * damaged files, retention that waits for groups, stopped members. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus_rig.h"
#include "lib/bus/local/groups.h"
#include "lib/memory.h"

static struct rig rig;
static struct takes takes;

static void begin(void)
{
	rig_plan(&rig, RIG_LOCAL);
	takes = (struct takes){ 0 };
}

static void finish(void)
{
	if (takes.reader)
		takes_done(&takes);
	rig_done(&rig);
}

static void hold_three(struct rig *child, int fd, void *with)
{
	struct takes held = { .keeps = true };
	takes_subscribe(&held, child, "g", with, 3);
	RIG_UNTIL(child, held.count == 3);
	child_say(fd, "held");
	RIG_UNTIL_MS(child, false, 60000);
}

START_TEST(a_stopped_member_keeps_what_it_has)
{
	begin();
	const char *topic = rig_topic(&rig, "stopped");
	struct child child;
	child_start(&child, &rig, hold_three, (void *)topic);
	rig_open(&rig);
	for (int i = 0; i < 10; i++)
		rig_publish(&rig, topic, "app/1", "x");
	char line[256];
	ck_assert(child_hear(&child, &rig, line));
	kill(child.pid, SIGSTOP);
	takes_subscribe(&takes, &rig, "g", topic, 10);
	RIG_UNTIL(&rig, takes.count == 7);
	RIG_UNTIL_MS(&rig, takes.count > 7, 1500);
	ck_assert_uint_eq(takes.count, 7);
	child_kill(&child);
	RIG_UNTIL(&rig, takes.count == 10);
	finish();
}
END_TEST

static size_t seen_count;
static bool is_over;
static char newest[64];

static void count_seen(
	void *with, const struct bus_delivery *delivery, const struct fault *fault)
{
	(void)with;
	ck_assert_ptr_null(fault);
	if (delivery) {
		seen_count++;
		snprintf(newest, sizeof(newest), "%.*s", SLICE_ARG(delivery->value));
		return;
	}
	is_over = true;
	loop_stop(rig.loop);
}

static size_t records_in(const char *topic)
{
	struct fault fault;
	seen_count = 0;
	is_over = false;
	struct bus_browser *browser = bus_browse(
		rig.bus, &(struct bus_range){ .topic = topic }, count_seen, NULL, &fault);
	RIG_UNTIL(&rig, is_over);
	bus_unbrowse(browser);
	return seen_count;
}

START_TEST(old_records_go_once_every_group_has_settled_them)
{
	begin();
	const char *topic = rig_topic(&rig, "brief");
	rig_open(&rig);
	for (int i = 0; i < 500; i++)
		rig_publish(&rig, topic, "app/1", i == 250 ? "kept" : "x");
	rig_flush(&rig);
	takes.keeps = true;
	takes_subscribe(&takes, &rig, "g", topic, 1000);
	RIG_UNTIL(&rig, takes.count == 500);
	RIG_UNTIL_MS(&rig, false, 1500);
	ck_assert_uint_eq(records_in(topic), 500);
	size_t kept = 0;
	for (size_t i = 0; i < 500; i++)
		if (strcmp(takes.rows[i].value, "kept") == 0)
			kept = i;
		else
			takes_settle(&takes, i);
	RIG_UNTIL(&rig, records_in(topic) == 1);
	ck_assert_str_eq(newest, "kept");
	takes_settle(&takes, kept);
	RIG_UNTIL(&rig, records_in(topic) == 0);
	/* Numbers go on: what comes now is new to the group. */
	rig_publish(&rig, topic, "app/1", "next");
	RIG_UNTIL(&rig, takes.count == 501);
	finish();
}
END_TEST

START_TEST(old_records_go_where_there_is_no_group)
{
	begin();
	const char *topic = rig_topic(&rig, "brief");
	rig_open(&rig);
	rig_publish(&rig, topic, "app/1", "old");
	rig_flush(&rig);
	ck_assert_uint_eq(records_in(topic), 1);
	RIG_UNTIL(&rig, records_in(topic) == 0);
	finish();
}
END_TEST

static void publish_kilobytes(const char *topic, int count)
{
	char value[4000];
	memset(value, 'x', sizeof(value));
	for (int i = 0; i < count; i++) {
		snprintf(value, sizeof(value), "%d", i);
		rig_publish_record(&rig, &(struct bus_record){ .topic = topic,
						 .key = SLICE("app/1"),
						 .value = { value, sizeof(value) } });
	}
	rig_flush(&rig);
}

START_TEST(the_oldest_go_beyond_the_size_a_topic_may_have)
{
	begin();
	const char *topic = rig_topic(&rig, "small");
	rig_open(&rig);
	publish_kilobytes(topic, 5000);
	RIG_UNTIL(&rig, records_in(topic) <= (512 << 10) / 4000);
	ck_assert_uint_ge(seen_count, 64);
	ck_assert_str_eq(newest, "4999");
	finish();
}
END_TEST

START_TEST(what_a_group_has_not_settled_may_exceed_the_size)
{
	begin();
	const char *topic = rig_topic(&rig, "small");
	rig_open(&rig);
	takes.keeps = true;
	takes_subscribe(&takes, &rig, "g", topic, 5000);
	publish_kilobytes(topic, 5000);
	RIG_UNTIL(&rig, takes.count == 5000);
	rig_turn(&rig, 2000); /* for a sweep to end */
	ck_assert_uint_eq(records_in(topic), 5000);
	for (size_t i = 0; i < 5000; i++)
		if (i != 100)
			takes_settle(&takes, i);
	rig_turn(&rig, 500);
	/* The next growth finds them. */
	publish_kilobytes(topic, 6000);
	RIG_UNTIL(&rig, records_in(topic) == 6001);
	finish();
}
END_TEST

START_TEST(a_deletion_is_forgotten_after_a_while)
{
	begin();
	const char *topic = rig_topic(&rig, "compact");
	rig_open(&rig);
	rig_publish(&rig, topic, "a", "1");
	rig_publish(&rig, topic, "b", "1");
	rig_publish(&rig, topic, "a", "");
	rig_flush(&rig);
	ck_assert_uint_eq(records_in(topic), 2);
	RIG_UNTIL(&rig, records_in(topic) == 1);
	finish();
}
END_TEST

/* SQLite as an outsider sees it, while nobody has the file open. */
static void run_sql(const char *topic, const char *ending, const char *sql)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s.%s", rig.folder, topic, ending);
	sqlite3 *handle;
	char *error = NULL;
	ck_assert_int_eq(sqlite3_open(path, &handle), SQLITE_OK);
	sqlite3_busy_timeout(handle, 5000);
	ck_assert_msg(
		sqlite3_exec(handle, sql, NULL, NULL, &error) == SQLITE_OK, "%s", error);
	sqlite3_close(handle);
}

START_TEST(a_damaged_record_stops_nothing)
{
	begin();
	const char *topic = rig_topic(&rig, "damaged");
	rig_open(&rig);
	for (int i = 0; i < 4; i++)
		rig_publish(&rig, topic, "app/1", "good");
	rig_flush(&rig);
	rig_close(&rig);
	run_sql(topic, "db",
		"UPDATE record SET key = NULL, value = NULL WHERE id = 1;"
		"UPDATE record SET value = 'text' WHERE id = 2;"
		"UPDATE record SET due = 'never', key = 7 WHERE id = 3");
	rig_open(&rig);
	takes_subscribe(&takes, &rig, "g", topic, 10);
	RIG_UNTIL(&rig, takes.count == 4);
	ck_assert_uint_eq(takes_of(&takes, ""), 1);
	ck_assert_uint_eq(takes_of(&takes, "good"), 2);
	ck_assert_uint_eq(records_in(topic), 4);
	finish();
}
END_TEST

static void overwrite(const char *topic, const char *ending)
{
	char path[256], rubbish[8192];
	snprintf(path, sizeof(path), "%s/%s.%s", rig.folder, topic, ending);
	memset(rubbish, 'r', sizeof(rubbish));
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(pwrite(fd, rubbish, sizeof(rubbish), 0), sizeof(rubbish));
	close(fd);
}

START_TEST(a_file_that_is_no_database_is_named_and_stops_no_other_topic)
{
	begin();
	const char *bad = rig_topic(&rig, "bad"), *good = rig_topic(&rig, "good");
	rig_open(&rig);
	overwrite(bad, "db");
	const struct bus_source sources[] = { { bad, 16 }, { good, 1 }, { 0 } };
	takes_subscribe_to(&takes, &rig,
		&(struct bus_subscription){
			.group = "g", .sources = sources, .window = 10 });
	rig_publish(&rig, bad, "", "x");
	rig_publish(&rig, good, "", "y");
	RIG_UNTIL(&rig, takes.count == 1 && rig.failed == 1);
	ck_assert_str_eq(takes.rows[0].value, "y");
	ck_assert_int_eq(rig.last_fault.kind, FAULT_TEMPORARY);
	ck_assert_ptr_nonnull(strstr(rig.last_fault.text, bad));
	ck_assert_ptr_nonnull(strstr(rig.last_fault.text, "not a database"));
	struct fault why = { 0 };
	ck_assert(!bus_is_healthy(rig.bus, &why));
	ck_assert_ptr_nonnull(strstr(why.text, bad));
	/* Moved away as the text says, it is made anew. */
	char path[256];
	snprintf(path, sizeof(path), "%s/%s.db", rig.folder, bad);
	ck_assert_int_eq(unlink(path), 0);
	RIG_UNTIL(&rig, bus_is_healthy(rig.bus, &why));
	rig_publish(&rig, bad, "", "z");
	RIG_UNTIL(&rig, takes.count == 2);
	finish();
}
END_TEST

static void path_of(const char *topic, const char *ending, char path[256])
{
	snprintf(path, 256, "%s/%s.%s", rig.folder, topic, ending);
}

static void copy_file(const char *from, const char *to)
{
	char command[600];
	snprintf(command, sizeof(command), "cp %s %s", from, to);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(a_group_takes_what_comes_into_a_new_or_an_older_file)
{
	begin();
	const char *topic = rig_topic(&rig, "numbers");
	char path[256], copy[256];
	path_of(topic, "db", path);
	path_of(topic, "copy", copy);
	for (int round = 0; round < 3; round++) {
		rig_open(&rig);
		takes_subscribe(&takes, &rig, "g", topic, 10);
		for (int i = 0; i < 10; i++)
			rig_publish(&rig, topic, "app/1", "x");
		rig_flush(&rig);
		RIG_UNTIL(&rig, takes.count == 10);
		rig_turn(&rig, 100);
		takes_done(&takes);
		rig_close(&rig);
		if (round == 0)
			copy_file(path, copy);
		else if (round == 1)
			copy_file(copy, path);
		else
			ck_assert_int_eq(unlink(path), 0);
	}
	/* The publisher alone must see to it: the group's members may come later. */
	rig_open(&rig);
	rig_publish(&rig, topic, "app/1", "new");
	rig_flush(&rig);
	takes_subscribe(&takes, &rig, "g", topic, 10);
	RIG_UNTIL(&rig, takes.count == 1);
	ck_assert_str_eq(takes.rows[0].value, "new");
	finish();
}
END_TEST

START_TEST(files_moved_away_under_a_running_bus_are_made_anew)
{
	begin();
	const char *topic = rig_topic(&rig, "compact-moved");
	rig_open(&rig);
	takes_subscribe(&takes, &rig, "g", topic, 10);
	rig_publish(&rig, topic, "a", "1");
	RIG_UNTIL(&rig, takes.count == 1);
	const char *endings[] = { "db", "db-wal", "db-shm" };
	for (int i = 0; i < 3; i++) {
		char path[256];
		path_of(topic, endings[i], path);
		ck_assert_int_eq(unlink(path), 0);
	}
	/* Refused once rather than written where nobody will read it. */
	rig_publish(&rig, topic, "a", "2");
	RIG_UNTIL(&rig, rig.failed == 1);
	ck_assert_int_eq(rig.last_fault.kind, FAULT_TEMPORARY);
	ck_assert_ptr_nonnull(strstr(rig.last_fault.text, "moved away"));
	rig_publish(&rig, topic, "a", "3");
	RIG_UNTIL(&rig, takes.count == 2);
	ck_assert_str_eq(takes.rows[1].value, "3");
	finish();
}
END_TEST

START_TEST(a_record_whose_bell_was_never_rung_is_found)
{
	begin();
	const char *topic = rig_topic(&rig, "silent");
	rig_open(&rig);
	takes_subscribe(&takes, &rig, "g", topic, 10);
	rig_publish(&rig, topic, "app/1", "first");
	RIG_UNTIL(&rig, takes.count == 1);
	/* As if its publisher had been killed between the commit and the ring. */
	run_sql(topic, "db",
		"INSERT INTO record (time, due, key, value) VALUES (0, 0, x'61', x'62')");
	RIG_UNTIL(&rig, takes.count == 2);
	finish();
}
END_TEST

START_TEST(a_large_record_is_not_held_up_by_small_ones_of_another_lane)
{
	begin();
	const struct bus_source sources[] = { { rig_topic(&rig, "urgent"), 16 },
		{ rig_topic(&rig, "bulk"), 1 }, { 0 } };
	rig_open(&rig);
	char *block = memory_new(90000);
	rig_publish_record(&rig, &(struct bus_record){ .topic = sources[1].topic,
					 .key = SLICE("app/1"),
					 .value = { block, 90000 } });
	for (int i = 0; i < 1000; i++)
		rig_publish_record(&rig, &(struct bus_record){ .topic = sources[0].topic,
						 .key = SLICE("app/1"),
						 .value = { block, 20000 } });
	rig_flush(&rig);
	free(block);
	takes_subscribe_to(&takes, &rig,
		&(struct bus_subscription){ .group = "g",
			.sources = sources,
			.window = 10,
			.window_bytes = 100000 });
	RIG_UNTIL(&rig, takes.count == 1001);
	size_t at = 0;
	while (takes.rows[at].size != 90000)
		at++;
	ck_assert_uint_le(at, 100);
	finish();
}
END_TEST

/* Fills the file system; returns the descriptor of the filler. */
static int fill_disk(void)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/filler", rig.folder);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	static const char block[4096];
	while (write(fd, block, sizeof(block)) > 0)
		;
	ck_assert_int_eq(errno, ENOSPC);
	unlink(path);
	return fd;
}

START_TEST(a_full_disk_is_temporary_and_goes_away_by_itself)
{
	begin();
	if (unshare(CLONE_NEWNS) < 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", rig.folder, "tmpfs", 0, "size=4m") < 0) {
		fprintf(stderr, "skipped: a full disk: no right to mount: %s\n",
			strerror(errno));
		rig_done(&rig);
		return;
	}
	const char *topic = rig_topic(&rig, "full");
	rig_open(&rig);
	rig_publish(&rig, topic, "app/1", "before");
	rig_flush(&rig);
	takes.keeps = true;
	takes_subscribe(&takes, &rig, "g", topic, 10);
	RIG_UNTIL(&rig, takes.count == 1);
	int filler = fill_disk();
	char value[300000] = "large";
	for (int i = 0; i < 3; i++)
		rig_publish_record(&rig, &(struct bus_record){ .topic = topic,
						 .value = { value, sizeof(value) } });
	RIG_UNTIL(&rig, rig.failed == 3);
	ck_assert_int_eq(rig.last_fault.kind, FAULT_TEMPORARY);
	ck_assert_ptr_nonnull(strstr(rig.last_fault.text, "full"));
	struct fault why = { 0 };
	ck_assert(!bus_is_healthy(rig.bus, &why));
	takes_settle(&takes, 0);
	rig_turn(&rig, 200);
	close(filler);
	int64_t freed_ms = clock_monotonic_ms();
	RIG_UNTIL(&rig, bus_is_healthy(rig.bus, &why));
	ck_assert_int_le(clock_monotonic_ms() - freed_ms, 3000);
	rig_publish(&rig, topic, "app/1", "after");
	RIG_UNTIL(&rig, takes_of(&takes, "after") == 1);
	takes_unsubscribe(&takes);
	takes_subscribe(&takes, &rig, "g", topic, 10);
	RIG_UNTIL(&rig, takes_of(&takes, "after") == 2);
	/* What was settled while the disk was full has been noted since. */
	ck_assert_uint_eq(takes_of(&takes, "before"), 1);
	takes_done(&takes);
	rig_close(&rig);
	ck_assert_int_eq(umount(rig.folder), 0);
	finish();
}
END_TEST

START_TEST(mail_at_rest_is_for_its_owner_only)
{
	begin();
	rig_open(&rig);
	ck_assert_int_eq(rmdir(rig.folder), 0);
	rig_close(&rig);
	rig_open(&rig);
	const char *topic = rig_topic(&rig, "private");
	rig_publish(&rig, topic, "", "x");
	takes_subscribe(&takes, &rig, "g", topic, 1);
	RIG_UNTIL(&rig, takes.count == 1);
	struct stat facts;
	ck_assert_int_eq(stat(rig.folder, &facts), 0);
	ck_assert_uint_eq(facts.st_mode & 0777, 0700);
	const char *endings[] = { "db", "db-wal", "groups", "groups-wal", "bell" };
	for (int i = 0; i < 5; i++) {
		char path[256];
		snprintf(path, sizeof(path), "%s/%s.%s", rig.folder, topic, endings[i]);
		ck_assert_int_eq(stat(path, &facts), 0);
		ck_assert_uint_eq(facts.st_mode & 0777, 0600);
	}
	finish();
}
END_TEST

START_TEST(what_root_makes_belongs_to_whom_the_folder_belongs)
{
	begin();
	if (chown(rig.folder, 65534, 65534) < 0) {
		fprintf(stderr, "skipped: files of root: not root\n");
		finish();
		return;
	}
	rig_open(&rig);
	const char *topic = rig_topic(&rig, "owned");
	rig_publish(&rig, topic, "", "x");
	takes_subscribe(&takes, &rig, "g", topic, 1);
	RIG_UNTIL(&rig, takes.count == 1);
	DIR *folder = opendir(rig.folder);
	int count = 0;
	for (struct dirent *entry; (entry = readdir(folder));) {
		struct stat facts;
		if (entry->d_type != DT_REG)
			continue;
		ck_assert_int_eq(fstatat(dirfd(folder), entry->d_name, &facts, 0), 0);
		ck_assert_msg(facts.st_uid == 65534, "%s is root's", entry->d_name);
		count++;
	}
	closedir(folder);
	/* Two databases with -wal and -shm, the bell, the members. */
	ck_assert_int_eq(count, 8);
	finish();
}
END_TEST

START_TEST(a_wal_stays_small_under_constant_load)
{
	begin();
	const char *topic = rig_topic(&rig, "wal");
	rig_open(&rig);
	takes_subscribe(&takes, &rig, "g", topic, 100);
	char path[256];
	snprintf(path, sizeof(path), "%s/%s.db-wal", rig.folder, topic);
	off_t largest = 0;
	for (int round = 0; round < 100; round++) {
		publish_kilobytes(topic, 500);
		struct stat facts;
		ck_assert_int_eq(stat(path, &facts), 0);
		if (facts.st_size > largest)
			largest = facts.st_size;
	}
	RIG_UNTIL(&rig, takes.count == 50000);
	/* 200 MB went through it. */
	ck_assert_int_le(largest, 96 << 20);
	finish();
}
END_TEST

START_TEST(a_take_costs_the_same_with_many_waiting)
{
	begin();
	const char *topic = rig_topic(&rig, "many");
	rig_open(&rig);
	for (int i = 0; i < 30000; i++) {
		char key[16];
		snprintf(key, sizeof(key), "app%d/0", i % 10000);
		rig_publish(&rig, topic, key, "x");
	}
	rig_flush(&rig);
	takes_subscribe(&takes, &rig, "g", topic, 1);
	RIG_UNTIL(&rig, takes.count >= 100);
	int64_t began_ms = clock_monotonic_ms();
	size_t count = takes.count;
	RIG_UNTIL(&rig, takes.count >= count + 500);
	/* A scan of what waits would cost some ms for each. */
	ck_assert_int_le(clock_monotonic_ms() - began_ms, 1500);
	/* Every app has its turn before one has its second. */
	for (size_t i = 1; i < takes.count; i++)
		ck_assert_str_ne(takes.rows[i].key, takes.rows[i - 1].key);
	finish();
}
END_TEST

static void publish_and_settle(struct rig *child, int fd, void *with)
{
	struct takes mine = { 0 };
	takes_subscribe(&mine, child, "g", with, 20);
	child_say(fd, "up");
	for (;;) {
		rig_publish(child, with, "app/1", "some value");
		if (child->asked % 20 == 0)
			rig_flush(child);
		rig_turn(child, 1);
	}
}

START_TEST(a_burst_in_a_lower_lane_leaves_room_for_a_higher)
{
	begin();
	takes.keeps = true;
	struct bus_source sources[] = { { NULL, 16 }, { NULL, 1 }, { 0 } };
	rig_open(&rig);
	sources[0].topic = rig_topic(&rig, "urgent");
	sources[1].topic = rig_topic(&rig, "bulk");
	for (int i = 0; i < 30; i++)
		rig_publish(&rig, sources[1].topic, "news/1", "x");
	rig_flush(&rig);
	takes_subscribe_to(&takes, &rig,
		&(struct bus_subscription){
			.group = rig.prefix, .sources = sources, .window = 16 });
	RIG_UNTIL(&rig, takes.count == 14);
	rig_turn(&rig, 100);
	ck_assert_uint_eq(takes.count, 14);
	rig_publish(&rig, sources[0].topic, "shop/1", "code");
	RIG_UNTIL(&rig, takes.count == 15);
	ck_assert_str_eq(takes.rows[14].topic, sources[0].topic);
	finish();
}
END_TEST

START_TEST(a_window_full_of_one_app_has_room_for_others)
{
	begin();
	takes.keeps = true;
	const char *topic = rig_topic(&rig, "crowded");
	rig_open(&rig);
	for (int i = 0; i < 50; i++)
		rig_publish(&rig, topic, "ads/1", "x");
	rig_flush(&rig);
	takes_subscribe(&takes, &rig, "g", topic, 32);
	RIG_UNTIL(&rig, takes.count == 32);
	rig_turn(&rig, 100);
	ck_assert_uint_eq(takes.count, 32);
	/* Apps that share a place count as one. */
	bool is_busy[CROWD_PLACES] = { 0 };
	is_busy[crowd_place(SLICE("ads"))] = true;
	char app[] = "a/1";
	for (int apps = 0; apps < 8; app[0]++) {
		unsigned place = crowd_place((struct slice){ app, 1 });
		if (is_busy[place])
			continue;
		is_busy[place] = true;
		apps++;
		rig_publish(&rig, topic, app, "code");
		rig_publish(&rig, topic, app, "code");
	}
	rig_flush(&rig);
	RIG_UNTIL(&rig, takes.count == 34);
	rig_turn(&rig, 100);
	ck_assert_uint_eq(takes.count, 34);
	ck_assert_uint_eq(takes_of(&takes, "code"), 2);
	ck_assert_str_ne(takes.rows[32].key, takes.rows[33].key);
	/* Four by turns, of which the burst has one or two, and two newcomers. */
	for (size_t i = 0; i < 6; i++)
		takes_settle(&takes, i);
	RIG_UNTIL(&rig, takes.count == 40);
	ck_assert_uint_ge(takes_of(&takes, "code"), 6);
	finish();
}
END_TEST

/* As if its publisher had been killed before it rang, while other topics ring. */
START_TEST(a_record_nobody_rang_for_is_taken)
{
	begin();
	const char *topic = rig_topic(&rig, "silent"), *other = rig_topic(&rig, "loud");
	rig_open(&rig);
	rig_publish(&rig, topic, "app/1", "first");
	takes_subscribe(&takes, &rig, "g", topic, 10);
	struct takes loud = { 0 };
	takes_subscribe(&loud, &rig, "g", other, 10);
	RIG_UNTIL(&rig, takes.count == 1);
	run_sql(topic, "db",
		"INSERT INTO record (time, due, key, value) VALUES (1, 0, 'k', 'v')");
	int64_t until_ms = clock_monotonic_ms() + 9000;
	while (takes.count == 1 && clock_monotonic_ms() < until_ms) {
		rig_publish(&rig, other, "app/1", "x");
		RIG_UNTIL_MS(&rig, takes.count == 2, 100);
	}
	ck_assert_uint_eq(takes.count, 2);
	takes_done(&loud);
	finish();
}
END_TEST

START_TEST(a_record_that_is_gone_before_it_is_taken_shows)
{
	begin();
	const char *topic = rig_topic(&rig, "gone");
	struct fault why = { 0 };
	rig_open(&rig);
	rig_publish(&rig, topic, "app/1", "first");
	rig_publish(&rig, topic, "app/1", "second");
	rig_publish(&rig, topic, "app/1", "third");
	rig_flush(&rig);
	takes.keeps = true;
	takes_subscribe(&takes, &rig, "g", topic, 1);
	RIG_UNTIL(&rig, takes.count == 1);
	ck_assert_uint_eq(bus_losses(rig.bus, &why), 0);
	run_sql(topic, "db", "DELETE FROM record WHERE value = CAST('second' AS BLOB)");
	takes_settle(&takes, 0);
	RIG_UNTIL(&rig, takes.count == 2);
	ck_assert_str_eq(takes.rows[1].value, "third");
	ck_assert_uint_eq(bus_losses(rig.bus, &why), 1);
	ck_assert_ptr_nonnull(strstr(why.text, "was gone before it was taken"));
	ck_assert_uint_eq(bus_losses(rig.bus, &why), 0);
	finish();
}
END_TEST

START_TEST(files_are_whole_after_kills)
{
	begin();
	const char *topic = rig_topic(&rig, "whole");
	for (int round = 0; round < 5; round++) {
		struct child children[2];
		char line[256];
		for (int i = 0; i < 2; i++)
			child_start(
				&children[i], &rig, publish_and_settle, (void *)topic);
		for (int i = 0; i < 2; i++)
			ck_assert(child_hear(&children[i], &rig, line));
		usleep(100000 + round * 7000);
		for (int i = 0; i < 2; i++)
			child_kill(&children[i]);
	}
	/* Fails unless the answer is "ok". */
	const char *check = "CREATE TEMP TABLE t (x CHECK (x = 'ok'));"
			    "INSERT INTO t SELECT integrity_check FROM"
			    " pragma_integrity_check";
	run_sql(topic, "db", check);
	run_sql(topic, "groups", check);
	rig_open(&rig);
	takes_subscribe(&takes, &rig, "g", topic, 20);
	rig_publish(&rig, topic, "app/2", "last");
	RIG_UNTIL(&rig, takes_of(&takes, "last") == 1);
	finish();
}
END_TEST

Suite *bus_local_suite(void)
{
	Suite *suite = suite_create("bus local");
	TCase *tcase = tcase_create("local");
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, a_stopped_member_keeps_what_it_has);
	tcase_add_test(tcase, a_record_nobody_rang_for_is_taken);
	tcase_add_test(tcase, a_record_that_is_gone_before_it_is_taken_shows);
	tcase_add_test(tcase, old_records_go_once_every_group_has_settled_them);
	tcase_add_test(tcase, old_records_go_where_there_is_no_group);
	tcase_add_test(tcase, the_oldest_go_beyond_the_size_a_topic_may_have);
	tcase_add_test(tcase, what_a_group_has_not_settled_may_exceed_the_size);
	tcase_add_test(tcase, a_deletion_is_forgotten_after_a_while);
	tcase_add_test(tcase, a_damaged_record_stops_nothing);
	tcase_add_test(
		tcase, a_file_that_is_no_database_is_named_and_stops_no_other_topic);
	tcase_add_test(tcase, a_group_takes_what_comes_into_a_new_or_an_older_file);
	tcase_add_test(tcase, files_moved_away_under_a_running_bus_are_made_anew);
	tcase_add_test(tcase, a_record_whose_bell_was_never_rung_is_found);
	tcase_add_test(
		tcase, a_large_record_is_not_held_up_by_small_ones_of_another_lane);
	tcase_add_test(tcase, a_full_disk_is_temporary_and_goes_away_by_itself);
	tcase_add_test(tcase, mail_at_rest_is_for_its_owner_only);
	tcase_add_test(tcase, what_root_makes_belongs_to_whom_the_folder_belongs);
	tcase_add_test(tcase, a_wal_stays_small_under_constant_load);
	tcase_add_test(tcase, a_take_costs_the_same_with_many_waiting);
	tcase_add_test(tcase, a_burst_in_a_lower_lane_leaves_room_for_a_higher);
	tcase_add_test(tcase, a_window_full_of_one_app_has_room_for_others);
	tcase_add_test(tcase, files_are_whole_after_kills);
	suite_add_tcase(suite, tcase);
	return suite;
}
