/* SPDX-License-Identifier: MIT
 *
 * Bodies of the local engine: stored once however many topics they pass through, never
 * gone while a record needs them, gone some time after. */
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus_rig.h"
#include "lib/bus/local/keeper.h"
#include "lib/bus/local/bodies.h"
#include "lib/memory.h"

#define BODY  20000
#define MANY  200
#define AGED  120 /* seconds: older than what a sweep leaves alone */
#define INNER "SELECT count(*) FROM record WHERE body_file IS NOT NULL"

static struct rig rig;
static struct takes first, second;
static char block[BODY];

static void begin(void)
{
	rig_plan(&rig, RIG_LOCAL);
	first = second = (struct takes){ .keeps = true };
	rig_open(&rig);
}

static void finish(void)
{
	if (first.reader)
		takes_done(&first);
	if (second.reader)
		takes_done(&second);
	rig_done(&rig);
}

/* Tells from which number it was made, all over. */
static struct slice body_of(int number)
{
	for (size_t i = 0; i < BODY; i += 8)
		memcpy(block + i, &(int64_t){ number }, 8);
	return (struct slice){ block, BODY };
}

static void publish(const char *topic, int from, int to)
{
	for (int i = from; i < to; i++)
		rig_publish_record(&rig, &(struct bus_record){ .topic = topic,
						 .key = SLICE("app/1"),
						 .value = SLICE("head "),
						 .body = body_of(i) });
	rig_flush(&rig);
}

static bool is_whole(const struct taken *row, int number)
{
	struct slice value = row->delivery->value;
	return value.size == 5 + BODY && memcmp(value.data, "head ", 5) == 0 &&
	       memcmp(value.data + 5, body_of(number).data, BODY) == 0;
}

static int64_t ask(const char *topic, const char *sql)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s.db", rig.folder, topic);
	sqlite3 *handle;
	sqlite3_stmt *row;
	ck_assert_int_eq(sqlite3_open(path, &handle), SQLITE_OK);
	sqlite3_busy_timeout(handle, 5000);
	ck_assert_int_eq(sqlite3_prepare_v2(handle, sql, -1, &row, NULL), SQLITE_OK);
	int64_t number = 0;
	if (sqlite3_step(row) == SQLITE_ROW)
		number = sqlite3_column_int64(row, 0);
	ck_assert_int_eq(sqlite3_finalize(row), SQLITE_OK);
	sqlite3_close(handle);
	return number;
}

/* Calls `act` for each file of bodies; how many there are. */
static int each_file(void (*act)(const char *path))
{
	int count = 0;
	char path[512];
	DIR *folder = opendir(rig.folder);
	for (struct dirent *entry; (entry = readdir(folder));) {
		if (!body_file_number(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", rig.folder, entry->d_name);
		if (act)
			act(path);
		count++;
	}
	closedir(folder);
	return count;
}

static void age(const char *path)
{
	struct timespec times[2];
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= AGED;
	times[1] = times[0];
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void cut_off(const char *path)
{
	struct stat facts;
	ck_assert_int_eq(stat(path, &facts), 0);
	ck_assert_int_eq(truncate(path, facts.st_size - 1), 0);
}

static void delete (const char *path)
{
	ck_assert_int_eq(unlink(path), 0);
}

/* As if a minute had passed since the last sweep and anything was written. */
static void sweep(void)
{
	struct fault fault;
	char path[256];
	each_file(age);
	snprintf(path, sizeof(path), "%s/bodies.swept", rig.folder);
	if (access(path, F_OK) == 0)
		age(path);
	ck_assert_msg(
		bodies_sweep((struct local_bus *)rig.bus, &fault), "%s", fault.text);
}

/* Passes on what `first` has in hand, and settles it. */
static void pass_on(const char *topic)
{
	for (size_t i = 0; i < first.count; i++) {
		struct bus_delivery *delivery = first.rows[i].delivery;
		rig_publish_record(&rig, &(struct bus_record){ .topic = topic,
						 .key = delivery->key,
						 .value = SLICE("head "),
						 .body = slice_skip(delivery->value, 5),
						 .of = delivery });
	}
	rig_flush(&rig);
	for (size_t i = 0; i < first.count; i++)
		takes_settle(&first, i);
}

START_TEST(a_body_is_stored_once_for_all_topics_it_passes)
{
	begin();
	const char *one = rig_topic(&rig, "one"), *two = rig_topic(&rig, "two");
	publish(one, 0, MANY);
	takes_subscribe(&first, &rig, "g", one, MANY);
	RIG_UNTIL(&rig, first.count == MANY);
	int64_t before = bodies_on_disk((struct local_bus *)rig.bus);
	ck_assert_int_ge(before, (int64_t)(MANY - 20) * BODY);
	ck_assert_int_le(before, (int64_t)MANY * BODY + (2 << 20));
	pass_on(two);
	ck_assert_int_eq(bodies_on_disk((struct local_bus *)rig.bus), before);
	ck_assert_int_eq(ask(two, INNER), ask(one, INNER));
	takes_subscribe(&second, &rig, "g", two, MANY);
	RIG_UNTIL(&rig, second.count == MANY);
	for (int i = 0; i < MANY; i++)
		ck_assert(is_whole(&second.rows[i], i));
	finish();
}
END_TEST

START_TEST(a_publisher_of_few_leaves_no_file)
{
	begin();
	publish(rig_topic(&rig, "few"), 0, 10);
	ck_assert_int_eq(each_file(NULL), 0);
	finish();
}
END_TEST

START_TEST(a_compacted_topic_keeps_its_bodies_itself)
{
	begin();
	const char *one = rig_topic(&rig, "one"), *held = rig_topic(&rig, "compact-held");
	publish(one, 0, MANY);
	takes_subscribe(&first, &rig, "g", one, MANY);
	RIG_UNTIL(&rig, first.count == MANY);
	pass_on(held);
	ck_assert_int_eq(ask(held, INNER), 0);
	ck_assert_int_eq(ask(held, "SELECT max(length(value)) FROM record"), 5 + BODY);
	finish();
}
END_TEST

START_TEST(a_file_lives_as_long_as_a_record_of_any_topic_needs_it)
{
	begin();
	const char *one = rig_topic(&rig, "one"), *two = rig_topic(&rig, "two");
	publish(one, 0, MANY);
	takes_subscribe(&first, &rig, "g", one, MANY);
	RIG_UNTIL(&rig, first.count == MANY);
	pass_on(two);
	takes_done(&first);
	first = (struct takes){ 0 };
	rig_close(&rig);
	rig_open(&rig);
	ask(one, "DELETE FROM record");
	sweep();
	ck_assert_int_eq(each_file(NULL), 1);
	takes_subscribe(&second, &rig, "g", two, MANY);
	RIG_UNTIL(&rig, second.count == MANY);
	for (int i = 0; i < MANY; i++)
		ck_assert(is_whole(&second.rows[i], i));
	ask(two, "DELETE FROM record");
	sweep();
	/* What is in hand may be published again. */
	ck_assert_int_eq(each_file(NULL), 1);
	for (int i = 0; i < MANY; i++)
		takes_settle(&second, i);
	sweep();
	ck_assert_int_eq(each_file(NULL), 0);
	finish();
}
END_TEST

START_TEST(a_writer_keeps_the_file_it_writes)
{
	begin();
	const char *topic = rig_topic(&rig, "one");
	publish(topic, 0, MANY);
	ask(topic, "DELETE FROM record");
	sweep();
	ck_assert_int_eq(each_file(NULL), 1);
	publish(topic, MANY, MANY + 1);
	takes_subscribe(&first, &rig, "g", topic, 1);
	RIG_UNTIL(&rig, first.count == 1);
	ck_assert(is_whole(&first.rows[0], MANY));
	ck_assert_int_eq(each_file(NULL), 1);
	finish();
}
END_TEST

START_TEST(a_large_file_is_followed_by_another)
{
	enum { LARGE = 3000, MORE = 400 }; /* 60 MB, 68 MB */
	begin();
	const char *topic = rig_topic(&rig, "one");
	publish(topic, 0, LARGE);
	ck_assert_int_eq(each_file(NULL), 1);
	publish(topic, LARGE, LARGE + MORE);
	publish(topic, LARGE + MORE, LARGE + MORE + 1);
	ck_assert_int_eq(each_file(NULL), 2);
	takes_subscribe(&first, &rig, "g", topic, LARGE + MORE + 1);
	RIG_UNTIL(&rig, first.count == LARGE + MORE + 1);
	for (int i = 0; i <= LARGE + MORE; i++)
		ck_assert(is_whole(&first.rows[i], i));
	finish();
}
END_TEST

START_TEST(bodies_count_for_the_size_that_a_topic_may_have)
{
	begin();
	struct fault fault;
	bool is_done = false;
	const char *topic = rig_topic(&rig, "one");
	publish(topic, 0, MANY);
	struct kept kept = { .bus = (struct local_bus *)rig.bus,
		.topic = (char *)topic,
		.rules = &(struct bus_topic){ .retention_bytes = 1 << 20 } };
	struct topic_place place = local_place(kept.bus, topic, &kept.bell);
	ck_assert(bell_open(&kept.bell, rig.folder, topic, &fault));
	ck_assert(database_open(&kept.records, &place, DATABASE_RECORDS_READER, &fault));
	kept_begin_anew(&kept);
	while (!is_done)
		ck_assert_msg(kept_sweep(&kept, &is_done, &fault), "%s", fault.text);
	database_close(&kept.records);
	bell_close(&kept.bell);
	int64_t left = ask(topic, "SELECT count(*) FROM record");
	ck_assert_int_le(left * BODY, 1 << 20);
	ck_assert_int_ge(left * BODY, 1 << 19);
	finish();
}
END_TEST

START_TEST(the_space_of_dead_bodies_is_given_back)
{
	begin();
	const char *topic = rig_topic(&rig, "one");
	publish(topic, 0, MANY);
	rig_close(&rig);
	rig_open(&rig);
	int64_t before = bodies_on_disk((struct local_bus *)rig.bus);
	ask(topic, "DELETE FROM record WHERE id % 50 <> 0");
	sweep();
	ck_assert_int_lt(bodies_on_disk((struct local_bus *)rig.bus), before / 2);
	takes_subscribe(&first, &rig, "g", topic, MANY);
	RIG_UNTIL(&rig, first.count == MANY / 50);
	for (int i = 0; i < MANY / 50; i++)
		ck_assert(is_whole(&first.rows[i], 50 * i + 49));
	finish();
}
END_TEST

START_TEST(a_sweep_that_cannot_look_everywhere_deletes_nothing)
{
	begin();
	struct fault fault;
	char path[256];
	const char *topic = rig_topic(&rig, "one");
	publish(topic, 0, MANY);
	rig_close(&rig);
	ask(topic, "DELETE FROM record");
	snprintf(path, sizeof(path), "%s/%s.db", rig.folder, rig_topic(&rig, "bad"));
	FILE *bad = fopen(path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("this is no database\n", bad);
	fclose(bad);
	each_file(age);
	rig_open(&rig);
	ck_assert(!bodies_sweep((struct local_bus *)rig.bus, &fault));
	ck_assert(strstr(fault.text, "bad"));
	ck_assert_int_eq(each_file(NULL), 1);
	finish();
}
END_TEST

START_TEST(a_body_that_is_cut_off_makes_its_value_short)
{
	begin();
	const char *topic = rig_topic(&rig, "one");
	publish(topic, 0, MANY);
	rig_close(&rig);
	rig_open(&rig);
	each_file(cut_off);
	takes_subscribe(&first, &rig, "g", topic, MANY);
	RIG_UNTIL(&rig, first.count == MANY);
	ck_assert(is_whole(&first.rows[MANY - 2], MANY - 2));
	ck_assert_uint_eq(first.rows[MANY - 1].size, 5 + BODY - 1);
	struct fault why = { 0 };
	ck_assert_uint_eq(bus_losses(rig.bus, &why), 1);
	ck_assert_ptr_nonnull(strstr(why.text, "has lost bytes of its body"));
	finish();
}
END_TEST

START_TEST(a_record_without_its_file_or_with_a_mad_place_stops_nothing)
{
	begin();
	const char *topic = rig_topic(&rig, "one");
	publish(topic, 0, 20);
	rig_close(&rig);
	ask(topic, "UPDATE record SET body_size = -5 WHERE id = 20");
	ask(topic, "UPDATE record SET body_size = 1 << 62 WHERE id = 19");
	ask(topic, "UPDATE record SET body_at = 'x', body_file = -1 WHERE id = 18");
	each_file(delete);
	rig_open(&rig);
	takes_subscribe(&first, &rig, "g", topic, 50);
	RIG_UNTIL(&rig, first.count >= 16);
	for (int i = 0; i < 16; i++)
		ck_assert(is_whole(&first.rows[i], i));
	RIG_UNTIL_MS(&rig, first.count == 20, 5000);
	for (size_t i = 16; i < first.count; i++)
		ck_assert_uint_eq(first.rows[i].size, 5);
	ck_assert_uint_ge(first.count, 18);
	finish();
}
END_TEST

START_TEST(a_topic_of_the_version_before_is_taken_over)
{
	begin();
	const char *topic = rig_topic(&rig, "old");
	publish(topic, 0, 3);
	rig_close(&rig);
	ask(topic, "DROP INDEX record_body");
	ask(topic, "ALTER TABLE record DROP COLUMN body_file");
	ask(topic, "ALTER TABLE record DROP COLUMN body_at");
	ask(topic, "ALTER TABLE record DROP COLUMN body_size");
	ask(topic, "PRAGMA user_version = 1");
	rig_open(&rig);
	publish(topic, 3, MANY);
	takes_subscribe(&first, &rig, "g", topic, MANY);
	RIG_UNTIL(&rig, first.count == MANY);
	for (int i = 0; i < MANY; i++)
		ck_assert(is_whole(&first.rows[i], i));
	ck_assert_int_gt(ask(topic, INNER), 0);
	finish();
}
END_TEST

START_TEST(only_its_own_names_are_files_of_bodies)
{
	ck_assert_int_eq(body_file_number("bodies.00000000000000ff"), 255);
	static const char *const others[] = { "bodies.swept", "bodies.",
		"bodies.00000000000000ff.db", "bodies.00000000000000FF", "bodies.ff",
		"bodies.ffffffffffffffff", "bodies.0000000000000000", "x", NULL };
	for (const char *const *name = others; *name; name++)
		ck_assert_int_eq(body_file_number(*name), 0);
}
END_TEST

Suite *bodies_suite(void)
{
	Suite *suite = suite_create("bodies");
	TCase *tcase = tcase_create("bodies");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_body_is_stored_once_for_all_topics_it_passes);
	tcase_add_test(tcase, a_publisher_of_few_leaves_no_file);
	tcase_add_test(tcase, a_compacted_topic_keeps_its_bodies_itself);
	tcase_add_test(tcase, a_file_lives_as_long_as_a_record_of_any_topic_needs_it);
	tcase_add_test(tcase, a_writer_keeps_the_file_it_writes);
	tcase_add_test(tcase, a_large_file_is_followed_by_another);
	tcase_add_test(tcase, bodies_count_for_the_size_that_a_topic_may_have);
	tcase_add_test(tcase, the_space_of_dead_bodies_is_given_back);
	tcase_add_test(tcase, a_sweep_that_cannot_look_everywhere_deletes_nothing);
	tcase_add_test(tcase, a_body_that_is_cut_off_makes_its_value_short);
	tcase_add_test(
		tcase, a_record_without_its_file_or_with_a_mad_place_stops_nothing);
	tcase_add_test(tcase, a_topic_of_the_version_before_is_taken_over);
	tcase_add_test(tcase, only_its_own_names_are_files_of_bodies);
	suite_add_tcase(suite, tcase);
	return suite;
}
