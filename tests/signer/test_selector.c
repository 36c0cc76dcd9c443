/* SPDX-License-Identifier: MIT
 *
 * Key records as a real name server publishes them, and as it doesn't. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/dns/dns.h"
#include "services/signer/selector.h"
#include "tests/signer/letters.h"
#include "tests/signer/zone.h"

static struct loop *loop;
static struct dns *dns;
static struct selectors *selectors;
static struct key *key;
static struct selector_times times;
static unsigned calls;

static void open_selectors(const char *server, int64_t timeout_ms)
{
	struct fault fault = { 0 };
	const struct dns_options options = { .forward = server,
		.timeout_ms = timeout_ms };
	times = (struct selector_times){ 0, 0, 1000000 };
	calls = 0;
	loop = loop_new();
	dns = dns_open(loop, &options, &fault);
	ck_assert_msg(dns, "%s", fault.text);
	selectors = selectors_open(dns, &times);
	key = key_of_new("ED25519", 0);
}

static void close_selectors(void)
{
	selectors_close(selectors);
	dns_close(dns);
	loop_free(loop);
	key_drop(key);
}

static struct selector *find(const char *name)
{
	return selectors_find(selectors, "example.test", name, key);
}

static void on_known(void *with)
{
	calls++;
	loop_stop(loop);
}

/* Waits for the DNS's answer whether or not there is need to. */
static void look(struct selector *selector)
{
	struct selector_wait wait = { .call = on_known };
	unsigned before = calls;
	selector_is_known(selector);
	selector_wait(selector, &wait);
	loop_run(loop);
	ck_assert_uint_eq(calls, before + 1);
}

/* libunbound counts in whole seconds: what must not be cached may be, for up to one. */
static void look_for(struct selector *selector, const char *text)
{
	struct fault fault;
	for (int i = 0; i < 50; i++) {
		look(selector);
		const char *record = selector_record(selector, &fault);
		if (text && record ? strcmp(text, record) == 0 : text == record)
			return;
		usleep(100000);
	}
	ck_abort_msg("%s never comes", text);
}

static void prove(struct selector *selector, unsigned count)
{
	struct fault fault;
	for (unsigned i = 0; i < count; i++)
		selector_judged(selector, key, selector_record(selector, &fault), true);
}

START_TEST(a_record_is_waited_for_once_and_then_known)
{
	zone_publish((const char *[]){ "a", "v=DKIM1; k=rsa; p=AAAA", NULL });
	open_selectors(zone_server, 5000);
	times.fresh_ms = 60000;
	struct selector *selector = find("a");
	struct fault fault = { 0 };
	struct selector_wait waits[2] = { { .call = on_known }, { .call = on_known } };
	ck_assert_str_eq(selector_name(selector), "a._domainkey.example.test");
	ck_assert(!selector_is_known(selector));
	ck_assert(!selector_is_known(selector));
	selector_wait(selector, &waits[0]);
	selector_wait(selector, &waits[1]);
	loop_run(loop);
	ck_assert_uint_eq(calls, 2);
	ck_assert(selector_is_known(selector));
	ck_assert_str_eq(selector_record(selector, &fault), "v=DKIM1; k=rsa; p=AAAA");
	ck_assert_ptr_eq(find("a"), selector);
	close_selectors();
}
END_TEST

static const struct row {
	const char *records[5];
	const char *why; /* NULL: there is a record */
} rows[] = {
	{ { "a", "v=DKIM1; p=x" }, NULL },
	{ { "b", "v=DKIM1; p=x" }, "no TXT record" },
	{ { "a", "v=DKIM1; p=x", "a", "v=DKIM1; p=y" }, "2 TXT records" },
	{ { "a", "x\\000y" }, "damaged" },
	{ { "a.b", "v=DKIM1; p=x" }, "no TXT record" },
};

START_TEST(there_must_be_exactly_one_record)
{
	struct fault fault = { 0 };
	zone_publish(rows[_i].records);
	open_selectors(zone_server, 5000);
	struct selector *selector = find("a");
	look(selector);
	ck_assert_int_eq(selector_record(selector, &fault) != NULL, !rows[_i].why);
	if (rows[_i].why) {
		ck_assert_int_eq(fault.kind, FAULT_PERMANENT);
		ck_assert_msg(strstr(fault.text, rows[_i].why), "%s", fault.text);
	}
	close_selectors();
}
END_TEST

START_TEST(a_record_of_2000_bytes_comes_whole)
{
	static char text[2001];
	struct fault fault;
	memset(text, 'x', 2000);
	zone_publish((const char *[]){ "a", text, NULL });
	open_selectors(zone_server, 5000);
	look(find("a"));
	ck_assert_str_eq(selector_record(find("a"), &fault), text);
	close_selectors();
}
END_TEST

START_TEST(a_key_proves_itself_and_starts_anew_when_anything_changes)
{
	zone_publish((const char *[]){ "a", "one", NULL });
	open_selectors(zone_server, 5000);
	struct selector *selector = find("a");
	look(selector);
	prove(selector, SELECTOR_PROOFS - 1);
	ck_assert(selector_is_on_trial(selector));
	prove(selector, 1);
	ck_assert(!selector_is_on_trial(selector));

	/* the same record again changes nothing */
	look(selector);
	ck_assert(!selector_is_on_trial(selector));

	zone_publish((const char *[]){ "a", "two", NULL });
	look_for(selector, "two");
	ck_assert(selector_is_on_trial(selector));

	/* proofs with the record from before don't count */
	for (int i = 0; i < 2 * SELECTOR_PROOFS; i++)
		selector_judged(selector, key, "one", true);
	ck_assert(selector_is_on_trial(selector));
	prove(selector, SELECTOR_PROOFS);
	ck_assert(!selector_is_on_trial(selector));

	/* one bad signature */
	selector_judged(selector, key, "two", false);
	prove(selector, SELECTOR_PROOFS - 1);
	ck_assert(selector_is_on_trial(selector));
	prove(selector, 1);
	ck_assert(!selector_is_on_trial(selector));

	/* another key; proofs of the one from before don't count */
	struct key *other = key_of_new("ED25519", 0);
	selectors_find(selectors, "example.test", "a", other);
	prove(selector, SELECTOR_PROOFS);
	ck_assert(selector_is_on_trial(selector));
	key_drop(other);
	close_selectors();
}
END_TEST

START_TEST(a_removed_record_is_noticed_without_waiting_for_it)
{
	struct fault fault = { 0 };
	zone_publish((const char *[]){ "a", "one", NULL });
	open_selectors(zone_server, 5000);
	struct selector *selector = find("a");
	look(selector);
	prove(selector, 1);
	zone_publish((const char *[]){ NULL });
	ck_assert(selector_is_known(selector));
	ck_assert(selector_record(selector, &fault));
	look_for(selector, NULL);
	ck_assert(!selector_record(selector, &fault));
	ck_assert_int_eq(fault.kind, FAULT_PERMANENT);
	ck_assert(!selector_is_known(selector));
	zone_publish((const char *[]){ "a", "one", NULL });
	look_for(selector, "one");
	ck_assert(selector_is_on_trial(selector));
	close_selectors();
}
END_TEST

/* The zone is only served under example.test, so anything else is REFUSED. */
START_TEST(while_the_dns_fails_only_a_proven_record_is_trusted)
{
	struct fault fault = { 0 };
	open_selectors(zone_server, 5000);
	struct selector *selector = selectors_find(selectors, "other.test", "a", key);
	look(selector);
	ck_assert(!selector_record(selector, &fault));
	ck_assert_int_eq(fault.kind, FAULT_TEMPORARY);
	close_selectors();
}
END_TEST

START_TEST(a_proven_record_outlives_an_outage_but_not_for_ever)
{
	struct fault fault = { 0 };
	zone_publish((const char *[]){ "a", "one", "b", "two", NULL });
	open_selectors(zone_server, 500);
	struct selector *proven = find("a"), *unproven = find("b");
	look(proven);
	look(unproven);
	prove(proven, 1);
	zone_stop();
	look(proven);
	look(unproven);
	ck_assert(selector_is_known(proven));
	ck_assert_str_eq(selector_record(proven, &fault), "one");
	ck_assert(!selector_is_known(unproven));
	ck_assert(!selector_record(unproven, &fault));
	ck_assert_int_eq(fault.kind, FAULT_TEMPORARY);
	times.trust_ms = 1;
	ck_assert(!selector_is_known(proven));
	ck_assert(!selector_record(proven, &fault));
	close_selectors();
	zone_start();
}
END_TEST

START_TEST(closing_forgets_who_waits)
{
	open_selectors(zone_server, 5000);
	struct selector_wait wait = { .call = on_known };
	ck_assert(!selector_is_known(find("a")));
	selector_wait(find("a"), &wait);
	close_selectors();
	ck_assert_uint_eq(calls, 0);
}
END_TEST

Suite *selector_suite(void)
{
	Suite *suite = suite_create("selector");
	TCase *tcase = tcase_create("selector");
	tcase_add_unchecked_fixture(tcase, zone_start, zone_stop);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, a_record_is_waited_for_once_and_then_known);
	tcase_add_loop_test(
		tcase, there_must_be_exactly_one_record, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_test(tcase, a_record_of_2000_bytes_comes_whole);
	tcase_add_test(tcase, a_key_proves_itself_and_starts_anew_when_anything_changes);
	tcase_add_test(tcase, a_removed_record_is_noticed_without_waiting_for_it);
	tcase_add_test(tcase, while_the_dns_fails_only_a_proven_record_is_trusted);
	tcase_add_test(tcase, closing_forgets_who_waits);
	suite_add_tcase(suite, tcase);
	TCase *outage = tcase_create("outage");
	tcase_add_checked_fixture(outage, zone_start, zone_stop);
	tcase_set_timeout(outage, 30);
	tcase_add_test(outage, a_proven_record_outlives_an_outage_but_not_for_ever);
	suite_add_tcase(suite, outage);
	return suite;
}
