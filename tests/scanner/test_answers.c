/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mail.h"
#include "services/scanner/folder.h"
#include "services/scanner/inspection.h"
#include "services/scanner/spam_answer.h"
#include "services/scanner/wire.h"
#include "services/scanner/wire.h"

static const struct {
	const char *json;
	double score;
	const char *action, *symbols; /* action NULL: a fault */
} spam[] = {
	{ "{\"score\":15.0,\"action\":\"reject\",\"symbols\":{\"GTUBE\":{\"score\":15}}}",
		15, "reject", "GTUBE(15.0)" },
	{ "{\"score\":-0.1,\"action\":\"no action\",\"symbols\":{}}", -0.1, "no action",
		"" },
	{ "{\"score\":7,\"action\":\"add header\"}", 7, "add header", "" },
	{ "{\"score\":9,\"action\":\"x\",\"symbols\":{\"A\":{\"score\":1},\"B\":{\"score\":3},"
	  "\"C\":{\"score\":-5},\"D\":{\"score\":2},\"E\":{\"score\":2.5},\"F\":{\"score\":4},"
	  "\"G\":{\"score\":0.5}}}",
		9, "x", "F(4.0), B(3.0), E(2.5), D(2.0), A(1.0)" },
	{ "{\"score\":9,\"action\":\"x\",\"symbols\":[1,2]}", 9, "x", "" },
	{ "{\"score\":9,\"action\":\"x\",\"symbols\":{\"A\":7,\"B\\n\":{\"score\":1}}}",
		9, "x", "B?(1.0)" },
	{ "" },
	{ "pong" },
	{ "{}" },
	{ "[]" },
	{ "{\"score\":1}" },
	{ "{\"action\":\"reject\"}" },
	{ "{\"score\":\"15\",\"action\":\"reject\"}" },
	{ "{\"score\":1e300,\"action\":\"reject\"}" },
	{ "{\"score\":1,\"action\":\"\"}" },
	{ "{\"score\":1,\"action\":null}" },
	{ "{\"score\":1,\"action\":\"x\"" },
	{ "{\"score\":1,\"action\":\"x\"} trailing" },
	{ "{\"score\":1,\"score\":99,\"action\":\"x\"}" },
	{ "{\"error\":\"cannot parse\",\"score\":0,\"action\":\"no action\"}" },
	{ "<html>502 Bad Gateway</html>" },
};

START_TEST(what_rspamd_answers_is_read_or_refused)
{
	struct arena *arena = arena_new();
	struct fault fault = { 0 };
	struct spam_answer answer = { 0 };
	bool good = spam_answer_parse(arena, slice_of(spam[_i].json), &answer, &fault);
	ck_assert_msg(
		good == (spam[_i].action != NULL), "%s: %s", spam[_i].json, fault.text);
	if (good) {
		ck_assert_double_eq(answer.score, spam[_i].score);
		ck_assert_str_eq(answer.action, spam[_i].action);
		ck_assert_str_eq(answer.symbols, spam[_i].symbols);
	} else {
		ck_assert_int_eq(fault.kind, FAULT_TEMPORARY);
	}
	arena_free(arena);
}
END_TEST

START_TEST(json_nested_too_deep_is_refused)
{
	struct arena *arena = arena_new();
	const size_t depth = 100000;
	char *json = arena_alloc(arena, depth);
	memset(json, '[', depth);
	struct spam_answer answer;
	struct fault fault;
	ck_assert(!spam_answer_parse(
		arena, (struct slice){ json, depth }, &answer, &fault));
	arena_free(arena);
}
END_TEST

static struct slice pack(struct arena *arena, const Postern__Finding *finding,
	size_t count, uint32_t version)
{
	Postern__Inspection inspection = POSTERN__INSPECTION__INIT;
	inspection.version = version;
	inspection.engine = "libclamav";
	inspection.findings = ARENA_ARRAY(arena, Postern__Finding *, count + 1);
	for (size_t i = 0; i < count; i++)
		inspection.findings[i] = (Postern__Finding *)finding;
	inspection.n_findings = count;
	return record_encode(arena, &inspection.base);
}

START_TEST(what_a_worker_answers_is_checked)
{
	struct arena *arena = arena_new();
	struct fault fault = { 0 };
	Postern__Finding good = POSTERN__FINDING__INIT;
	good.check = "malware";
	good.name = "Eicar\n\xff\x1b[31m";
	good.part = "2 (Rechnung \xc3\xbc.pdf)";
	good.count = 1;
	Postern__Inspection *inspection = inspection_decode(
		arena, pack(arena, &good, 64, WIRE_VERSION), &fault);
	ck_assert(inspection != NULL);
	ck_assert_uint_eq(inspection->n_findings, 64);
	ck_assert_str_eq(inspection->findings[63]->name, "Eicar???[31m");
	ck_assert_str_eq(inspection->findings[63]->part, "2 (Rechnung \xc3\xbc.pdf)");
	Postern__Finding bad[7];
	for (size_t i = 0; i < 7; i++)
		bad[i] = good;
	bad[0].check = "";
	bad[1].check = "../malware";
	bad[2].check = "Malware";
	bad[3].count = 0;
	bad[4].count = UINT32_MAX;
	bad[5].score = -1;
	bad[6].decision = POSTERN__DECISION__DECISION_CLEAR;
	for (size_t i = 0; i < 7; i++)
		ck_assert_msg(!inspection_decode(arena,
				      pack(arena, &bad[i], 1, WIRE_VERSION), &fault),
			"%zu", i);
	ck_assert(
		!inspection_decode(arena, pack(arena, &good, 65, WIRE_VERSION), &fault));
	ck_assert(!inspection_decode(
		arena, pack(arena, &good, 1, WIRE_VERSION + 1), &fault));
	ck_assert(!inspection_decode(arena, SLICE("\xff\xff\xff"), &fault));
	ck_assert(!inspection_decode(arena, SLICE(""), &fault));
	arena_free(arena);
}
END_TEST

static void send_with(int to, size_t n_files, const int *files)
{
	char byte = 'x', room[CMSG_SPACE(4 * sizeof(int))] = "";
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = CMSG_SPACE(n_files * sizeof(int)) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(n_files * sizeof(int));
	memcpy(CMSG_DATA(header), files, n_files * sizeof(int));
	ck_assert_int_eq(sendmsg(to, &message, 0), 1);
}

/* Or a worker could use up the scanner's descriptors. */
START_TEST(a_packet_brings_one_descriptor_at_most)
{
	struct fault fault = { 0 };
	int ours, theirs, passed;
	static char room[PACKET_CEILING];
	struct slice packet;
	ck_assert(wire_pair(&ours, &theirs, &fault));
	ck_assert_int_eq(
		wire_receive(ours, room, &packet, &passed, &fault), WIRE_NOTHING);
	ck_assert(wire_send(theirs, SLICE("hello"), -1, &fault));
	ck_assert_int_eq(wire_receive(ours, room, &packet, &passed, &fault), WIRE_PACKET);
	ck_assert(slice_equal(packet, SLICE("hello")));
	ck_assert_int_eq(passed, -1);
	int next = dup(0);
	close(next);
	for (size_t n = 2; n <= 4; n++) {
		send_with(theirs, n, (int[]){ 0, 1, 2, 0 });
		ck_assert_int_eq(
			wire_receive(ours, room, &packet, &passed, &fault), WIRE_BROKEN);
		ck_assert_int_eq(passed, -1);
	}
	int same = dup(0);
	ck_assert_int_eq(same, next);
	close(same);
	send_with(theirs, 1, (int[]){ 0 });
	ck_assert_int_eq(wire_receive(ours, room, &packet, &passed, &fault), WIRE_PACKET);
	ck_assert_int_eq(passed, next);
	close(passed);
	close(theirs);
	ck_assert_int_eq(wire_receive(ours, room, &packet, &passed, &fault), WIRE_END);
	close(ours);
}
END_TEST

START_TEST(folders_of_the_dead_are_removed_and_no_others)
{
	char base[] = "/tmp/postern-test-XXXXXX", path[600], target[600];
	struct fault fault = { 0 };
	ck_assert(mkdtemp(base) != NULL);
	/* What a scanner that was killed leaves; a link in it is not followed. */
	snprintf(target, sizeof(target), "%s/precious", base);
	ck_assert_int_eq(mkdir(target, 0700), 0);
	snprintf(path, sizeof(path), "%s/precious/file", base);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof(path), "%s/postern-scanner.dead", base);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/postern-scanner.dead/sub", base);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/postern-scanner.dead/sub/link", base);
	ck_assert_int_eq(symlink(target, path), 0);
	struct folder *one = folder_open(base, &fault);
	ck_assert_msg(one != NULL, "%s", fault.text);
	struct stat status;
	ck_assert_int_eq(stat(folder_path(one), &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0700);
	snprintf(path, sizeof(path), "%s/postern-scanner.dead", base);
	ck_assert_int_lt(stat(path, &status), 0);
	snprintf(path, sizeof(path), "%s/precious/file", base);
	ck_assert_int_eq(stat(path, &status), 0);
	struct folder *two = folder_open(base, &fault);
	ck_assert_int_eq(stat(folder_path(one), &status), 0);
	snprintf(path, sizeof(path), "%s", folder_path(one));
	folder_close(one);
	ck_assert_int_lt(stat(path, &status), 0);
	folder_close(two);
	folder_remove(AT_FDCWD, base);
	ck_assert(!folder_open(base, &fault));
	ck_assert(strstr(fault.text, "POSTERN_SCANNER_TMP") != NULL);
}
END_TEST

Suite *answers_suite(void)
{
	Suite *suite = suite_create("answers");
	TCase *all = tcase_create("all");
	tcase_add_loop_test(all, what_rspamd_answers_is_read_or_refused, 0,
		sizeof(spam) / sizeof(*spam));
	tcase_add_test(all, json_nested_too_deep_is_refused);
	tcase_add_test(all, what_a_worker_answers_is_checked);
	tcase_add_test(all, a_packet_brings_one_descriptor_at_most);
	tcase_add_test(all, folders_of_the_dead_are_removed_and_no_others);
	suite_add_tcase(suite, all);
	return suite;
}
