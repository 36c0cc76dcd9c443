/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/scanner/folder.h"
#include "services/scanner/worker/inspect.h"
#include "services/scanner/worker/message.h"
#include "tests/fixtures/eicar.h"
#include "tests/scanner-worker/sample.h"

static struct arena *arena;
static void *inspector;

static void set_up(void)
{
	static Postern__WorkerReady ready = POSTERN__WORKER_READY__INIT;
	struct fault fault = { 0 };
	arena = arena_new();
	inspector = inspection_duty.load(sample_plan(), &ready, &fault);
	ck_assert_msg(inspector != NULL, "%s", fault.text);
	ck_assert_uint_eq(ready.signatures, 2);
	ck_assert_uint_eq(strlen(ready.signature_set), 12);
}

static void tear_down(void)
{
	inspection_duty.unload(inspector);
	arena_free(arena);
}

static Postern__Inspection *inspect(struct slice content)
{
	Postern__Inspection *result = ARENA_NEW(arena, Postern__Inspection);
	postern__inspection__init(result);
	Postern__Inspect request = POSTERN__INSPECT__INIT;
	request.time_ms = 60000;
	inspection_duty.inspect(inspector, arena, &request, content, result);
	ck_assert_str_eq(result->fault, "");
	return result;
}

static const struct {
	const char *file, *check, *name, *part;
} archives[] = {
	{ "clean-zip" },
	{ "clean-gzip" },
	{ "clean-tar-gz" },
	{ "clean-tar-in-tar" },
	{ "clean-zip64" },
	{ "clean-zip-stream" },
	{ "clean-docx" },
	{ "clean-7z" },
	{ "clean-pdf" },
	{ "encrypted-zip", "encrypted", "Heuristics.Encrypted.Zip",
		"2 (encrypted-zip.zip)" },
	{ "truncated-zip", "unscannable", "archive that can't be opened",
		"2 (truncated-zip.zip)" },
	{ "corrupt-zip", "unscannable", "archive that can't be opened", "order.txt" },
	{ "unknown-method-zip", "unscannable", "archive that can't be opened",
		"second.txt" },
	{ "same-size-zip", "unscannable", "archive that can't be opened", "order.txt" },
	{ "zip64-unknown-method", "unscannable", "archive that can't be opened",
		"order.txt" },
	{ "rar-with-zip", "unscannable", "archive that can't be opened", "2 (a.rar)" },
	{ "corrupt-7z", "unscannable", "archive that can't be opened", "order.txt" },
	{ "rar", "unscannable", "archive that can't be opened", "2 (order.rar)" },
	{ "zstd", "unscannable", "archive that can't be opened", "2 (order.zst)" },
	{ "deep-zip", "unscannable", "Heuristics.Limits.Exceeded.MaxRecursion", NULL },
	{ "bomb-zip", "unscannable", "Heuristics.Limits.Exceeded.MaxScanSize", NULL },
	{ "many-files-zip", "unscannable", "Heuristics.Limits.Exceeded.MaxFiles", NULL },
};

START_TEST(an_archive_is_clean_only_if_all_of_it_was_seen)
{
	const char *path = arena_printf(
		arena, "tests/fixtures/archives/%s.eml", archives[_i].file);
	const Postern__Inspection *result = inspect(sample_read(arena, path));
	if (!archives[_i].check) {
		ck_assert_msg(result->n_findings == 0, "%s: %s %s in %s",
			archives[_i].file, result->findings[0]->check,
			result->findings[0]->name, result->findings[0]->part);
		return;
	}
	const Postern__Finding *finding = finding_of(result, archives[_i].check);
	ck_assert_msg(finding != NULL, "%s: %zu findings, %s", archives[_i].file,
		result->n_findings,
		result->n_findings ? result->findings[0]->name : "none");
	ck_assert_str_eq(finding->name, archives[_i].name);
	if (archives[_i].part)
		ck_assert_str_eq(finding->part, archives[_i].part);
	ck_assert_msg(finding_of(result, "malware") == NULL, "%s is no malware",
		archives[_i].file);
}
END_TEST

START_TEST(eicar_is_found_wherever_it_is)
{
	struct slice file = eicar_file(arena), zip = eicar_zip(arena);
	struct slice inner = mail_with(arena, "application/zip", "inner.zip", zip);
	const struct {
		struct slice mail;
		const char *part;
	} rows[] = {
		{ mail_with(arena, "application/octet-stream", "eicar.com", file),
			"2 (eicar.com)" },
		{ mail_with(arena, "text/plain", "eicar.txt", file), "2 (eicar.txt)" },
		{ mail_with(arena, "application/zip", "eicar.zip", zip),
			"2 (eicar.zip) > eicar.com" },
		{ mail_with(arena, "message/rfc822", "forwarded", inner),
			"2 (forwarded) > 2.2 (inner.zip) > eicar.com" },
		{ slice_of(arena_printf(arena, "Subject: x\r\n\r\n%s\r\n", file.data)),
			"" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const Postern__Inspection *result = inspect(rows[i].mail);
		const Postern__Finding *finding = finding_of(result, "malware");
		ck_assert_msg(finding != NULL, "row %zu", i);
		ck_assert_msg(strncmp(finding->name, "Postern.Test.Eicar", 18) == 0, "%s",
			finding->name);
		ck_assert_msg(strcmp(finding->part, rows[i].part) == 0, "row %zu: %s", i,
			finding->part);
	}
}
END_TEST

/* libclamav 1.4.6 takes this one for something else and would miss what GMime decodes. */
START_TEST(what_libclamav_did_not_come_across_is_scanned_by_itself)
{
	struct slice inner = mail_with(
		arena, "application/zip", "e.zip", eicar_zip(arena));
	struct slice mail = slice_of(arena_printf(arena,
		"From: a@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/mixed; boundary=\"outer\"\r\n\r\n"
		"--outer\r\nContent-Type: message/rfc822\r\n"
		"Content-Transfer-Encoding: 7bit\r\n\r\n%.*s\r\n--outer--\r\n",
		SLICE_ARG(inner)));
	const Postern__Finding *finding = finding_of(inspect(mail), "malware");
	ck_assert(finding != NULL);
	ck_assert_uint_ge(finding->count, 1);
}
END_TEST

/* A policy may tolerate encrypted archives; it must still hear of the rest. */
START_TEST(one_alert_does_not_hide_another)
{
	struct slice parts[] = {
		sample_read(arena, "tests/fixtures/archives/encrypted-zip.eml"),
		sample_read(arena, "tests/fixtures/archives/deep-zip.eml"),
		mail_with(arena, "application/zip", "v.zip", eicar_zip(arena)),
	};
	char *mail = arena_printf(arena,
		"From: a@example.com\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/mixed; boundary=\"outer\"\r\n\r\n"
		"--outer\r\nContent-Type: message/rfc822\r\n\r\n%.*s\r\n"
		"--outer\r\nContent-Type: message/rfc822\r\n\r\n%.*s\r\n"
		"--outer\r\nContent-Type: message/rfc822\r\n\r\n%.*s\r\n--outer--\r\n",
		SLICE_ARG(parts[0]), SLICE_ARG(parts[1]), SLICE_ARG(parts[2]));
	const Postern__Inspection *result = inspect(slice_of(mail));
	ck_assert(finding_of(result, "encrypted") != NULL);
	ck_assert(finding_of(result, "unscannable") != NULL);
	ck_assert(finding_of(result, "malware") != NULL);
}
END_TEST

START_TEST(a_message_beyond_the_limit_is_not_clean)
{
	size_t size = sample_plan()->unpacked_bytes + 1000;
	char *mail = arena_alloc(arena, size);
	memset(mail, 'x', size);
	memcpy(mail, "Subject: x\r\n\r\n", 14);
	ck_assert(finding_of(inspect((struct slice){ mail, size }), "unscannable"));
}
END_TEST

START_TEST(time_that_runs_out_is_not_clean)
{
	/* Costs libclamav some 100 ms. */
	size_t size = 1900000;
	char *mail = arena_alloc(arena, size);
	for (size_t i = 0; i < size; i++)
		mail[i] = i % 70 == 69 ? '\n' : (char)('a' + i % 26);
	memcpy(mail, "From: a@example.com\r\nSubject: x\r\n\r\n", 35);
	Postern__Inspect request = POSTERN__INSPECT__INIT;
	request.time_ms = 4;
	Postern__Inspection result = POSTERN__INSPECTION__INIT;
	inspection_duty.inspect(
		inspector, arena, &request, (struct slice){ mail, size }, &result);
	ck_assert_str_eq(result.fault, "");
	ck_assert(finding_of(&result, "unscannable") != NULL);
	ck_assert(result.is_late);
}
END_TEST

static const struct {
	const char *says, *headers, *part; /* `part` is repeated */
	unsigned times;
	const char *excess;
} limits[] = {
	{ "an empty message", "", "", 0, NULL },
	{ "only a header", "Subject: x\r\n", "", 0, NULL },
	{ "no header at all", "\r\nbody", "", 0, NULL },
	{ "a boundary that never comes",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\ntext\r\n", "", 0,
		NULL },
	{ "as many parts as allowed", "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		"--b\r\n\r\nx\r\n", 20, NULL },
	{ "one part too many", "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		"--b\r\n\r\nx\r\n", 21, "more MIME parts than allowed" },
	{ "a hundred thousand parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		"--b\r\n\r\nx\r\n", 100000, "more MIME parts than allowed" },
	{ "too many header fields", "Subject: x\r\n", "X-Field: y\r\n", 1001,
		"more header fields than allowed" },
	{ "parts nested too deep", "MIME-Version: 1.0\r\n",
		"Content-Type: message/rfc822\r\n\r\n", 17,
		"MIME parts nested deeper than allowed" },
	{ "parts nested far too deep", "MIME-Version: 1.0\r\n",
		"Content-Type: message/rfc822\r\n\r\n", 2000,
		"MIME parts nested deeper than allowed" },
};

START_TEST(mime_has_limits_and_says_so)
{
	size_t room = strlen(limits[_i].headers) +
		      strlen(limits[_i].part) * limits[_i].times + 1;
	char *mail = arena_alloc(arena, room), *end = mail;
	end = stpcpy(end, limits[_i].headers);
	for (unsigned i = 0; i < limits[_i].times; i++)
		end = stpcpy(end, limits[_i].part);
	struct message message;
	message_open(arena, slice_of(mail), sample_plan(), &message);
	if (limits[_i].excess) {
		ck_assert_msg(message.excess != NULL, "%s", limits[_i].says);
		ck_assert_str_eq(message.excess, limits[_i].excess);
	} else {
		ck_assert_msg(!message.excess, "%s: %s", limits[_i].says, message.excess);
	}
}
END_TEST

START_TEST(parts_are_labelled_as_people_count_them)
{
	struct slice mail = sample_read(
		arena, "tests/fixtures/detectors/card_number/hit/forwarded.eml");
	struct message message;
	message_open(arena, mail, sample_plan(), &message);
	static const char *const labels[] = { "subject", "1", "subject in 2", "2" };
	ck_assert_uint_eq(message.n_parts, 4);
	for (size_t i = 0; i < 4; i++)
		ck_assert_str_eq(message.parts[i].label, labels[i]);
	ck_assert(slice_equal(
		message.parts[3].text, SLICE("My card is 4012 8888 8888 1881\r\n")));
}
END_TEST

/* Loop: with detectors, and with none. */
START_TEST(parts_are_decoded_and_read_only_for_detectors)
{
	static const struct {
		const char *encoding, *stands, *content;
	} rows[] = {
		{ "7bit", "a=3D b\r\nc", "a=3D b\r\nc" },
		{ "8bit", "caf\xc3\xa9\r\n\r\n", "caf\xc3\xa9\r\n\r\n" },
		{ "x-unknown", "as it is\r\n", "as it is\r\n" },
		{ "quoted-printable", "a=3D=20b=\r\nc", "a= bc" },
		{ "base64", "aGVsbG8s\r\nIHlvdQ==", "hello, you" },
		{ "7bit", "", "" },
	};
	Postern__WorkerPlan plan = *sample_plan();
	plan.dlp = _i == 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *mail = arena_printf(arena,
			"Subject: Hello\r\n"
			"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
			"Content-Type: text/plain\r\n"
			"Content-Transfer-Encoding: %s\r\n\r\n%s\r\n--b--\r\n",
			rows[i].encoding, rows[i].stands);
		struct message message;
		message_open(arena, slice_of(mail), &plan, &message);
		ck_assert_uint_eq(message.n_parts, plan.dlp ? 2 : 1);
		const struct part *part = &message.parts[message.n_parts - 1];
		ck_assert_msg(slice_equal(part->content, slice_of(rows[i].content)),
			"row %zu: %.*s", i, SLICE_ARG(part->content));
		ck_assert_uint_eq(part->text.size, plan.dlp ? part->content.size : 0);
	}
}
END_TEST

START_TEST(text_around_the_parts_is_read_too)
{
	struct slice mail = SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
				  "4012888888881881\r\n--b\r\n\r\nx\r\n--b--\r\n");
	const Postern__Finding *finding = finding_of(inspect(mail), "card_number");
	ck_assert(finding != NULL);
	ck_assert_str_eq(finding->part, "text around the parts of 1");
}
END_TEST

static const struct {
	const char *file, *content, *says;
} folders[] = {
	{ NULL, NULL, "holds no ClamAV databases" },
	{ "notes.txt", "nothing", "holds no ClamAV databases" },
	{ "bad.ndb", "not a signature\n", "Malformed database" },
	{ "bad.cvd", "not a database\n", "damaged file" },
};

START_TEST(a_useless_signature_folder_is_named_with_its_remedy)
{
	char folder[] = "/tmp/postern-test-XXXXXX";
	ck_assert(mkdtemp(folder) != NULL);
	if (folders[_i].file) {
		FILE *file = fopen(
			arena_printf(arena, "%s/%s", folder, folders[_i].file), "w");
		fputs(folders[_i].content, file);
		fclose(file);
	}
	Postern__WorkerPlan plan = *sample_plan();
	plan.signatures = folder;
	Postern__WorkerReady ready = POSTERN__WORKER_READY__INIT;
	struct fault fault = { 0 };
	ck_assert(!inspection_duty.load(&plan, &ready, &fault));
	ck_assert_int_eq(fault.kind, FAULT_FATAL);
	ck_assert_msg(strstr(fault.text, folders[_i].says), "%s", fault.text);
	folder_remove(AT_FDCWD, folder);
}
END_TEST

Suite *inspect_suite(void)
{
	Suite *suite = suite_create("inspect");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_add_loop_test(all, an_archive_is_clean_only_if_all_of_it_was_seen, 0,
		sizeof(archives) / sizeof(*archives));
	tcase_add_test(all, eicar_is_found_wherever_it_is);
	tcase_add_test(all, what_libclamav_did_not_come_across_is_scanned_by_itself);
	tcase_add_test(all, one_alert_does_not_hide_another);
	tcase_add_test(all, a_message_beyond_the_limit_is_not_clean);
	tcase_add_test(all, time_that_runs_out_is_not_clean);
	tcase_add_loop_test(
		all, mime_has_limits_and_says_so, 0, sizeof(limits) / sizeof(*limits));
	tcase_add_test(all, parts_are_labelled_as_people_count_them);
	tcase_add_loop_test(all, parts_are_decoded_and_read_only_for_detectors, 0, 2);
	tcase_add_test(all, text_around_the_parts_is_read_too);
	tcase_add_loop_test(all, a_useless_signature_folder_is_named_with_its_remedy, 0,
		sizeof(folders) / sizeof(*folders));
	tcase_set_timeout(all, 30);
	suite_add_tcase(suite, all);
	return suite;
}
