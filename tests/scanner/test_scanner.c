/* SPDX-License-Identifier: MIT
 *
 * The real program scanner between topics of the local engine, with real workers. */
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bus/bus.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/loop.h"
#include "lib/mail.h"
#include "lib/registry/registry.h"
#include "lib/topics.h"
#include "services/scanner/folder.h"
#include "tests/fixtures/eicar.h"

#define PATIENCE_MS 20000
#define READ_MAX    512

static struct arena *arena;
static struct loop *loop;
static struct bus *bus;
static char base[64];
static pid_t scanner;
static Postern__Mail *mails[READ_MAX];
static Postern__Event *events[READ_MAX];

static const char *path_of(const char *name)
{
	return arena_printf(arena, "%s/%s", base, name);
}

static void put_file(const char *name, const char *text)
{
	const char *draft = path_of("draft");
	FILE *file = fopen(draft, "w");
	ck_assert(file != NULL);
	fputs(text, file);
	fclose(file);
	ck_assert_int_eq(rename(draft, path_of(name)), 0);
}

/* A path beside the test runner. */
static const char *beside(const char *name)
{
	char own[512];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	own[length] = '\0';
	*strrchr(own, '/') = '\0';
	return arena_printf(arena, "%s/%s", own, name);
}

/* `setting` is "" or one more "NAME=VALUE". */
static void start_scanner(const char *setting)
{
	const char *program = beside("../../bin/scanner");
	const char *log = path_of("scanner.log");
	scanner = fork();
	if (scanner)
		return;
	setenv("POSTERN_BUS", arena_printf(arena, "local:%s", path_of("bus")), 1);
	setenv("POSTERN_SCANNER_SIGNATURES", path_of("signatures"), 1);
	setenv("POSTERN_SCANNER_WORKERS", "2", 1);
	putenv((char *)setting);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDERR_FILENO);
	execl(program, "scanner", NULL);
	_exit(127);
}

static int stop_scanner(int number)
{
	int status = -1;
	kill(scanner, number);
	waitpid(scanner, &status, 0);
	scanner = 0;
	return status;
}

static void set_up(void)
{
	arena = arena_new();
	loop = loop_new();
	snprintf(base, sizeof(base), "/tmp/postern-test-XXXXXX");
	ck_assert(mkdtemp(base) != NULL);
	ck_assert_int_eq(mkdir(path_of("bus"), 0700), 0);
	ck_assert_int_eq(mkdir(path_of("signatures"), 0700), 0);
	ck_assert_int_eq(system(arena_printf(arena, "cp tests/fixtures/signatures/* %s",
				 path_of("signatures"))),
		0);
	struct bus_options options = { .where = arena_printf(
					       arena, "local:%s", path_of("bus")),
		.instance = "test",
		.topics = postern_topics };
	struct fault fault = { 0 };
	bus = bus_open(&options, loop, &fault);
	ck_assert_msg(bus != NULL, "%s", fault.text);
}

static void tear_down(void)
{
	if (scanner)
		stop_scanner(SIGKILL);
	bus_close(bus);
	loop_free(loop);
	folder_remove(AT_FDCWD, base);
	arena_free(arena);
}

static void turn(int64_t ms)
{
	struct timer *timer = timer_new(loop, (loop_call *)loop_stop, loop);
	timer_start(timer, ms);
	loop_run(loop);
	timer_free(timer);
}

static void on_published(void *with, const struct fault *fault)
{
	ck_assert_msg(!fault, "%s", fault ? fault->text : "");
	*(bool *)with = true;
}

static void publish(const char *topic, struct slice key, const ProtobufCMessage *message)
{
	bool is_durable = false;
	bus_publish(bus,
		&(struct bus_record){ .topic = topic,
			.key = key,
			.value = record_encode(arena, message) },
		on_published, &is_durable);
	while (!is_durable)
		turn(2);
}

static void put_object(Postern__Object *object)
{
	object->version = RECORD_VERSION;
	publish(TOPIC_CONTROL, object_key(arena, object), &object->base);
}

static void put_app(const char *name, Postern__AppState state, const char *policy)
{
	Postern__App app = POSTERN__APP__INIT;
	Postern__Object object = POSTERN__OBJECT__INIT;
	app.name = (char *)name;
	app.state = state;
	app.lane = POSTERN__LANE__LANE_NORMAL;
	app.policy = (char *)policy;
	object.kind_case = POSTERN__OBJECT__KIND_APP;
	object.app = &app;
	put_object(&object);
}

static void put_policy(
	const char *name, Postern__Decision cards, Postern__Decision no_spam)
{
	Postern__Policy policy = POSTERN__POLICY__INIT;
	Postern__Spam spam = POSTERN__SPAM__INIT;
	Postern__Rule rule = POSTERN__RULE__INIT, *rules[] = { &rule };
	Postern__Object object = POSTERN__OBJECT__INIT;
	policy.name = (char *)name;
	policy.spam = &spam;
	spam.unavailable = no_spam;
	rule.detector = "card_number";
	rule.decision = cards;
	policy.rules = rules;
	policy.n_rules = cards ? 1 : 0;
	object.kind_case = POSTERN__OBJECT__KIND_POLICY;
	object.policy = &policy;
	put_object(&object);
}

/* Returns the id. */
static const char *submit(const char *app, struct slice content)
{
	Postern__Mail mail = POSTERN__MAIL__INIT;
	Postern__Envelope envelope = POSTERN__ENVELOPE__INIT;
	Postern__Submission submission = POSTERN__SUBMISSION__INIT;
	Postern__Recipient one = POSTERN__RECIPIENT__INIT, two = POSTERN__RECIPIENT__INIT;
	Postern__Recipient *recipients[] = { &one, &two };
	struct id id = id_mint();
	mail.version = RECORD_VERSION;
	mail.content_sha256 = (ProtobufCBinaryData){ 32, (uint8_t[32]){ 1 } };
	mail.id = arena_string(arena, slice_of(id.text));
	mail.app = (char *)app;
	mail.lane = POSTERN__LANE__LANE_NORMAL;
	one.address = "ann@example.net";
	two.address = "bob@example.net";
	envelope.from = "orders@example.com";
	envelope.recipients = recipients;
	envelope.n_recipients = 2;
	mail.envelope = &envelope;
	submission.received_us = clock_unix_us();
	submission.client_address = "192.0.2.1";
	mail.submission = &submission;
	mail.content = (ProtobufCBinaryData){ content.size, (uint8_t *)content.data };
	publish("mail.accepted.normal", mail_key(arena, &mail), &mail.base);
	return mail.id;
}

struct reading {
	struct bus_delivery list[READ_MAX];
	size_t count;
	bool has_ended;
};

static void on_seen(
	void *with, const struct bus_delivery *delivery, const struct fault *fault)
{
	struct reading *reading = with;
	if (!delivery) {
		reading->has_ended = true;
		return;
	}
	ck_assert_uint_lt(reading->count, READ_MAX);
	reading->list[reading->count++].value = arena_copy(arena, delivery->value);
}

static struct reading read_topic(const char *topic)
{
	struct reading reading = { .count = 0 };
	struct fault fault = { 0 };
	struct bus_browser *browser = bus_browse(
		bus, &(struct bus_range){ .topic = topic }, on_seen, &reading, &fault);
	ck_assert_msg(browser != NULL, "%s", fault.text);
	while (!reading.has_ended)
		turn(2);
	bus_unbrowse(browser);
	return reading;
}

static size_t read_mails(const char *topic)
{
	struct reading reading = read_topic(topic);
	size_t count = 0;
	for (size_t i = 0; i < reading.count; i++)
		if (reading.list[i].value.size)
			mails[count++] = mail_decode(arena, reading.list[i].value, NULL);
	return count;
}

/* NULL where that mail is not there after `patience_ms`. */
static Postern__Mail *await(const char *topic, const char *id, int64_t patience_ms)
{
	int64_t end_ms = clock_monotonic_ms() + patience_ms;
	do {
		size_t count = read_mails(topic);
		for (size_t i = 0; i < count; i++)
			if (strcmp(mails[i]->id, id) == 0)
				return mails[i];
		turn(20);
	} while (clock_monotonic_ms() < end_ms);
	return NULL;
}

static Postern__Mail *await_cleared(const char *id)
{
	Postern__Mail *mail = await("mail.cleared.normal", id, PATIENCE_MS);
	ck_assert(mail != NULL);
	return mail;
}

static Postern__Mail *await_held(const char *id)
{
	Postern__Mail *mail = await(TOPIC_QUARANTINE, id, PATIENCE_MS);
	ck_assert(mail != NULL);
	return mail;
}

static unsigned count_events(const char *id, Postern__EventKind kind)
{
	struct reading reading = read_topic(TOPIC_EVENTS);
	unsigned count = 0;
	for (size_t i = 0; i < reading.count; i++) {
		Postern__Event *event = event_decode(arena, reading.list[i].value, NULL);
		ck_assert(event != NULL);
		if (event->kind == kind && strcmp(event->message_id, id) == 0)
			events[count++] = event;
	}
	return count;
}

static void await_events(const char *id, Postern__EventKind kind, unsigned wanted)
{
	int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
	while (count_events(id, kind) < wanted) {
		ck_assert_int_lt(clock_monotonic_ms(), end_ms);
		turn(20);
	}
}

#define CLEAN SLICE("From: a@example.com\r\nSubject: Your order\r\n\r\nTea.\r\n")
#define CARD  SLICE("From: a@example.com\r\nSubject: x\r\n\r\n4012 8888 8888 1881\r\n")

START_TEST(mail_is_cleared_held_or_rejected_by_its_app_s_policy)
{
	put_app("shop", POSTERN__APP_STATE__APP_ACTIVE, "");
	put_app("till", POSTERN__APP_STATE__APP_ACTIVE, "strict");
	put_app("desk", POSTERN__APP_STATE__APP_ACTIVE, "careful");
	put_app("vault", POSTERN__APP_STATE__APP_ACTIVE, "protect");
	put_app("spammer", POSTERN__APP_STATE__APP_SUSPENDED, "");
	put_policy("strict", POSTERN__DECISION__DECISION_REJECT, 0);
	put_policy("careful", POSTERN__DECISION__DECISION_HOLD, 0);
	put_policy("protect", POSTERN__DECISION__DECISION_PROTECT, 0);
	start_scanner("");

	const char *clean = submit("shop", CLEAN);
	const char *noted = submit("shop", CARD);
	const char *virus = submit("shop",
		mail_with(arena, "application/zip", "order.zip", eicar_zip(arena)));
	const char *held = submit("desk", CARD);
	const char *protected = submit("vault", CARD);
	const char *rejected = submit("till", CARD);
	const char *suspended = submit("spammer", CLEAN);

	Postern__Mail *mail = await_cleared(clean);
	ck_assert_int_eq(mail->verdict->decision, POSTERN__DECISION__DECISION_CLEAR);
	ck_assert_uint_eq(mail->verdict->n_findings, 0);
	ck_assert(strstr(mail->verdict->engine, "libclamav") != NULL);
	ck_assert_uint_eq(mail->n_steps, 1);
	ck_assert_str_eq(mail->steps[0]->stage, "scanner");
	ck_assert_uint_eq(mail->content.len, CLEAN.size);
	await_events(clean, POSTERN__EVENT_KIND__EVENT_CLEARED, 1);
	ck_assert(events[0]->verdict != NULL);

	mail = await_cleared(noted);
	ck_assert_str_eq(mail->verdict->findings[0]->evidence, "401288******1881");

	mail = await_held(virus);
	ck_assert_msg(strstr(mail->hold->reason, "malware Postern.Test.Eicar"), "%s",
		mail->hold->reason);
	ck_assert_str_eq(mail->hold->resume, "mail.cleared");
	ck_assert_str_eq(mail->hold->stage, "scanner");
	ck_assert_int_eq(mail->verdict->decision, POSTERN__DECISION__DECISION_HOLD);
	await_events(virus, POSTERN__EVENT_KIND__EVENT_HELD, 1);

	mail = await_held(held);
	ck_assert_str_eq(
		mail->hold->reason, "card_number: 1 (Visa) 401288******1881 in 1");
	mail = await_held(protected);
	ck_assert_msg(strstr(mail->hold->reason, "must be encrypted"), "%s",
		mail->hold->reason);
	mail = await_held(suspended);
	ck_assert_msg(strstr(mail->hold->reason, "suspended"), "%s", mail->hold->reason);

	await_events(rejected, POSTERN__EVENT_KIND__EVENT_BOUNCED, 2);
	ck_assert_str_eq(events[0]->recipient, "ann@example.net");
	ck_assert_str_eq(events[1]->recipient, "bob@example.net");
	ck_assert(strstr(events[1]->reason, "card_number") != NULL);
	/* One final state each. */
	ck_assert_uint_eq(read_mails("mail.cleared.normal"), 2);
	ck_assert_uint_eq(read_mails(TOPIC_QUARANTINE), 4);
	ck_assert_int_eq(stop_scanner(SIGTERM), 0);
}
END_TEST

START_TEST(mail_waits_for_a_policy_that_its_app_names)
{
	put_app("till", POSTERN__APP_STATE__APP_ACTIVE, "strict");
	put_policy("default", 0, 0);
	start_scanner("");
	const char *id = submit("till", CARD), *other = submit("till", CARD);
	await_events(id, POSTERN__EVENT_KIND__EVENT_DEFERRED, 1);
	ck_assert_msg(strstr(events[0]->reason, "no policy \"strict\""), "%s",
		events[0]->reason);
	await_events(other, POSTERN__EVENT_KIND__EVENT_DEFERRED, 1);
	/* One for both. */
	ck_assert_uint_eq(count_events(id, POSTERN__EVENT_KIND__EVENT_ALERT) +
				  count_events(other, POSTERN__EVENT_KIND__EVENT_ALERT),
		1);
	ck_assert_uint_eq(read_mails("mail.cleared.normal"), 0);
	put_policy("strict", POSTERN__DECISION__DECISION_HOLD, 0);
	await_held(id);
	await_held(other);
	ck_assert_int_eq(stop_scanner(SIGTERM), 0);
}
END_TEST

START_TEST(a_kill_loses_no_mail)
{
	put_app("shop", POSTERN__APP_STATE__APP_ACTIVE, "");
	start_scanner("");
	const char *ids[100];
	for (unsigned i = 0; i < 100; i++) {
		ids[i] = submit("shop", CLEAN);
		if (i % 25 == 24) {
			stop_scanner(SIGKILL);
			start_scanner("");
		}
	}
	for (unsigned i = 0; i < 100; i++)
		await_cleared(ids[i]);
	ck_assert_int_eq(stop_scanner(SIGTERM), 0);
	/* What the killed ones left in memory is gone, too. */
	ck_assert_int_ne(system("ls -d /dev/shm/postern-scanner.* >/dev/null 2>&1 && "
				"for f in /dev/shm/postern-scanner.*; do "
				"flock -n $f true && exit 0; done; exit 1"),
		0);
}
END_TEST

START_TEST(a_change_in_the_signature_folder_is_noticed)
{
	put_app("shop", POSTERN__APP_STATE__APP_ACTIVE, "");
	start_scanner("");
	struct slice mail = SLICE("Subject: x\r\n\r\nvery-new-malware\r\n");
	await_cleared(submit("shop", mail));
	put_file("signatures/new.ndb",
		"Postern.Test.New:0:*:766572792d6e65772d6d616c77617265\n");
	int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
	while (!await(TOPIC_QUARANTINE, submit("shop", mail), 200))
		ck_assert_int_lt(clock_monotonic_ms(), end_ms);
	/* A damaged one is an alert. */
	put_file("signatures/bad.ndb", "half a lin");
	await_events("", POSTERN__EVENT_KIND__EVENT_ALERT, 1);
	ck_assert_msg(strstr(events[0]->reason, "signatures not loaded"), "%s",
		events[0]->reason);
	await_held(submit("shop", mail));
	/* Signatures taken away are gone. */
	ck_assert_int_eq(unlink(path_of("signatures/bad.ndb")), 0);
	ck_assert_int_eq(unlink(path_of("signatures/new.ndb")), 0);
	while (!await("mail.cleared.normal", submit("shop", mail), 200))
		ck_assert_int_lt(clock_monotonic_ms(), end_ms);
	ck_assert_int_eq(stop_scanner(SIGTERM), 0);
}
END_TEST

/* Answers every request, until killed. */
static pid_t start_rspamd_like(int listener, const char *answer)
{
	ck_assert_int_eq(listen(listener, 16), 0);
	pid_t pid = fork();
	while (pid == 0) {
		int client = accept(listener, NULL, NULL);
		char request[65536];
		(void)!read(client, request, sizeof(request));
		(void)!write(client, answer, strlen(answer));
		close(client);
	}
	return pid;
}

START_TEST(what_rspamd_s_absence_means_is_the_policy_s_to_say)
{
	put_app("shop", POSTERN__APP_STATE__APP_ACTIVE, "");
	put_app("codes", POSTERN__APP_STATE__APP_ACTIVE, "open");
	put_app("vault", POSTERN__APP_STATE__APP_ACTIVE, "closed");
	put_policy("open", 0, POSTERN__DECISION__DECISION_CLEAR);
	put_policy("closed", 0, POSTERN__DECISION__DECISION_HOLD);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
	getsockname(listener, (struct sockaddr *)&address, &size);
	start_scanner(arena_printf(arena, "POSTERN_SCANNER_RSPAMD=http://127.0.0.1:%u",
		ntohs(address.sin_port)));

	const char *later = submit("shop", CLEAN);
	const char *cleared = submit("codes", CLEAN);
	const char *held = submit("vault", CLEAN);
	const char *virus = submit("shop",
		mail_with(arena, "application/zip", "order.zip", eicar_zip(arena)));
	await_cleared(cleared);
	ck_assert_msg(strstr(await_held(held)->hold->reason, "no word of rspamd"), "%s",
		mails[0]->hold->reason);
	await_held(virus);
	await_events(later, POSTERN__EVENT_KIND__EVENT_DEFERRED, 1);
	ck_assert(!await("mail.cleared.normal", later, 0));

	pid_t server = start_rspamd_like(listener,
		"HTTP/1.1 200 OK\r\n\r\n{\"score\":1.5,\"action\":\"no action\"}");
	Postern__Mail *mail = await_cleared(later);
	ck_assert_double_eq(mail->verdict->findings[0]->score, 1.5);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	server = start_rspamd_like(listener,
		"HTTP/1.1 200 OK\r\n\r\n{\"score\":15.0,\"action\":\"reject\"}");
	mail = await_held(submit("shop", CLEAN));
	ck_assert_msg(
		strstr(mail->hold->reason, "spam score 15.0"), "%s", mail->hold->reason);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(listener);
	ck_assert_int_eq(stop_scanner(SIGTERM), 0);
}
END_TEST

START_TEST(a_message_that_kills_two_workers_is_held_and_others_go_on)
{
	put_app("shop", POSTERN__APP_STATE__APP_ACTIVE, "open");
	put_policy("open", 0, 0);
	start_scanner(arena_printf(
		arena, "POSTERN_SCANNER_WORKER=%s", beside("hostile-worker")));
	const char *ids[10];
	ids[0] = submit("shop", SLICE("Subject: x\r\nX-Misbehave: crash\r\n\r\ny\r\n"));
	for (unsigned i = 1; i < 10; i++)
		ids[i] = submit("shop", CLEAN);
	for (unsigned i = 1; i < 10; i++)
		await_cleared(ids[i]);
	Postern__Mail *mail = await_held(ids[0]);
	ck_assert_str_eq(mail->hold->reason, "inspection failed twice: the worker died");
	ck_assert_str_eq(mail->verdict->findings[0]->check, "unscannable");
	ck_assert_uint_eq(read_mails(TOPIC_QUARANTINE), 1);
	ck_assert_int_eq(stop_scanner(SIGTERM), 0);
}
END_TEST

START_TEST(checks_and_topics_of_a_copy_are_settings)
{
	put_app("desk", POSTERN__APP_STATE__APP_ACTIVE, "careful");
	put_policy("careful", POSTERN__DECISION__DECISION_HOLD, 0);
	setenv("POSTERN_SCANNER_PRODUCES", "mail.checked", 1);
	start_scanner("POSTERN_SCANNER_CHECKS=malware");
	const char *card = submit("desk", CARD);
	Postern__Mail *mail = await("mail.checked.normal", card, PATIENCE_MS);
	ck_assert(mail != NULL);
	ck_assert_uint_eq(mail->verdict->n_findings, 0);
	ck_assert_int_eq(stop_scanner(SIGTERM), 0);

	setenv("POSTERN_SCANNER_CONSUMES", "mail.checked", 1);
	setenv("POSTERN_SCANNER_PRODUCES", "mail.cleared", 1);
	folder_remove(AT_FDCWD, path_of("signatures/eicar.ndb"));
	folder_remove(AT_FDCWD, path_of("signatures/eicar.hdb"));
	start_scanner("POSTERN_SCANNER_CHECKS=dlp");
	mail = await_held(card);
	ck_assert(strstr(mail->hold->reason, "card_number") != NULL);
	ck_assert_str_eq(mail->hold->resume, "mail.cleared");
	ck_assert(strstr(mail->verdict->engine, "libclamav") != NULL);
	ck_assert(strstr(mail->verdict->engine, "; detectors") != NULL);
	ck_assert_int_eq(stop_scanner(SIGTERM), 0);
	unsetenv("POSTERN_SCANNER_CONSUMES");
	unsetenv("POSTERN_SCANNER_PRODUCES");
}
END_TEST

START_TEST(a_copy_for_rspamd_alone_has_no_workers)
{
	put_app("shop", POSTERN__APP_STATE__APP_ACTIVE, "");
	start_scanner("POSTERN_SCANNER_CHECKS=spam");
	Postern__Mail *mail = await_cleared(submit("shop",
		mail_with(arena, "application/zip", "order.zip", eicar_zip(arena))));
	ck_assert_uint_eq(mail->verdict->n_findings, 0);
	ck_assert_str_eq(mail->verdict->engine, "");
	char children[64];
	snprintf(children, sizeof(children), "/proc/%d/task/%d/children", scanner,
		scanner);
	FILE *file = fopen(children, "r");
	ck_assert(file != NULL);
	ck_assert_int_eq(fgetc(file), EOF);
	fclose(file);
	ck_assert_int_eq(stop_scanner(SIGTERM), 0);
}
END_TEST

START_TEST(a_scanner_that_can_not_inspect_says_so_and_ends)
{
	folder_remove(AT_FDCWD, path_of("signatures"));
	ck_assert_int_eq(mkdir(path_of("signatures"), 0700), 0);
	start_scanner("");
	int status;
	ck_assert_int_eq(waitpid(scanner, &status, 0), scanner);
	scanner = 0;
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	ck_assert_int_eq(system(arena_printf(arena, "grep -q 'freshclam' %s",
				 path_of("scanner.log"))),
		0);
}
END_TEST

Suite *scanner_suite(void)
{
	Suite *suite = suite_create("scanner");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_add_test(all, mail_is_cleared_held_or_rejected_by_its_app_s_policy);
	tcase_add_test(all, mail_waits_for_a_policy_that_its_app_names);
	tcase_add_test(all, a_kill_loses_no_mail);
	tcase_add_test(all, a_change_in_the_signature_folder_is_noticed);
	tcase_add_test(all, what_rspamd_s_absence_means_is_the_policy_s_to_say);
	tcase_add_test(all, a_message_that_kills_two_workers_is_held_and_others_go_on);
	tcase_add_test(all, checks_and_topics_of_a_copy_are_settings);
	tcase_add_test(all, a_copy_for_rspamd_alone_has_no_workers);
	tcase_add_test(all, a_scanner_that_can_not_inspect_says_so_and_ends);
	tcase_set_timeout(all, 90);
	suite_add_tcase(suite, all);
	return suite;
}
