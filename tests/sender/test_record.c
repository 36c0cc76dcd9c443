/* SPDX-License-Identifier: MIT
 *
 * The delivery record: what holds for every engine, then a file shared by processes, and
 * a real redis-server that is killed, flushed, stopped and out of service. */
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "lib/loop.h"
#include "services/sender/record.h"

#define DAY INT64_C(86400000)

static struct bench {
	char folder[64], where[128];
	struct loop *loop;
	struct record *record;
	pid_t redis;
	int port;
	int answers;
	char notes[4][64];
	struct fault fault;
	struct timer *patience;
} bench;

static void on_late(void *with)
{
	(void)with;
	loop_stop(bench.loop);
}

static struct record *open_with(const char *password, int64_t keep_ms)
{
	struct fault fault = { 0 };
	struct record *record = record_open(bench.loop,
		&(struct record_options){ bench.where, "default", password, keep_ms },
		&fault);
	ck_assert_msg(record != NULL, "%s", fault.text);
	return record;
}

static void setup(void)
{
	memset(&bench, 0, sizeof(bench));
	signal(SIGPIPE, SIG_IGN);
	snprintf(bench.folder, sizeof(bench.folder), "/tmp/record-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(bench.folder));
	bench.loop = loop_new();
	bench.patience = timer_new(bench.loop, on_late, NULL);
}

static void stop_redis(int number)
{
	if (!bench.redis)
		return;
	kill(bench.redis, number);
	waitpid(bench.redis, NULL, 0);
	bench.redis = 0;
}

static void teardown(void)
{
	char command[128];
	record_close(bench.record);
	timer_free(bench.patience);
	loop_free(bench.loop);
	stop_redis(SIGKILL);
	snprintf(command, sizeof(command), "rm -r %s", bench.folder);
	ck_assert_int_eq(system(command), 0);
}

static void setup_sqlite(void)
{
	setup();
	snprintf(bench.where, sizeof(bench.where), "sqlite:%s/deliveries.db",
		bench.folder);
	bench.record = open_with("", DAY);
}

static int free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
	getsockname(fd, (struct sockaddr *)&address, &size);
	close(fd);
	return ntohs(address.sin_port);
}

/* Listening is not enough: while it loads its data it refuses commands. */
static bool is_answering(const char *password)
{
	char command[160];
	snprintf(command, sizeof(command),
		"REDISCLI_AUTH='%s' redis-cli -p %d ping 2>/dev/null | grep -q PONG",
		password, bench.port);
	return system(command) == 0;
}

static void start_redis(const char *password)
{
	char port[16];
	snprintf(port, sizeof(port), "%d", bench.port);
	bench.redis = fork();
	if (bench.redis == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
		execlp("redis-server", "redis-server", "--port", port, "--bind",
			"127.0.0.1", "--dir", bench.folder, "--appendonly", "yes",
			"--appendfsync", "always", "--requirepass", password,
			(char *)NULL);
		_exit(127);
	}
	int64_t until_ms = clock_monotonic_ms() + 10000;
	while (!is_answering(password) && clock_monotonic_ms() < until_ms)
		usleep(10000);
	ck_assert(is_answering(password));
}

static void setup_redis(void)
{
	setup();
	bench.port = free_port();
	start_redis("");
	snprintf(bench.where, sizeof(bench.where), "redis:127.0.0.1:%d/3", bench.port);
	bench.record = open_with("", DAY);
}

static void wait_answers(int count, int64_t within_ms)
{
	timer_start(bench.patience, within_ms);
	bench.answers -= count;
	if (bench.answers < 0)
		loop_run(bench.loop);
	timer_stop(bench.patience);
	ck_assert_int_eq(bench.answers, 0);
}

static void count_answer(const struct fault *fault)
{
	bench.fault = fault ? *fault : (struct fault){ 0 };
	if (++bench.answers == 0)
		loop_stop(bench.loop);
}

static void on_told(void *with, const struct slice *notes, const struct fault *fault)
{
	size_t count = (size_t)(uintptr_t)with;
	for (size_t i = 0; i < count; i++)
		snprintf(bench.notes[i], sizeof(bench.notes[i]), "%.*s",
			SLICE_ARG(notes[i]));
	count_answer(fault);
}

static void on_written(void *with, const struct fault *fault)
{
	(void)with;
	count_answer(fault);
}

#define ANN SLICE("ann@example.com")
#define BOB SLICE("bob@example.com")

static const char *ask_within(struct id id, struct slice recipient, int64_t within_ms)
{
	record_ask(bench.record, slice_of(id.text), &recipient, 1, on_told, (void *)1);
	wait_answers(1, within_ms);
	return bench.notes[0];
}

static const char *ask(struct id id, struct slice recipient)
{
	return ask_within(id, recipient, 5000);
}

static void note_within(
	struct id id, struct slice recipient, const char *text, int64_t within_ms)
{
	struct record_entry entry = { recipient, slice_of(text) };
	record_write(bench.record, slice_of(id.text), &entry, 1, on_written, NULL);
	wait_answers(1, within_ms);
}

static void note(struct id id, struct slice recipient, const char *text)
{
	note_within(id, recipient, text, 5000);
	ck_assert_msg(!bench.fault.kind, "%s", bench.fault.text);
}

static void reopen(void)
{
	record_close(bench.record);
	bench.record = open_with("", DAY);
}

START_TEST(what_was_noted_is_told)
{
	struct id id = id_mint(), other = id_mint();
	ck_assert_str_eq(ask(id, ANN), "");
	note(id, ANN, "delivered");
	ck_assert_str_eq(ask(id, ANN), "delivered");
	ck_assert_str_eq(ask(id, BOB), "");
	ck_assert_str_eq(ask(other, ANN), "");
}
END_TEST

START_TEST(recipients_are_told_in_the_order_asked)
{
	struct id id = id_mint();
	struct record_entry entries[] = { { ANN, SLICE("a") }, { BOB, SLICE("b") } };
	struct slice recipients[] = { BOB, SLICE("carl@example.com"), ANN };
	record_write(bench.record, slice_of(id.text), entries, 2, on_written, NULL);
	record_ask(bench.record, slice_of(id.text), recipients, 3, on_told, (void *)3);
	wait_answers(2, 5000);
	record_ask(bench.record, slice_of(id.text), recipients, 3, on_told, (void *)3);
	wait_answers(1, 5000);
	ck_assert_str_eq(bench.notes[0], "b");
	ck_assert_str_eq(bench.notes[1], "");
	ck_assert_str_eq(bench.notes[2], "a");
}
END_TEST

START_TEST(the_first_note_on_a_recipient_stays)
{
	struct id id = id_mint();
	note(id, ANN, "delivered");
	note(id, ANN, "bounced");
	ck_assert_str_eq(ask(id, ANN), "delivered");
}
END_TEST

START_TEST(notes_outlive_the_process)
{
	struct id id = id_mint();
	note(id, ANN, "delivered");
	reopen();
	ck_assert_str_eq(ask(id, ANN), "delivered");
}
END_TEST

START_TEST(many_notes_at_a_time_are_all_kept)
{
	enum { COUNT = 500 };
	struct id ids[COUNT];
	struct record_entry entry = { ANN, SLICE("x") };
	for (int i = 0; i < COUNT; i++) {
		ids[i] = id_mint();
		record_write(
			bench.record, slice_of(ids[i].text), &entry, 1, on_written, NULL);
	}
	wait_answers(COUNT, 10000);
	reopen();
	for (int i = 0; i < COUNT; i += 50)
		ck_assert_str_eq(ask(ids[i], ANN), "x");
}
END_TEST

START_TEST(nobody_is_called_back_after_the_close)
{
	struct id id = id_mint();
	struct record_entry entry = { ANN, SLICE("x") };
	struct slice recipient = ANN;
	record_write(bench.record, slice_of(id.text), &entry, 1, on_written, NULL);
	record_ask(bench.record, slice_of(id.text), &recipient, 1, on_told, (void *)1);
	record_close(bench.record);
	bench.record = NULL;
	timer_start(bench.patience, 50);
	loop_run(bench.loop);
	ck_assert_int_eq(bench.answers, 0);
}
END_TEST

static void add_common(TCase *tcase)
{
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, what_was_noted_is_told);
	tcase_add_test(tcase, recipients_are_told_in_the_order_asked);
	tcase_add_test(tcase, the_first_note_on_a_recipient_stays);
	tcase_add_test(tcase, notes_outlive_the_process);
	tcase_add_test(tcase, many_notes_at_a_time_are_all_kept);
	tcase_add_test(tcase, nobody_is_called_back_after_the_close);
}

/* --- SQLite --- */

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* For make chaos, seed 1: delivered while the disk was full, the sender then restarted.
 */
START_TEST(a_note_waits_while_the_disk_is_full)
{
	struct id id = id_mint(), other = id_mint();
	struct record_entry entry = { ANN, SLICE("delivered") };
	note(other, BOB, "delivered");
	signal(SIGXFSZ, SIG_IGN);
	set_file_limit(1);
	record_write(bench.record, slice_of(id.text), &entry, 1, on_written, NULL);
	timer_start(bench.patience, 500);
	loop_run(bench.loop);
	ck_assert_int_eq(bench.answers, 0);
	/* Questions don't wait. */
	ck_assert_str_eq(ask(other, BOB), "delivered");
	set_file_limit(RLIM_INFINITY);
	wait_answers(1, 5000);
	ck_assert_int_eq(bench.fault.kind, FAULT_NONE);
	ck_assert_str_eq(ask(id, ANN), "delivered");
}
END_TEST

START_TEST(old_notes_are_pruned)
{
	struct id id = id_mint();
	note(id, ANN, "delivered");
	record_close(bench.record);
	bench.record = open_with("", 1);
	usleep(5000);
	/* The thread prunes after its first turn. */
	ask(id_mint(), ANN);
	for (int i = 0; i < 100 && *ask(id, ANN); i++)
		usleep(10000);
	ck_assert_str_eq(ask(id, ANN), "");
}
END_TEST

START_TEST(one_process_at_a_time_claims_a_message)
{
	struct id id = id_mint(), other = id_mint();
	struct record *second = open_with("", DAY);
	ck_assert(record_claim(bench.record, slice_of(id.text)));
	ck_assert(!record_claim(second, slice_of(id.text)));
	ck_assert(record_claim(second, slice_of(other.text)));
	record_release(bench.record, slice_of(id.text));
	ck_assert(record_claim(second, slice_of(id.text)));
	record_close(second);
	ck_assert(record_claim(bench.record, slice_of(id.text)));
}
END_TEST

START_TEST(a_claim_ends_with_its_process)
{
	struct id id = id_mint();
	int told[2];
	char byte;
	ck_assert_int_eq(pipe(told), 0);
	pid_t child = fork();
	if (child == 0) {
		struct loop *loop = loop_new();
		struct record *record = record_open(loop,
			&(struct record_options){ bench.where, "default", "", DAY },
			NULL);
		record_claim(record, slice_of(id.text));
		(void)!write(told[1], "x", 1);
		pause();
	}
	ck_assert_int_eq(read(told[0], &byte, 1), 1);
	ck_assert(!record_claim(bench.record, slice_of(id.text)));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ck_assert(record_claim(bench.record, slice_of(id.text)));
}
END_TEST

START_TEST(processes_may_open_a_new_file_at_the_same_time)
{
	char command[128];
	record_close(bench.record);
	bench.record = NULL;
	snprintf(command, sizeof(command), "rm %s/*", bench.folder);
	ck_assert_int_eq(system(command), 0);
	pid_t children[6];
	for (int i = 0; i < 6; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			struct fault fault;
			bool is_open = record_open(loop_new(),
				&(struct record_options){
					bench.where, "default", "", DAY },
				&fault);
			_exit(is_open ? 0 : 1);
		}
	}
	for (int i = 0; i < 6; i++) {
		int status;
		waitpid(children[i], &status, 0);
		ck_assert_int_eq(status, 0);
	}
}
END_TEST

START_TEST(a_place_that_can_not_be_used_is_named)
{
	static const char *const wrong[] = { "sqlite:/nowhere/at/all.db",
		"sqlite:", "redis:", "redis:host:0", "redis:host:99999", "redis:host:1/x",
		"redis:host:1x", "postgres:x", "" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct fault fault = { 0 };
		struct record_options options = { wrong[i], "default", "", DAY };
		ck_assert_msg(!record_open(bench.loop, &options, &fault), "%s", wrong[i]);
		ck_assert_int_ne(fault.kind, FAULT_NONE);
		ck_assert_uint_gt(strlen(fault.text), 10);
	}
}
END_TEST

/* --- Redis --- */

START_TEST(notes_in_redis_have_a_time_to_live)
{
	char command[256];
	struct id id = id_mint();
	note(id, ANN, "delivered");
	snprintf(command, sizeof(command),
		"test $(redis-cli -p %d -n 3 pttl postern:delivered:%s) -gt 80000000",
		bench.port, id.text);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(redis_away_is_told_at_once_and_forgiven)
{
	struct id id = id_mint();
	note(id, ANN, "delivered");
	stop_redis(SIGKILL);
	int64_t started_ms = clock_monotonic_ms();
	ask_within(id, ANN, 1000);
	ck_assert_int_eq(bench.fault.kind, FAULT_TEMPORARY);
	note_within(id, BOB, "delivered", 2000);
	ck_assert_int_eq(bench.fault.kind, FAULT_TEMPORARY);
	ck_assert_int_lt(clock_monotonic_ms() - started_ms, 1500);
	start_redis("");
	/* It comes back by itself, with what was durable. */
	for (int i = 0; i < 100; i++) {
		ask_within(id, ANN, 1000);
		if (!bench.fault.kind)
			break;
		usleep(50000);
	}
	ck_assert_str_eq(bench.notes[0], "delivered");
	ck_assert_str_eq(ask(id, BOB), "");
}
END_TEST

START_TEST(redis_that_hangs_is_given_up_in_time)
{
	struct id id = id_mint();
	note(id, ANN, "delivered");
	kill(bench.redis, SIGSTOP);
	int64_t started_ms = clock_monotonic_ms();
	ask_within(id, ANN, 2000);
	ck_assert_int_eq(bench.fault.kind, FAULT_TEMPORARY);
	ck_assert_int_lt(clock_monotonic_ms() - started_ms, 1000);
	kill(bench.redis, SIGCONT);
	for (int i = 0; i < 100; i++) {
		ask_within(id, ANN, 1000);
		if (!bench.fault.kind)
			break;
		usleep(50000);
	}
	ck_assert_str_eq(bench.notes[0], "delivered");
}
END_TEST

START_TEST(redis_flushed_has_forgotten)
{
	char command[64];
	struct id id = id_mint();
	note(id, ANN, "delivered");
	snprintf(command, sizeof(command), "redis-cli -p %d flushall >/dev/null",
		bench.port);
	ck_assert_int_eq(system(command), 0);
	ck_assert_str_eq(ask(id, ANN), "");
	ck_assert_int_eq(bench.fault.kind, FAULT_NONE);
}
END_TEST

START_TEST(redis_with_a_password_wants_it)
{
	struct id id = id_mint();
	stop_redis(SIGKILL);
	record_close(bench.record);
	bench.port = free_port();
	start_redis("secret word");
	snprintf(bench.where, sizeof(bench.where), "redis:127.0.0.1:%d", bench.port);
	bench.record = open_with("secret word", DAY);
	note(id, ANN, "delivered");
	record_close(bench.record);
	bench.record = open_with("wrong", DAY);
	ask_within(id, ANN, 1000);
	ck_assert_int_eq(bench.fault.kind, FAULT_TEMPORARY);
}
END_TEST

START_TEST(a_key_of_another_kind_is_a_fault)
{
	char command[160];
	struct id id = id_mint();
	snprintf(command, sizeof(command),
		"redis-cli -p %d -n 3 set postern:delivered:%s x >/dev/null", bench.port,
		id.text);
	ck_assert_int_eq(system(command), 0);
	ask(id, ANN);
	ck_assert_int_eq(bench.fault.kind, FAULT_TEMPORARY);
	note_within(id, ANN, "delivered", 2000);
	ck_assert_int_eq(bench.fault.kind, FAULT_TEMPORARY);
}
END_TEST

/* --- none --- */

START_TEST(no_record_forgets_and_never_fails)
{
	struct id id = id_mint();
	snprintf(bench.where, sizeof(bench.where), "none");
	bench.record = open_with("", DAY);
	note(id, ANN, "delivered");
	ck_assert_str_eq(ask(id, ANN), "");
	ck_assert_int_eq(bench.fault.kind, FAULT_NONE);
}
END_TEST

Suite *record_suite(void)
{
	Suite *suite = suite_create("record");
	TCase *sqlite = tcase_create("sqlite"), *redis = tcase_create("redis");
	TCase *none = tcase_create("none");
	tcase_add_checked_fixture(sqlite, setup_sqlite, teardown);
	add_common(sqlite);
	tcase_add_test(sqlite, a_note_waits_while_the_disk_is_full);
	tcase_add_test(sqlite, old_notes_are_pruned);
	tcase_add_test(sqlite, one_process_at_a_time_claims_a_message);
	tcase_add_test(sqlite, a_claim_ends_with_its_process);
	tcase_add_test(sqlite, processes_may_open_a_new_file_at_the_same_time);
	tcase_add_test(sqlite, a_place_that_can_not_be_used_is_named);
	tcase_add_checked_fixture(redis, setup_redis, teardown);
	add_common(redis);
	tcase_add_test(redis, notes_in_redis_have_a_time_to_live);
	tcase_add_test(redis, redis_away_is_told_at_once_and_forgiven);
	tcase_add_test(redis, redis_that_hangs_is_given_up_in_time);
	tcase_add_test(redis, redis_flushed_has_forgotten);
	tcase_add_test(redis, redis_with_a_password_wants_it);
	tcase_add_test(redis, a_key_of_another_kind_is_a_fault);
	tcase_add_checked_fixture(none, setup, teardown);
	tcase_add_test(none, no_record_forgets_and_never_fails);
	suite_add_tcase(suite, sqlite);
	suite_add_tcase(suite, redis);
	suite_add_tcase(suite, none);
	return suite;
}
