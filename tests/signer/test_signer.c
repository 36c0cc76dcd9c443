/* SPDX-License-Identifier: MIT
 *
 * The whole signer on a real bus, with real key files and a real name server. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mail.h"
#include "lib/registry/registry.h"
#include "lib/topics.h"
#include "services/signer/config.h"
#include "services/signer/signer.h"
#include "services/signer/verify.h"
#include "tests/lib/bench.h"
#include "tests/signer/letters.h"
#include "tests/signer/zone.h"

#define IN      "mail.cleared.normal"
#define OUT     "mail.outbound.default.normal"
#define CONTENT "From: Ann <ann@example.test>\r\nSubject: hello\r\n\r\nHello.\r\n"
#define SOON    20000

static char folder[64];
static struct signer_config config;
static struct signer *signer;
static char *rsa_pem, *ed_pem, *other_pem;
static struct arena *arena; /* outlives the bench */

static char *record_of(const char *pem)
{
	struct fault fault;
	struct key *key = key_parse(slice_of(pem), &fault);
	char *record = arena_string(arena, slice_of(key_record(key)));
	key_drop(key);
	return record;
}

static void start(void)
{
	arena = arena_new();
	rsa_pem = pem_of_new_key(arena, "RSA", 2048);
	ed_pem = pem_of_new_key(arena, "ED25519", 0);
	other_pem = pem_of_new_key(arena, "RSA", 2048);
	zone_start();
}

static void stop(void)
{
	zone_stop();
	arena_free(arena);
}

static void put_key(const char *name, const char *pem)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/keys/%s", folder, name);
	write_file(path, slice_of(pem));
	ck_assert_int_eq(chmod(path, 0600), 0);
}

/* Domain example.test with these selectors; NULL ends. The files are SELECTOR.pem. */
static void put_domain(const char *const *selectors)
{
	Postern__DkimKey keys[4], *list[4];
	Postern__Domain domain = POSTERN__DOMAIN__INIT;
	domain.name = "example.test";
	domain.keys = list;
	for (; selectors[domain.n_keys]; domain.n_keys++) {
		list[domain.n_keys] = &keys[domain.n_keys];
		postern__dkim_key__init(&keys[domain.n_keys]);
		keys[domain.n_keys].selector = (char *)selectors[domain.n_keys];
		keys[domain.n_keys].file = arena_printf(
			bench.process.arena, "%s.pem", selectors[domain.n_keys]);
	}
	Postern__Object object = POSTERN__OBJECT__INIT;
	object.version = RECORD_VERSION;
	object.kind_case = POSTERN__OBJECT__KIND_DOMAIN;
	object.domain = &domain;
	registry_change(bench.process.registry, object_key(bench.process.arena, &object),
		record_encode(bench.process.arena, &object.base));
}

static void publish_good_records(void)
{
	zone_publish((const char *[]){
		"rsa", record_of(rsa_pem), "ed", record_of(ed_pem), NULL });
}

static void set_up(void)
{
	log_set_level(LOG_ERROR + 1);
	snprintf(folder, sizeof(folder), "/tmp/postern-signer-XXXXXX");
	ck_assert(mkdtemp(folder));
	char *keys = arena_printf(arena, "%s/keys", folder);
	ck_assert_int_eq(mkdir(keys, 0700), 0);
	bench_open(folder);
	bench_app("shop", POSTERN__APP_STATE__APP_ACTIVE, "");
	config = (struct signer_config){ .keys = keys,
		.threads = 2,
		.verify_sample = 1,
		.window = 100,
		.window_bytes = 1 << 20,
		.dns_forward = zone_server,
		.dns_root_key = "" };
	bench.process.config = &config;
	put_key("rsa.pem", rsa_pem);
	put_key("ed.pem", ed_pem);
	put_domain((const char *[]){ "ed", "rsa", NULL });
	signer = NULL;
}

static void close_signer(void)
{
	if (signer)
		signer_close(signer);
	signer = NULL;
}

static void tear_down(void)
{
	close_signer();
	bench_close();
	char command[128];
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void open_signer(void)
{
	struct fault fault = { 0 };
	void *self;
	ck_assert_msg(signer_open(&bench.process, &self, &fault), "%s", fault.text);
	signer = self;
}

/* A mail as the scanner passes it on; `change` may be NULL. */
static struct id publish(struct slice content, void (*change)(Postern__Mail *mail))
{
	struct id id = id_mint();
	Postern__Recipient recipient = POSTERN__RECIPIENT__INIT, *recipients = &recipient;
	recipient.address = "bob@example.net";
	Postern__Envelope envelope = POSTERN__ENVELOPE__INIT;
	envelope.from = "bounce@example.test";
	envelope.n_recipients = 1;
	envelope.recipients = &recipients;
	Postern__Submission submission = POSTERN__SUBMISSION__INIT;
	Postern__Verdict verdict = POSTERN__VERDICT__INIT;
	verdict.decision = POSTERN__DECISION__DECISION_CLEAR;
	Postern__Mail mail = POSTERN__MAIL__INIT;
	ProtobufCBinaryData received = { 29,
		(uint8_t *)"Received: from a by b; c d e\r\n" };
	received.len = strlen((char *)received.data);
	mail.version = RECORD_VERSION;
	mail.content_sha256 = (ProtobufCBinaryData){ 32, (uint8_t[32]){ 1 } };
	mail.id = id.text;
	mail.app = "shop";
	mail.lane = POSTERN__LANE__LANE_NORMAL;
	mail.envelope = &envelope;
	mail.submission = &submission;
	mail.verdict = &verdict;
	mail.headers = &received;
	mail.n_headers = 1;
	mail.content = (ProtobufCBinaryData){ content.size, (uint8_t *)content.data };
	if (change)
		change(&mail);
	bench_publish(IN, mail_key(bench.process.arena, &mail),
		record_encode(bench.process.arena, &mail.base));
	return id;
}

static size_t read_mails(const char *topic, Postern__Mail **ret_mails, size_t most)
{
	struct bench_record records[300];
	size_t count = bench_read(topic, records, 300);
	struct fault fault = { 0 };
	for (size_t i = 0; i < count && i < most; i++) {
		ret_mails[i] = mail_decode(bench.process.arena, records[i].value, &fault);
		ck_assert_msg(ret_mails[i], "%s", fault.text);
	}
	return count;
}

static Postern__Mail *only_mail(const char *topic)
{
	Postern__Mail *mail;
	ck_assert_uint_eq(read_mails(topic, &mail, 1), 1);
	return mail;
}

/* The events of a kind, newest last; returns how many there are. */
static size_t events(Postern__EventKind kind, Postern__Event **ret_last)
{
	struct bench_record records[300];
	size_t count = bench_read(TOPIC_EVENTS, records, 300), found = 0;
	struct fault fault = { 0 };
	for (size_t i = 0; i < count; i++) {
		Postern__Event *event = event_decode(
			bench.process.arena, records[i].value, &fault);
		ck_assert_msg(event, "%s", fault.text);
		if (event->kind != kind)
			continue;
		found++;
		if (ret_last)
			*ret_last = event;
	}
	return found;
}

static bool one_settled(void)
{
	return bench.settled == 1;
}

static bool one_returned(void)
{
	return bench.returned >= 1;
}

static bool three_returned(void)
{
	return bench.returned >= 3;
}

/* What a receiver sees: the first `count` headers verify against the given records. */
static void check_verifies(const Postern__Mail *mail, size_t count)
{
	struct fault fault = { 0 };
	struct verifier *verifier = verifier_new(&fault);
	struct letter letter;
	ck_assert(letter_read(bench.process.arena, mail, &letter, &fault));
	struct verify_signature signatures[] = {
		{ .selector = "rsa", .record = record_of(rsa_pem) },
		{ .selector = "ed", .record = record_of(ed_pem) },
	};
	ck_assert_uint_ge(mail->n_headers, count);
	for (size_t i = 0; i < count; i++) {
		signatures[i].domain = "example.test";
		signatures[i].field = (struct slice){ (char *)mail->headers[i].data,
			mail->headers[i].len };
	}
	ck_assert(verify_letter(verifier, &letter, signatures, count, &fault));
	for (size_t i = 0; i < count; i++)
		ck_assert_msg(signatures[i].is_good, "%s", signatures[i].why);
	verifier_free(verifier);
}

START_TEST(a_cleared_mail_leaves_with_a_signature_of_each_key)
{
	publish_good_records();
	open_signer();
	struct id id = publish(SLICE(CONTENT), NULL);
	ck_assert(bench_wait(one_settled, SOON));
	Postern__Mail *mail = only_mail(OUT);
	ck_assert_str_eq(mail->id, id.text);
	ck_assert_uint_eq(mail->n_headers, 3);
	ck_assert_uint_eq(mail->content.len, strlen(CONTENT));
	check_verifies(mail, 2);
	ck_assert_uint_eq(mail->n_steps, 1);
	Postern__Event *event;
	ck_assert_uint_eq(events(POSTERN__EVENT_KIND__EVENT_SIGNED, &event), 1);
	ck_assert_uint_eq(event->n_signatures, 2);
	ck_assert_str_eq(event->signatures[0], "d=example.test s=rsa a=rsa-sha256");
	ck_assert_str_eq(event->signatures[1], "d=example.test s=ed a=ed25519-sha256");
}
END_TEST

static void to_pool_news(Postern__Mail *mail)
{
	mail->pool = "news";
	mail->lane = POSTERN__LANE__LANE_BULK;
}

START_TEST(it_leaves_to_its_pool_and_lane)
{
	publish_good_records();
	open_signer();
	publish(SLICE(CONTENT), to_pool_news);
	ck_assert(bench_wait(one_settled, SOON));
	only_mail("mail.outbound.news.bulk");
}
END_TEST

static ProtobufCBinaryData old_headers[2] = {
	{ 26, (uint8_t *)"DKIM-Signature: v=1; b=x\r\n" },
	{ 6, (uint8_t *)"X: y\r\n" },
};

static void sign_before(Postern__Mail *mail)
{
	mail->headers = old_headers;
	mail->n_headers = 2;
}

START_TEST(signatures_of_an_earlier_pass_are_replaced)
{
	publish_good_records();
	open_signer();
	publish(SLICE(CONTENT), sign_before);
	ck_assert(bench_wait(one_settled, SOON));
	Postern__Mail *mail = only_mail(OUT);
	ck_assert_uint_eq(mail->n_headers, 3);
	check_verifies(mail, 2);
}
END_TEST

static bool all_settled(void)
{
	return bench.settled == 200;
}

START_TEST(many_mails_all_leave_signed)
{
	static Postern__Mail *mails[200];
	publish_good_records();
	open_signer();
	for (int i = 0; i < 200; i++)
		publish(slice_of(arena_printf(
				bench.process.arena, "%s%d\r\n", CONTENT, i)),
			NULL);
	ck_assert(bench_wait(all_settled, SOON));
	ck_assert_uint_eq(read_mails(OUT, mails, 200), 200);
	for (int i = 0; i < 200; i++)
		check_verifies(mails[i], 2);
	ck_assert_uint_eq(bench.returned, 0);
}
END_TEST

/* Nothing leaves, the mail is deferred and an alert raised, with `why` in both. */
static void check_deferred(const char *why, bool is_alert)
{
	Postern__Event *event;
	ck_assert(bench_wait(one_returned, SOON));
	ck_assert_uint_eq(bench.settled, 0);
	ck_assert_uint_ge(events(POSTERN__EVENT_KIND__EVENT_DEFERRED, &event), 1);
	ck_assert_msg(strstr(event->reason, why), "%s", event->reason);
	/* no second one for the attempts that follow */
	ck_assert_uint_eq(
		events(POSTERN__EVENT_KIND__EVENT_ALERT, &event), is_alert ? 1 : 0);
	if (is_alert)
		ck_assert_msg(strstr(event->reason, why), "%s", event->reason);
	ck_assert_uint_eq(bench_read(OUT, NULL, 0), 0);
}

static void check_leaves_now(void)
{
	ck_assert(bench_wait(one_settled, SOON));
	check_verifies(only_mail(OUT), 2);
}

START_TEST(a_domain_without_an_object_defers_until_there_is_one)
{
	publish_good_records();
	open_signer();
	registry_change(bench.process.registry, SLICE("domain/example.test"), SLICE(""));
	publish(SLICE(CONTENT), NULL);
	check_deferred("no domain object for example.test", true);
	put_domain((const char *[]){ "rsa", "ed", NULL });
	check_leaves_now();
}
END_TEST

START_TEST(a_sub_domain_is_another_domain)
{
	publish_good_records();
	open_signer();
	publish(SLICE("From: ann@sub.example.test\r\n\r\nx\r\n"), NULL);
	check_deferred("no domain object for sub.example.test", true);
}
END_TEST

START_TEST(a_domain_without_keys_defers)
{
	publish_good_records();
	open_signer();
	put_domain((const char *[]){ NULL });
	publish(SLICE(CONTENT), NULL);
	check_deferred("has no DKIM key", true);
}
END_TEST

START_TEST(a_missing_key_file_defers_until_it_is_there)
{
	publish_good_records();
	ck_assert_int_eq(
		unlink(arena_printf(bench.process.arena, "%s/keys/ed.pem", folder)), 0);
	open_signer();
	publish(SLICE(CONTENT), NULL);
	check_deferred("key file ed.pem of domain example.test", true);
	put_key("ed.pem", ed_pem);
	check_leaves_now();
}
END_TEST

START_TEST(a_key_removed_while_it_runs_defers)
{
	publish_good_records();
	open_signer();
	ck_assert_int_eq(
		unlink(arena_printf(bench.process.arena, "%s/keys/rsa.pem", folder)), 0);
	bench_run(1000);
	publish(SLICE(CONTENT), NULL);
	check_deferred("key file rsa.pem of domain example.test", true);
}
END_TEST

START_TEST(a_missing_record_defers_and_says_what_to_publish)
{
	zone_publish((const char *[]){ "rsa", record_of(rsa_pem), NULL });
	open_signer();
	publish(SLICE(CONTENT), NULL);
	check_deferred(
		arena_printf(bench.process.arena,
			"ed._domainkey.example.test: no TXT record is published; the "
			"record of the key in use is: %s",
			record_of(ed_pem)),
		true);
	publish_good_records();
	check_leaves_now();
}
END_TEST

START_TEST(the_record_of_another_key_never_lets_a_message_out)
{
	zone_publish((const char *[]){
		"rsa", record_of(other_pem), "ed", record_of(ed_pem), NULL });
	open_signer();
	publish(SLICE(CONTENT), NULL);
	check_deferred("rsa._domainkey.example.test: libopendkim does not verify", true);
	ck_assert(bench_wait(three_returned, SOON));
	check_deferred("rsa._domainkey.example.test: libopendkim does not verify", true);
	publish_good_records();
	check_leaves_now();
}
END_TEST

START_TEST(a_key_that_is_replaced_before_its_record_defers)
{
	publish_good_records();
	config.verify_sample = 0;
	open_signer();
	for (int i = 0; i < 200; i++)
		publish(SLICE(CONTENT), NULL);
	ck_assert(bench_wait(all_settled, SOON));
	put_key("rsa.pem", other_pem);
	bench_run(1000);
	publish(SLICE(CONTENT), NULL);
	ck_assert(bench_wait(one_returned, SOON));
	ck_assert_uint_eq(bench.settled, 200);
	Postern__Mail *mail;
	ck_assert_uint_eq(read_mails(OUT, &mail, 1), 200);
}
END_TEST

START_TEST(while_the_dns_refuses_nothing_leaves_and_nobody_is_woken)
{
	open_signer();
	registry_change(bench.process.registry, SLICE("domain/example.test"), SLICE(""));
	Postern__DkimKey key = POSTERN__DKIM_KEY__INIT, *keys = &key;
	key.selector = "rsa";
	key.file = "rsa.pem";
	Postern__Domain domain = POSTERN__DOMAIN__INIT;
	domain.name = "other.test"; /* not served: REFUSED */
	domain.n_keys = 1;
	domain.keys = &keys;
	Postern__Object object = POSTERN__OBJECT__INIT;
	object.version = RECORD_VERSION;
	object.kind_case = POSTERN__OBJECT__KIND_DOMAIN;
	object.domain = &domain;
	registry_change(bench.process.registry, SLICE("domain/other.test"),
		record_encode(bench.process.arena, &object.base));
	publish(SLICE("From: ann@other.test\r\n\r\nx\r\n"), NULL);
	check_deferred("rsa._domainkey.other.test: the DNS does not answer", false);
}
END_TEST

static void without_verdict(Postern__Mail *mail)
{
	mail->verdict = NULL;
}

static void to_protect(Postern__Mail *mail)
{
	mail->verdict->decision = POSTERN__DECISION__DECISION_PROTECT;
}

static const struct held {
	struct slice content;
	void (*change)(Postern__Mail *mail);
	const char *why;
} helds[] = {
	{ SLICE(CONTENT), without_verdict, "never scanned" },
	{ SLICE(CONTENT), to_protect, "encryption" },
	{ SLICE("From: ann@example.test\r\n\r\nbare\nLF\r\n"), NULL, "bare CR or LF" },
	{ SLICE("From: ann@example.test\r\n\r\nNUL\0\r\n"), NULL, "NUL" },
	{ SLICE("From: ann@example.test\r\n\r\nno end"), NULL, "CRLF" },
	{ SLICE("From: a@example.test\r\nFrom: b@example.test\r\n\r\nx\r\n"), NULL,
		"it can't be signed" },
	{ SLICE("Subject: nobody\r\n\r\nx\r\n"), NULL, "it can't be signed" },
	{ SLICE("From: a@[192.0.2.1]\r\n\r\nx\r\n"), NULL, "it can't be signed" },
};

START_TEST(what_must_not_or_can_not_be_signed_is_held)
{
	publish_good_records();
	open_signer();
	publish(helds[_i].content, helds[_i].change);
	ck_assert(bench_wait(one_settled, SOON));
	Postern__Mail *mail = only_mail(TOPIC_QUARANTINE);
	ck_assert_msg(
		strstr(mail->hold->reason, helds[_i].why), "%s", mail->hold->reason);
	ck_assert_str_eq(mail->hold->resume, TOPIC_CLEARED);
	ck_assert_uint_eq(bench_read(OUT, NULL, 0), 0);
}
END_TEST

START_TEST(closing_leaves_what_is_in_hand_to_the_bus)
{
	publish_good_records();
	open_signer();
	for (int i = 0; i < 50; i++)
		publish(SLICE(CONTENT), NULL);
	bench_run(1);
	close_signer();
	bench_run(50);
	unsigned settled = bench.settled;
	bench_close();
	bench_open(folder);
	bench_app("shop", POSTERN__APP_STATE__APP_ACTIVE, "");
	put_domain((const char *[]){ "rsa", "ed", NULL });
	bench.process.config = &config;
	open_signer();
	bench_run(3000);
	ck_assert_uint_eq(settled + bench.settled, 50);
	Postern__Mail *mails[60];
	size_t count = read_mails(OUT, mails, 60);
	ck_assert_uint_ge(count, 50);
}
END_TEST

START_TEST(settings_that_can_not_work_end_the_start_with_their_name)
{
	struct fault fault = { 0 };
	void *self;
	ck_assert_int_eq(chmod(config.keys, 0755), 0);
	ck_assert(!signer_open(&bench.process, &self, &fault));
	ck_assert_msg(strstr(fault.text, "POSTERN_SIGNER_KEYS: ") == fault.text, "%s",
		fault.text);
	ck_assert(strstr(fault.text, "chmod 700"));
	ck_assert_int_eq(chmod(config.keys, 0700), 0);
	config.dns_forward = "resolver:53";
	ck_assert(!signer_open(&bench.process, &self, &fault));
	ck_assert_msg(strstr(fault.text, "POSTERN_DNS_FORWARD") == fault.text, "%s",
		fault.text);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(*(table)))

Suite *signer_suite(void)
{
	Suite *suite = suite_create("signer");
	TCase *tcase = tcase_create("signer");
	tcase_add_unchecked_fixture(tcase, start, stop);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_cleared_mail_leaves_with_a_signature_of_each_key);
	tcase_add_test(tcase, it_leaves_to_its_pool_and_lane);
	tcase_add_test(tcase, signatures_of_an_earlier_pass_are_replaced);
	tcase_add_test(tcase, many_mails_all_leave_signed);
	tcase_add_test(tcase, a_domain_without_an_object_defers_until_there_is_one);
	tcase_add_test(tcase, a_sub_domain_is_another_domain);
	tcase_add_test(tcase, a_domain_without_keys_defers);
	tcase_add_test(tcase, a_missing_key_file_defers_until_it_is_there);
	tcase_add_test(tcase, a_key_removed_while_it_runs_defers);
	tcase_add_test(tcase, a_missing_record_defers_and_says_what_to_publish);
	tcase_add_test(tcase, the_record_of_another_key_never_lets_a_message_out);
	tcase_add_test(tcase, a_key_that_is_replaced_before_its_record_defers);
	tcase_add_test(tcase, while_the_dns_refuses_nothing_leaves_and_nobody_is_woken);
	tcase_add_loop_test(
		tcase, what_must_not_or_can_not_be_signed_is_held, 0, COUNT(helds));
	tcase_add_test(tcase, closing_leaves_what_is_in_hand_to_the_bus);
	tcase_add_test(tcase, settings_that_can_not_work_end_the_start_with_their_name);
	suite_add_tcase(suite, tcase);
	return suite;
}
