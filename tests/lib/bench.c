/* SPDX-License-Identifier: MIT */
#include "tests/lib/bench.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "lib/bus/engine.h"
#include "lib/loop.h"
#include "lib/mail.h"
#include "lib/memory.h"
#include "lib/registry/registry.h"
#include "lib/topics.h"

struct bench bench;

static const struct bus_engine *real;
static struct bus_engine patched;

/* In the list until it is told; a bus that is closed tells nothing more. */
struct report {
	LIST_ENTRY(report) entry;
	bus_published *published;
	void *with;
	struct fault fault;
};

static LIST_HEAD(, report) reports;

static void tell(struct report *report, const struct fault *fault)
{
	LIST_REMOVE(report, entry);
	report->published(report->with, fault);
	free(report);
}

static void on_published(void *with, const struct fault *fault)
{
	bench.published += !fault;
	tell(with, fault);
}

static void report_failure(void *with)
{
	struct report *report = with;
	tell(report, &report->fault);
}

static bool must_fail(const char *topic)
{
	struct bench_failure *failure = &bench.failure;
	if (!failure->topic || !failure->times ||
		strncmp(topic, failure->topic, strlen(failure->topic)) != 0)
		return false;
	failure->times--;
	return true;
}

static void publish(struct bus *bus, const struct bus_record *record,
	bus_published *published, void *with)
{
	struct report *report = NEW(struct report);
	*report = (struct report){ .published = published, .with = with };
	LIST_INSERT_HEAD(&reports, report, entry);
	if (!must_fail(record->topic)) {
		real->publish(bus, record, on_published, report);
		return;
	}
	fault_temporary(&report->fault, "told to fail");
	report->fault.kind = bench.failure.kind;
	loop_post(bench.process.loop, report_failure, report);
}

static void settle(struct bus_delivery *delivery)
{
	if (++bench.settled == bench.dies_at_settle)
		kill(getpid(), SIGKILL);
	bench.durable_at_settle = bench.published;
	real->settle(delivery);
}

static void give_back(struct bus_delivery *delivery, int64_t due_ms)
{
	bench.returned++;
	bench.returned_due_ms = due_ms;
	real->give_back(delivery, due_ms);
}

void bench_open(const char *folder)
{
	struct fault fault = { 0 };
	struct process *process = &bench.process;
	bench = (struct bench){ 0 };
	process->name = "tester";
	process->instance = "tester-1";
	process->loop = loop_new();
	process->arena = arena_new();
	process->registry = registry_new(&process->log);
	const struct bus_options options = {
		.where = arena_printf(process->arena, "local:%s", folder),
		.instance = arena_printf(process->arena, "tester-%d", (int)getpid()),
		.topics = postern_topics,
	};
	process->bus_where = options.where;
	process->bus = bus_open(&options, process->loop, &fault);
	ck_assert_msg(process->bus != NULL, "%s", fault.text);
	real = process->bus->engine;
	patched = *real;
	patched.publish = publish;
	patched.settle = settle;
	patched.give_back = give_back;
	process->bus->engine = &patched;
}

void bench_close(void)
{
	registry_close(bench.process.registry);
	bench.process.bus->engine = real;
	bus_close(bench.process.bus);
	while (!LIST_EMPTY(&reports)) {
		struct report *report = LIST_FIRST(&reports);
		LIST_REMOVE(report, entry);
		free(report);
	}
	loop_free(bench.process.loop);
	arena_free(bench.process.arena);
}

void bench_app(const char *name, Postern__AppState state, const char *reason)
{
	Postern__App app = POSTERN__APP__INIT;
	app.name = (char *)name;
	app.state = state;
	app.lane = POSTERN__LANE__LANE_NORMAL;
	app.state_reason = (char *)reason;
	Postern__Object object = POSTERN__OBJECT__INIT;
	object.version = RECORD_VERSION;
	object.kind_case = POSTERN__OBJECT__KIND_APP;
	object.app = &app;
	struct arena *arena = bench.process.arena;
	registry_change(bench.process.registry, object_key(arena, &object),
		record_encode(arena, &object.base));
}

struct waiting {
	bool (*is_done)(void);
	bool is_over;
	struct timer *turn;
};

static void stop(void *with)
{
	struct waiting *waiting = with;
	waiting->is_over = true;
	loop_stop(bench.process.loop);
}

static void look(void *with)
{
	struct waiting *waiting = with;
	if (waiting->is_done && waiting->is_done())
		loop_stop(bench.process.loop);
	else
		timer_start(waiting->turn, 2);
}

bool bench_wait(bool (*is_done)(void), int64_t timeout_ms)
{
	struct waiting waiting = { .is_done = is_done };
	struct timer *end = timer_new(bench.process.loop, stop, &waiting);
	waiting.turn = timer_new(bench.process.loop, look, &waiting);
	timer_start(end, timeout_ms);
	timer_start(waiting.turn, 0);
	loop_run(bench.process.loop);
	timer_free(end);
	timer_free(waiting.turn);
	return !waiting.is_over;
}

void bench_run(int64_t for_ms)
{
	bench_wait(NULL, for_ms);
}

static bool is_published;

static void on_sample(void *with, const struct fault *fault)
{
	(void)with;
	ck_assert_msg(!fault, "%s", fault ? fault->text : "");
	is_published = true;
}

static bool sample_is_published(void)
{
	return is_published;
}

void bench_publish(const char *topic, struct slice key, struct slice value)
{
	is_published = false;
	const struct bus_record record = { .topic = topic, .key = key, .value = value };
	real->publish(bench.process.bus, &record, on_sample, NULL);
	ck_assert(bench_wait(sample_is_published, 10000));
}

struct id bench_publish_mail(const char *topic, const char *app, const char *content)
{
	struct id id = id_mint();
	Postern__Recipient recipient = POSTERN__RECIPIENT__INIT;
	recipient.address = "bob@example.net";
	Postern__Recipient *recipients[] = { &recipient };
	Postern__Envelope envelope = POSTERN__ENVELOPE__INIT;
	envelope.from = "ann@example.com";
	envelope.n_recipients = 1;
	envelope.recipients = recipients;
	Postern__Submission submission = POSTERN__SUBMISSION__INIT;
	Postern__Mail mail = POSTERN__MAIL__INIT;
	mail.version = RECORD_VERSION;
	mail.content_sha256 = (ProtobufCBinaryData){ 32, (uint8_t[32]){ 1 } };
	mail.id = id.text;
	mail.app = (char *)app;
	mail.lane = POSTERN__LANE__LANE_NORMAL;
	mail.pool = "default";
	mail.envelope = &envelope;
	mail.submission = &submission;
	mail.content = (ProtobufCBinaryData){ strlen(content), (uint8_t *)content };
	struct arena *arena = bench.process.arena;
	bench_publish(topic, mail_key(arena, &mail), record_encode(arena, &mail.base));
	return id;
}

struct reading {
	struct bench_record *records;
	size_t count, most;
	bool is_over;
};

static struct reading reading;

static void on_seen(
	void *with, const struct bus_delivery *delivery, const struct fault *fault)
{
	(void)with;
	ck_assert_msg(!fault, "%s", fault ? fault->text : "");
	if (!delivery) {
		reading.is_over = true;
		return;
	}
	ck_assert_uint_lt(reading.count, reading.most);
	reading.records[reading.count++] = (struct bench_record){
		arena_copy(bench.process.arena, delivery->key),
		arena_copy(bench.process.arena, delivery->value),
	};
}

static bool reading_is_over(void)
{
	return reading.is_over;
}

size_t bench_read(const char *topic, struct bench_record *ret_records, size_t most)
{
	struct fault fault = { 0 };
	reading = (struct reading){ .records = ret_records, .most = most };
	const struct bus_range range = { .topic = topic };
	struct bus_browser *browser = bus_browse(
		bench.process.bus, &range, on_seen, NULL, &fault);
	ck_assert_msg(browser != NULL, "%s", fault.text);
	ck_assert(bench_wait(reading_is_over, 10000));
	bus_unbrowse(browser);
	return reading.count;
}
