/* SPDX-License-Identifier: MIT
 *
 * The whole sender on a real bus, with real servers as destinations. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/mail.h"
#include "lib/registry/registry.h"
#include "lib/topics.h"
#include "services/sender/config.h"
#include "services/sender/sender.h"
#include "tests/lib/bench.h"
#include "tests/sender/far_end.h"

#define LANE(name) "mail.outbound.default." name
#define SIGNATURE  "DKIM-Signature: v=1; a=rsa-sha256\r\n"
#define CONTENT    "From: Ann <ann@shop.example>\r\nSubject: hello\r\n\r\nHello.\r\n"
#define SOON       20000
#define EVENTS     1000

static char folder[64];
static struct sender_config config;
static struct sender *sender;
static struct far_end end;
static unsigned wanted;

static void put(Postern__Object *object)
{
	struct arena *arena = bench.process.arena;
	object->version = RECORD_VERSION;
	registry_change(bench.process.registry, object_key(arena, object),
		record_encode(arena, &object->base));
}

static void put_route(const char *domain, const char *host, uint16_t port)
{
	Postern__DestinationRoute route = POSTERN__DESTINATION_ROUTE__INIT;
	route.domain = (char *)domain;
	route.host = (char *)host;
	route.port = port;
	Postern__Object object = POSTERN__OBJECT__INIT;
	object.kind_case = POSTERN__OBJECT__KIND_ROUTE;
	object.route = &route;
	put(&object);
}

static void put_pool(uint32_t connections, uint64_t expire_ms)
{
	Postern__Pool pool = POSTERN__POOL__INIT;
	pool.name = "default";
	pool.helo = "mta.pool.example";
	pool.connections_per_destination = connections;
	pool.expire_ms = expire_ms;
	Postern__Object object = POSTERN__OBJECT__INIT;
	object.kind_case = POSTERN__OBJECT__KIND_POOL;
	object.pool = &pool;
	put(&object);
}

static void put_app(Postern__AppState state)
{
	bench_app("shop", state, "");
}

static char record_place[128];

static void open_bench(void)
{
	bench_open(folder);
	put_app(POSTERN__APP_STATE__APP_ACTIVE);
	put_route("*", "127.0.0.1", end.port);
	put_route("dead.example", "127.0.0.1", 1);
	snprintf(record_place, sizeof(record_place), "sqlite:%s/deliveries.sqlite",
		folder);
	config = (struct sender_config){ .pool = "default",
		.helo = "mta.example",
		.record = record_place,
		.record_password = "",
		.record_keep_ms = 86400000,
		.window = 1000,
		.window_bytes = 64 << 20,
		.connections = 100,
		.connections_per_destination = 20,
		.messages_per_connection = 500,
		.idle_ms = 5000,
		.connect_ms = 2000,
		.greeting_ms = 2000,
		.command_ms = 2000,
		.data_ms = 2000,
		.final_ms = 5000,
		.transaction_ms = 20000,
		.expire_urgent_ms = 4 * 3600000,
		.expire_ms = 48 * 3600000,
		.ca_file = "",
		.dns_forward = "127.0.0.1:1",
		.dns_root_key = "" };
	bench.process.config = &config;
}

static void set_up_with(const char *options)
{
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_ERROR + 1);
	snprintf(folder, sizeof(folder), "/tmp/postern-sender-XXXXXX");
	ck_assert(mkdtemp(folder));
	far_end_start(&end, options);
	open_bench();
	sender = NULL;
}

static void set_up(void)
{
	set_up_with("--rule bad.example=reject --rule later.example=defer:1 "
		    "--rule slow.example=slow:0.4 --rule swallow.example=swallow:1");
}

static void close_sender(void)
{
	if (sender)
		sender_close(sender);
	sender = NULL;
}

static void tear_down(void)
{
	close_sender();
	bench_close();
	far_end_stop(&end);
	char command[128];
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void open_sender(void)
{
	struct fault fault = { 0 };
	void *self;
	ck_assert_msg(sender_open(&bench.process, &self, &fault), "%s", fault.text);
	sender = self;
}

/* A mail as the signer passes it on, to a list of addresses separated by spaces. */
static struct id publish_with(struct id id, Postern__Lane lane, const char *to,
	const char *header, const char *content)
{
	Postern__Recipient recipients[8], *list[8];
	Postern__Envelope envelope = POSTERN__ENVELOPE__INIT;
	envelope.from = "bounce@shop.example";
	envelope.recipients = list;
	struct slice rest = slice_of(to), address;
	while (slice_split(&rest, ' ', &address)) {
		list[envelope.n_recipients] = &recipients[envelope.n_recipients];
		postern__recipient__init(list[envelope.n_recipients]);
		list[envelope.n_recipients++]->address = arena_string(
			bench.process.arena, address);
	}
	Postern__Submission submission = POSTERN__SUBMISSION__INIT;
	Postern__Mail mail = POSTERN__MAIL__INIT;
	ProtobufCBinaryData headers = { strlen(header), (uint8_t *)header };
	mail.version = RECORD_VERSION;
	mail.content_sha256 = (ProtobufCBinaryData){ 32, (uint8_t[32]){ 1 } };
	mail.id = id.text;
	mail.app = "shop";
	mail.lane = lane;
	mail.pool = "default";
	mail.envelope = &envelope;
	mail.submission = &submission;
	mail.headers = &headers;
	mail.n_headers = 1;
	mail.content = (ProtobufCBinaryData){ strlen(content), (uint8_t *)content };
	bench_publish(topic_of_lane(bench.process.arena, "mail.outbound.default", lane),
		mail_key(bench.process.arena, &mail),
		record_encode(bench.process.arena, &mail.base));
	return id;
}

static struct id publish(const char *to)
{
	return publish_with(
		id_mint(), POSTERN__LANE__LANE_URGENT, to, SIGNATURE, CONTENT);
}

static Postern__Event *events[EVENTS];

/* The events of that kind, for that recipient if one is given. */
static size_t read_events(Postern__EventKind kind, const char *recipient)
{
	struct bench_record records[EVENTS];
	size_t count = bench_read(TOPIC_EVENTS, records, EVENTS), found = 0;
	struct fault fault = { 0 };
	for (size_t i = 0; i < count; i++) {
		Postern__Event *event = event_decode(
			bench.process.arena, records[i].value, &fault);
		ck_assert_msg(event, "%s", fault.text);
		if (event->kind == kind &&
			(!recipient || strcmp(event->recipient, recipient) == 0))
			events[found++] = event;
	}
	return found;
}

#define KIND(name) POSTERN__EVENT_KIND__EVENT_##name

static Postern__Event *only_event(Postern__EventKind kind, const char *recipient)
{
	ck_assert_uint_eq(read_events(kind, recipient), 1);
	return events[0];
}

static Postern__Mail *only_mail(const char *topic)
{
	struct bench_record records[16];
	struct fault fault = { 0 };
	ck_assert_uint_eq(bench_read(topic, records, 16), 1);
	Postern__Mail *mail = mail_decode(bench.process.arena, records[0].value, &fault);
	ck_assert_msg(mail, "%s", fault.text);
	return mail;
}

static bool are_settled(void)
{
	return bench.settled >= wanted;
}

static bool are_returned(void)
{
	return bench.returned >= wanted;
}

static void wait_settled(unsigned count)
{
	wanted = count;
	ck_assert_msg(
		bench_wait(are_settled, SOON), "%u of %u settled", bench.settled, count);
}

static bool are_taken(void)
{
	return stage_in_hand(sender->stage) >= wanted;
}

/* And some time for them to be under way. */
static void wait_taken(unsigned count)
{
	wanted = count;
	ck_assert(bench_wait(are_taken, SOON));
	bench_run(200);
}

static void wait_returned(unsigned count)
{
	wanted = count;
	ck_assert_msg(bench_wait(are_returned, SOON), "%u of %u returned", bench.returned,
		count);
}

START_TEST(a_mail_is_delivered_and_told_of)
{
	put_pool(0, 0);
	open_sender();
	struct id id = publish("bob@customer.example");
	wait_settled(1);
	Postern__Event *event = only_event(KIND(DELIVERED), "bob@customer.example");
	ck_assert_str_eq(event->message_id, id.text);
	ck_assert_str_eq(event->app, "shop");
	ck_assert_str_eq(event->pool, "default");
	ck_assert_uint_eq(event->reply->code, 250);
	ck_assert_str_eq(event->reply->enhanced, "2.0.0");
	ck_assert_str_eq(event->route->mx, "127.0.0.1");
	ck_assert_ptr_nonnull(strstr(event->route->address, "127.0.0.1:"));
	ck_assert_str_eq(event->route->tls_version, "TLSv1.3");
	ck_assert_ptr_nonnull(strstr(event->route->certificate, "self"));
	ck_assert_int_ge(event->time_us, event->started_us);
	ck_assert_uint_eq(far_end_count(&end, "\"signatures\": 1"), 1);
	ck_assert_uint_eq(far_end_count(&end, "\"helo\": \"mta.pool.example\""), 1);
}
END_TEST

static const struct {
	const char *header, *content, *reason;
} unfit[] = {
	{ "Received: x\r\n", CONTENT, "DKIM" },
	{ "X-DKIM-Signature: v=1\r\n", SIGNATURE CONTENT, "DKIM" },
	{ SIGNATURE, CONTENT "bare\nlf\r\n", "bare LF" },
	{ SIGNATURE, CONTENT "\r\n.\r\r\nMAIL FROM:<x@y>\r\n", "bare CR" },
};

START_TEST(what_must_not_leave_is_held)
{
	open_sender();
	publish_with(id_mint(), POSTERN__LANE__LANE_NORMAL, "bob@customer.example",
		unfit[_i].header, unfit[_i].content);
	wait_settled(1);
	Postern__Mail *mail = only_mail(TOPIC_QUARANTINE);
	ck_assert_str_eq(mail->hold->resume, TOPIC_CLEARED);
	ck_assert_ptr_nonnull(strstr(mail->hold->reason, unfit[_i].reason));
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 0);
}
END_TEST

START_TEST(each_recipient_has_an_end_of_its_own)
{
	open_sender();
	struct id id = publish("bob@customer.example eve@bad.example dan@dead.example "
			       "not-an-address carl@later.example");
	wait_settled(1);
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 1);
	ck_assert_uint_eq(far_end_count(&end, "[\"bob@customer.example\"]"), 1);
	only_event(KIND(DELIVERED), "bob@customer.example");
	ck_assert_uint_eq(only_event(KIND(BOUNCED), "eve@bad.example")->reply->code, 550);
	Postern__Event *event = only_event(KIND(BOUNCED), "not-an-address");
	ck_assert_str_eq(event->reply->enhanced, "5.1.3");
	event = only_event(KIND(DEFERRED), "dan@dead.example");
	ck_assert_str_eq(event->reply->enhanced, "4.4.1");
	ck_assert_int_gt(event->due_us, clock_unix_us());
	event = only_event(KIND(DEFERRED), "carl@later.example");
	ck_assert_uint_eq(event->reply->code, 451);
	/* What is left goes on under the same id, with those two only. */
	struct bench_record records[4];
	ck_assert_uint_eq(bench_read(LANE("urgent"), records, 4), 2);
	struct fault fault;
	Postern__Mail *rest = mail_decode(bench.process.arena, records[1].value, &fault);
	ck_assert_str_eq(rest->id, id.text);
	ck_assert_uint_eq(rest->envelope->n_recipients, 2);
	ck_assert_str_eq(rest->envelope->recipients[0]->address, "dan@dead.example");
	ck_assert_str_eq(rest->envelope->recipients[1]->address, "carl@later.example");
}
END_TEST

START_TEST(what_was_put_off_is_delivered_when_it_is_due)
{
	open_sender();
	publish("carl@later.example bob@customer.example");
	wait_settled(1);
	int64_t due_us = only_event(KIND(DEFERRED), "carl@later.example")->due_us;
	wait_settled(2);
	Postern__Event *event = only_event(KIND(DELIVERED), "carl@later.example");
	ck_assert_int_ge(event->time_us, due_us);
	ck_assert_int_lt(event->time_us, due_us + 2000000);
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 2);
	only_event(KIND(DELIVERED), "bob@customer.example");
}
END_TEST

START_TEST(a_mail_that_nobody_took_comes_again_as_it_is)
{
	open_sender();
	publish("dan@dead.example");
	wait_returned(1);
	int64_t in_ms = bench.returned_due_ms - clock_unix_ms();
	ck_assert_int_gt(in_ms, 3500);
	ck_assert_int_lt(in_ms, 6100);
	Postern__Event *event = only_event(KIND(DEFERRED), NULL);
	ck_assert_str_eq(event->recipient, "dan@dead.example");
	ck_assert_int_eq(event->due_us / 1000000, bench.returned_due_ms / 1000);
	ck_assert_uint_eq(bench.settled, 0);
	/* The destination rests: the next mail for it is put off without a try. */
	publish("dora@dead.example");
	wait_returned(2);
	event = only_event(KIND(DEFERRED), "dora@dead.example");
	ck_assert_str_eq(event->reply->enhanced, "4.4.1");
}
END_TEST

/* All but the one that is tried each time wait in silence, and go when one went. */
START_TEST(what_waits_for_a_server_that_is_away_goes_when_it_is_back)
{
	enum { COUNT = 60 };
	struct far_end late;
	far_end_start(&late, "");
	put_route("late.example", "127.0.0.1", late.port);
	kill(late.pid, SIGSTOP);
	config.greeting_ms = 300;
	open_sender();
	publish("first@late.example");
	wait_returned(1);
	for (size_t i = 0; i < COUNT; i++)
		publish_with(id_mint(), POSTERN__LANE__LANE_BULK, "bob@late.example",
			SIGNATURE, CONTENT);
	wait_returned(2 * COUNT);
	size_t told = read_events(KIND(DEFERRED), "bob@late.example");
	ck_assert_uint_ge(told, COUNT);
	ck_assert_uint_lt(told, COUNT + 15);
	kill(late.pid, SIGCONT);
	int64_t from_ms = clock_monotonic_ms();
	wait_settled(COUNT + 1);
	/* A bulk message that was deferred by itself would have waited for a minute. */
	ck_assert_int_lt(clock_monotonic_ms() - from_ms, 13000);
	ck_assert_uint_eq(far_end_count(&late, "message_id"), COUNT + 1);
	far_end_stop(&late);
}
END_TEST

START_TEST(an_old_mail_expires)
{
	put_pool(0, 1);
	open_sender();
	publish("dan@dead.example bob@customer.example");
	wait_settled(1);
	Postern__Event *event = only_event(KIND(EXPIRED), "dan@dead.example");
	ck_assert_str_eq(event->reply->enhanced, "4.4.1");
	only_event(KIND(DELIVERED), "bob@customer.example");
	ck_assert_uint_eq(read_events(KIND(DEFERRED), NULL), 0);
}
END_TEST

START_TEST(a_repeat_is_recognised)
{
	open_sender();
	struct id id = publish("bob@customer.example eve@bad.example");
	wait_settled(1);
	publish_with(id, POSTERN__LANE__LANE_URGENT,
		"bob@customer.example eve@bad.example", SIGNATURE, CONTENT);
	wait_settled(2);
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 1);
	only_event(KIND(DUPLICATE), "bob@customer.example");
	only_event(KIND(DUPLICATE), "eve@bad.example");
	/* The final event may have been lost: it is told again, as it was. */
	ck_assert_uint_eq(read_events(KIND(DELIVERED), NULL), 2);
	ck_assert_int_eq(events[0]->time_us, events[1]->time_us);
	ck_assert_str_eq(events[1]->reply->enhanced, "2.0.0");
}
END_TEST

START_TEST(twins_in_hand_at_the_same_time_are_delivered_once)
{
	struct id id = id_mint();
	for (int i = 0; i < 3; i++)
		publish_with(id, POSTERN__LANE__LANE_URGENT, "bob@slow.example",
			SIGNATURE, CONTENT);
	open_sender();
	wait_settled(3);
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 1);
	ck_assert_uint_eq(read_events(KIND(DUPLICATE), NULL), 2);
}
END_TEST

static void expire_at_once(void)
{
	put_pool(0, 1);
}

/* A sender takes what was published, and is killed before it settles. The bench is closed
 * then. */
static void die_at_settle(void (*prepare)(void))
{
	bench_close();
	pid_t child = fork();
	if (child == 0) {
		open_bench();
		if (prepare)
			prepare();
		bench.dies_at_settle = 1;
		open_sender();
		bench_run(SOON);
		_exit(1);
	}
	int status;
	waitpid(child, &status, 0);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

START_TEST(killed_before_it_settles_it_does_not_deliver_again)
{
	struct id id = publish("bob@customer.example");
	die_at_settle(NULL);
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 1);
	open_bench();
	open_sender();
	wait_settled(1);
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 1);
	Postern__Event *event = only_event(KIND(DUPLICATE), "bob@customer.example");
	ck_assert_str_eq(event->message_id, id.text);
}
END_TEST

static const struct {
	const char *to;
	Postern__EventKind kind;
} ends[] = {
	{ "dan@dead.example", KIND(EXPIRED) },
	{ "dan@nowhere..example", KIND(BOUNCED) },
};

/* What no server said is noted too: the destination may be back by the time it comes
 * again. */
START_TEST(killed_before_it_settles_an_end_stays_the_end)
{
	publish(ends[_i].to);
	die_at_settle(expire_at_once);
	open_bench();
	expire_at_once();
	put_route("dead.example", "127.0.0.1", end.port);
	open_sender();
	wait_settled(1);
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 0);
	only_event(KIND(DUPLICATE), ends[_i].to);
	ck_assert_uint_eq(read_events(KIND(DELIVERED), NULL), 0);
	/* It is told again, as it was. */
	ck_assert_uint_eq(read_events(ends[_i].kind, ends[_i].to), 2);
	ck_assert_int_eq(events[0]->time_us, events[1]->time_us);
}
END_TEST

START_TEST(an_expired_mail_does_not_go_with_its_twin)
{
	put_pool(0, 1);
	open_sender();
	struct id id = publish("dan@dead.example");
	wait_settled(1);
	put_route("dead.example", "127.0.0.1", end.port);
	publish_with(
		id, POSTERN__LANE__LANE_URGENT, "dan@dead.example", SIGNATURE, CONTENT);
	wait_settled(2);
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 0);
	only_event(KIND(DUPLICATE), "dan@dead.example");
}
END_TEST

START_TEST(without_an_answer_it_is_put_off_and_told_so)
{
	open_sender();
	publish("bob@swallow.example");
	wait_returned(1);
	Postern__Event *event = only_event(KIND(DEFERRED), "bob@swallow.example");
	ck_assert_ptr_nonnull(strstr(event->reason, "may have taken it"));
}
END_TEST

START_TEST(the_mail_of_an_app_that_is_stopped_while_it_waits_is_held)
{
	put_pool(1, 0);
	open_sender();
	publish("bob@slow.example");
	publish("bob@slow.example");
	wait_taken(2);
	put_app(POSTERN__APP_STATE__APP_SUSPENDED);
	wait_settled(2);
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 1);
	Postern__Mail *mail = only_mail(TOPIC_QUARANTINE);
	ck_assert_str_eq(mail->hold->resume, "mail.outbound.default");
}
END_TEST

START_TEST(only_what_is_left_of_a_mail_is_held)
{
	open_sender();
	put_route("slow.example", "127.0.0.1", end.port);
	/* later.example defers, slow.example takes its time: then the app is stopped. */
	publish("bob@slow.example carl@later.example");
	wait_taken(1);
	put_app(POSTERN__APP_STATE__APP_SUSPENDED);
	wait_settled(1);
	Postern__Mail *mail = only_mail(TOPIC_QUARANTINE);
	ck_assert_uint_eq(mail->envelope->n_recipients, 1);
	ck_assert_str_eq(mail->envelope->recipients[0]->address, "carl@later.example");
	only_event(KIND(DELIVERED), "bob@slow.example");
}
END_TEST

START_TEST(one_slow_destination_leaves_room_for_the_others)
{
	struct far_end slow;
	config.window = 50;
	put_pool(2, 0);
	far_end_start(&slow, "--rule *=slow:1");
	put_route("slow.example", "127.0.0.1", slow.port);
	for (int i = 0; i < 150; i++)
		publish("bob@slow.example");
	publish("ann@customer.example");
	int64_t started_ms = clock_monotonic_ms();
	open_sender();
	while (!far_end_count(&end, "message_id"))
		bench_run(20);
	/* Two a second: on its own the queue in front would take a minute. */
	int64_t took_ms = clock_monotonic_ms() - started_ms;
	ck_assert_msg(took_ms < 8000, "%d ms", (int)took_ms);
	ck_assert_uint_gt(bench.returned, 50);
	ck_assert_uint_eq(read_events(KIND(DEFERRED), NULL), 0);
	close_sender();
	far_end_stop(&slow);
}
END_TEST

START_TEST(an_idn_domain_is_sent_in_a_labels)
{
	open_sender();
	publish("bob@b\xc3\xbc"
		"cher.example");
	wait_settled(1);
	ck_assert_uint_eq(far_end_count(&end, "[\"bob@xn--bcher-kva.example\"]"), 1);
	only_event(KIND(DELIVERED), "bob@b\xc3\xbc"
				    "cher.example");
}
END_TEST

START_TEST(the_record_is_beside_the_local_bus_if_nothing_is_said)
{
	char path[128];
	config.record = "";
	open_sender();
	publish("bob@customer.example");
	wait_settled(1);
	snprintf(path, sizeof(path), "%s/deliveries.default.sqlite", folder);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_record_that_is_away_stops_nothing)
{
	config.record = "redis:127.0.0.1:1";
	open_sender();
	publish("bob@customer.example");
	wait_settled(1);
	only_event(KIND(DELIVERED), "bob@customer.example");
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 1);
}
END_TEST

static bool is_drained;

static void on_drained(void *with)
{
	(void)with;
	is_drained = true;
}

static bool has_drained(void)
{
	return is_drained;
}

START_TEST(draining_ends_what_is_under_way_and_returns_the_rest)
{
	put_pool(1, 0);
	open_sender();
	for (int i = 0; i < 6; i++)
		publish("bob@slow.example");
	wait_taken(6);
	sender->is_draining = true;
	stage_drain(sender->stage, on_drained, NULL);
	destinations_recall(sender->destinations);
	ck_assert(bench_wait(has_drained, 3000));
	ck_assert_uint_ge(bench.settled, 1);
	ck_assert_uint_ge(bench.returned, 3);
	ck_assert_uint_eq(bench.settled + bench.returned, 6);
	ck_assert_uint_eq(far_end_count(&end, "message_id"), bench.settled);
	ck_assert_uint_eq(read_events(KIND(DEFERRED), NULL), 0);
}
END_TEST

START_TEST(a_broken_bus_makes_no_second_copy)
{
	open_sender();
	bench.failure = (struct bench_failure){ TOPIC_EVENTS, FAULT_TEMPORARY, 2 };
	publish("bob@customer.example");
	wait_settled(1);
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 1);
}
END_TEST

START_TEST(a_thousand_mails_share_few_connections)
{
	for (int i = 0; i < 1000; i++) {
		char to[64];
		snprintf(to, sizeof(to), "bob%d@customer.example", i);
		publish(to);
	}
	open_sender();
	wait_settled(1000);
	ck_assert_uint_eq(far_end_count(&end, "message_id"), 1000);
	ck_assert_uint_eq(far_end_count(&end, "\"connection\": 21,"), 0);
}
END_TEST

Suite *deliver_suite(void)
{
	Suite *suite = suite_create("deliver");
	TCase *tcase = tcase_create("deliver");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_mail_is_delivered_and_told_of);
	tcase_add_loop_test(
		tcase, what_must_not_leave_is_held, 0, sizeof(unfit) / sizeof(*unfit));
	tcase_add_test(tcase, each_recipient_has_an_end_of_its_own);
	tcase_add_test(tcase, what_was_put_off_is_delivered_when_it_is_due);
	tcase_add_test(tcase, a_mail_that_nobody_took_comes_again_as_it_is);
	tcase_add_test(tcase, what_waits_for_a_server_that_is_away_goes_when_it_is_back);
	tcase_add_test(tcase, an_old_mail_expires);
	tcase_add_test(tcase, a_repeat_is_recognised);
	tcase_add_test(tcase, twins_in_hand_at_the_same_time_are_delivered_once);
	tcase_add_test(tcase, killed_before_it_settles_it_does_not_deliver_again);
	tcase_add_loop_test(tcase, killed_before_it_settles_an_end_stays_the_end, 0,
		sizeof(ends) / sizeof(*ends));
	tcase_add_test(tcase, an_expired_mail_does_not_go_with_its_twin);
	tcase_add_test(tcase, without_an_answer_it_is_put_off_and_told_so);
	tcase_add_test(tcase, the_mail_of_an_app_that_is_stopped_while_it_waits_is_held);
	tcase_add_test(tcase, only_what_is_left_of_a_mail_is_held);
	tcase_add_test(tcase, one_slow_destination_leaves_room_for_the_others);
	tcase_add_test(tcase, an_idn_domain_is_sent_in_a_labels);
	tcase_add_test(tcase, the_record_is_beside_the_local_bus_if_nothing_is_said);
	tcase_add_test(tcase, a_record_that_is_away_stops_nothing);
	tcase_add_test(tcase, draining_ends_what_is_under_way_and_returns_the_rest);
	tcase_add_test(tcase, a_broken_bus_makes_no_second_copy);
	tcase_add_test(tcase, a_thousand_mails_share_few_connections);
	suite_add_tcase(suite, tcase);
	return suite;
}
