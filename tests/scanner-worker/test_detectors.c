/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/scanner/worker/detector.h"
#include "services/scanner/worker/inspect.h"
#include "services/scanner/worker/match.h"
#include "services/scanner/worker/report.h"
#include "tests/scanner-worker/sample.h"

static struct arena *arena;
static struct matcher *matcher;

static void set_up(void)
{
	struct fault fault = { 0 };
	arena = arena_new();
	matcher = matcher_new(&fault);
	ck_assert_msg(matcher != NULL, "%s", fault.text);
}

static void tear_down(void)
{
	matcher_free(matcher);
	arena_free(arena);
}

static struct report find(struct slice text)
{
	struct report report = { .arena = arena };
	struct fault fault = { 0 };
	matcher_begin(matcher);
	ck_assert(matcher_scan(matcher, text, "1", &fault));
	matcher_report(matcher, &report);
	return report;
}

#define AWS_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

static const struct {
	const char *text;
	unsigned count; /* of findings' values */
	const char *check, *name, *evidence;
} rows[] = {
	{ "Card 4111111111111111.", 1, "card_number", "Visa", "411111******1111" },
	{ "4111 1111 1111 1111", 1, "card_number", "Visa", "411111******1111" },
	{ "4111-1111-1111-1111", 1, "card_number", "Visa", "411111******1111" },
	{ "4111.1111.1111.1111", 1, "card_number", "Visa", "411111******1111" },
	{ "4111 1111 1111 1111 123 12/29", 1, "card_number", "Visa", "411111******1111" },
	{ "No. 12 4111 1111 1111 1111", 1, "card_number", "Visa", "411111******1111" },
	{ "\"card\":\"5555555555554444\",", 1, "card_number", "Mastercard",
		"555555******4444" },
	{ "1,2223003122003222,2026", 1, "card_number", "Mastercard", "222300******3222" },
	{ "3782 822463 10005", 1, "card_number", "American Express", "378282*****0005" },
	{ "378282246310005", 1, "card_number", "American Express", "378282*****0005" },
	{ "6011111111111117", 1, "card_number", "Discover", "601111******1117" },
	{ "3530111333300000", 1, "card_number", "JCB", "353011******0000" },
	{ "3056 930902 5904", 1, "card_number", "Diners Club", "305693****5904" },
	{ "6200000000000005", 1, "card_number", "UnionPay", "620000******0005" },
	{ "4222222222222", 1, "card_number", "Visa", "422222***2222" },
	{ "4111111111111111 and again 4111-1111-1111-1111", 1, "card_number", "Visa",
		"411111******1111" },
	{ "4111111111111111\n5555555555554444\n4012888888881881", 3, "card_number",
		"Visa", "411111******1111, 555555******4444, 401288******1881" },
	{ "4111111111111112", 0 },        /* checksum */
	{ "14111111111111111", 0 },       /* inside a longer run */
	{ "41111111111111110", 0 },       /* likewise */
	{ "a4111111111111111", 0 },       /* inside a word */
	{ "4111111111111111f", 0 },       /* likewise */
	{ "0.4111111111111111", 0 },      /* a fraction */
	{ "9-4111-1111-1111-1111", 0 },   /* joined to more */
	{ "4111-1111-1111-1111-22", 0 },  /* likewise */
	{ "4111 1111-1111 1111", 0 },     /* mixed separators */
	{ "41 11 11 11 11 11 11 11", 0 }, /* not as cards are grouped */
	{ "4111  1111  1111  1111", 0 },  /* two spaces */
	{ "1234567812345670", 0 },        /* no issuer */
	{ "0000000000000000", 0 },        /* likewise */
	{ "+49 30 12345678901234", 0 },   /* a telephone number */
	{ "411111111111111", 0 },         /* length */
	{ "IBAN DE89370400440532013000", 1, "iban", "DE", "DE******************00" },
	{ "DE89 3704 0044 0532 0130 00", 1, "iban", "DE", "DE******************00" },
	{ "de89 3704 0044 0532 0130 00.", 1, "iban", "DE", "DE******************00" },
	{ "GB82-WEST-1234-5698-7654-32", 1, "iban", "GB", "GB******************32" },
	{ "NO9386011117947", 1, "iban", "NO", "NO***********47" },
	{ "MT84MALT011000012345MTLCAST001S", 1, "iban", "MT",
		"MT***************************1S" },
	{ "DE89370400440532013000,FR1420041010050500013M02606", 2, "iban", "DE",
		"DE******************00, FR***********************06" },
	{ "DE88370400440532013000", 0 },       /* checksum */
	{ "DE8937040044053201300", 0 },        /* length */
	{ "DE893704004405320130001", 0 },      /* likewise */
	{ "XDE89370400440532013000", 0 },      /* inside a word */
	{ "XX89370400440532013000", 0 },       /* no country */
	{ "DE89 37040044 0532 0130 00", 0 },   /* not as IBANs are grouped */
	{ "DE89 3704 0044 0532 0130 00x", 0 }, /* longer */
	{ "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
	  "aws_secret_access_key = " AWS_SECRET "\n",
		1, "cloud_access_key", "AWS access key with its secret", "AKIA***" },
	{ AWS_SECRET " for ASIAIOSFODNN7EXAMPLE", 1, "cloud_access_key",
		"AWS access key with its secret", "ASIA***" },
	{ "The key id is AKIAIOSFODNN7EXAMPLE.", 0 }, /* not a secret by itself */
	{ "AKIAIOSFODNN7EXAMPLE in da39a3ee5e6b4b0d3255bfef95601890afd80709", 0 },
	{ "AKIAIOSFODNN7EXAMPLE " AWS_SECRET "x", 0 },
	{ "xAKIAIOSFODNN7EXAMPLE " AWS_SECRET, 0 },
	{ "key=AIzaSyA-0123456789abcdefghijklmnopqrstu&x", 1, "cloud_access_key",
		"Google API key", "AIza***" },
	{ "AIzaSyA-0123456789abcdefghijklmnopqrstuv", 0 },
	{ "{\"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMIIEvg", 1,
		"cloud_access_key", "Google service account key", "private_key ***" },
	{ "AccountName=shop;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2"
	  "UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;EndpointSuffix=core.windows.net",
		1, "cloud_access_key", "Azure storage account key", "Eby8***" },
	{ "secret: abc8Q~0123456789abcdefghijklmnopqrstuvwx", 1, "cloud_access_key",
		"Azure client secret", "abc8***" },
	{ "abc7Q~0123456789abcdefghijklmnopqrstu", 1, "cloud_access_key",
		"Azure client secret", "abc7***" },
};

START_TEST(what_is_found_and_what_is_not)
{
	struct report report = find(slice_of(rows[_i].text));
	if (!rows[_i].count) {
		ck_assert_msg(report.count == 0, "\"%s\": %s", rows[_i].text,
			report.count ? report.findings[0]->check : "");
		return;
	}
	ck_assert_msg(
		report.count == 1, "\"%s\": %zu findings", rows[_i].text, report.count);
	const Postern__Finding *finding = report.findings[0];
	ck_assert_str_eq(finding->check, rows[_i].check);
	ck_assert_str_eq(finding->name, rows[_i].name);
	ck_assert_str_eq(finding->evidence, rows[_i].evidence);
	ck_assert_uint_eq(finding->count, rows[_i].count);
	ck_assert_str_eq(finding->part, "1");
}
END_TEST

static unsigned luhn_digit(const char *digits)
{
	unsigned sum = 0;
	for (size_t i = 0; i < 15; i++) {
		unsigned digit = (unsigned)(digits[i] - '0') * (i % 2 ? 1 : 2);
		sum += digit > 9 ? digit - 9 : digit;
	}
	return (10 - sum % 10) % 10;
}

START_TEST(distinct_values_are_counted_up_to_a_bound)
{
	struct slice text = { arena_alloc(arena, 20000), 0 };
	char *to = (char *)text.data;
	for (unsigned i = 0; i < VALUES_MAX + 100; i++) {
		char digits[24];
		snprintf(digits, sizeof(digits), "4000%011u", i);
		text.size += (size_t)snprintf(
			to + text.size, 20, "%s%u\n", digits, luhn_digit(digits));
	}
	struct report report = find(text);
	ck_assert_uint_eq(report.count, 1);
	ck_assert_uint_eq(report.findings[0]->count, VALUES_MAX);
	report = find(slice_head(text, 17 * 10));
	ck_assert_uint_eq(report.findings[0]->count, 10);
}
END_TEST

/* Quadratic behaviour would take minutes here. */
START_TEST(long_runs_cost_no_more_than_they_are_long)
{
	const size_t size = 1 << 20;
	static const char *const units[] = { "4", "41111 ", "4111 ", "de12abcd",
		"4111-11", "AKIAAAAAAAAAAAAAAAAA+" };
	char *bytes = arena_alloc(arena, size);
	for (size_t unit = 0; unit < sizeof(units) / sizeof(*units); unit++) {
		size_t length = strlen(units[unit]);
		for (size_t i = 0; i < size; i++)
			bytes[i] = units[unit][i % length];
		find((struct slice){ bytes, size });
	}
}
END_TEST

START_TEST(detectors_keep_the_contract)
{
	const struct detector *detector = detector_registry[_i];
	ck_assert(strlen(detector->name) > 0 && strlen(detector->name) < 64);
	ck_assert_uint_eq(strspn(detector->name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
		strlen(detector->name));
	ck_assert(strlen(detector->help) > 20);
	ck_assert(detector->patterns[0] != NULL);
	for (int i = 0; i < _i; i++)
		ck_assert_str_ne(detector->name, detector_registry[i]->name);
	ck_assert_uint_eq(find(SLICE("")).count, 0);
}
END_TEST

struct expectation {
	void *inspector;
	const char *detector; /* NULL: none must find anything */
};

static void check_sample(void *with, const char *path)
{
	const struct expectation *expected = with;
	struct arena *own = arena_new();
	Postern__Inspect request = POSTERN__INSPECT__INIT;
	Postern__Inspection result = POSTERN__INSPECTION__INIT;
	request.time_ms = 60000;
	inspection_duty.inspect(
		expected->inspector, own, &request, sample_read(own, path), &result);
	ck_assert_str_eq(result.fault, "");
	if (expected->detector)
		ck_assert_msg(finding_of(&result, expected->detector) != NULL,
			"%s: %s finds nothing", path, expected->detector);
	else
		ck_assert_msg(result.n_findings == 0, "%s: %s %s", path,
			result.n_findings ? result.findings[0]->check : "",
			result.n_findings ? result.findings[0]->evidence : "");
	arena_free(own);
}

START_TEST(detectors_do_right_by_their_samples)
{
	Postern__WorkerPlan plan = *sample_plan();
	plan.malware = false;
	Postern__WorkerReady ready = POSTERN__WORKER_READY__INIT;
	struct fault fault = { 0 };
	struct expectation expected = { .inspector = inspection_duty.load(
						&plan, &ready, &fault) };
	const char *name = detector_registry[_i]->name;
	char folder[256];
	/* The clean samples of one are clean to all. */
	snprintf(folder, sizeof(folder), "tests/fixtures/detectors/%s/clean", name);
	ck_assert_uint_gt(sample_each(folder, check_sample, &expected), 0);
	expected.detector = name;
	snprintf(folder, sizeof(folder), "tests/fixtures/detectors/%s/hit", name);
	ck_assert_uint_gt(sample_each(folder, check_sample, &expected), 0);
	inspection_duty.unload(expected.inspector);
}
END_TEST

Suite *detectors_suite(void)
{
	int count = 0;
	while (detector_registry[count])
		count++;
	Suite *suite = suite_create("detectors");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_add_loop_test(
		all, what_is_found_and_what_is_not, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_test(all, distinct_values_are_counted_up_to_a_bound);
	tcase_add_test(all, long_runs_cost_no_more_than_they_are_long);
	tcase_add_loop_test(all, detectors_keep_the_contract, 0, count);
	tcase_add_loop_test(all, detectors_do_right_by_their_samples, 0, count);
	tcase_set_timeout(all, 30);
	suite_add_tcase(suite, all);
	return suite;
}
