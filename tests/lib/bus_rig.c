/* SPDX-License-Identifier: MIT */
#include "bus_rig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/memory.h"

static const struct bus_topic topics[] = {
	{ .name = "compact-*", .compacted = true, .retention_ms = 1000 },
	{ .name = "brief-*", .retention_ms = 1000 },
	{ .name = "small-*", .retention_bytes = 512 << 10 },
	{ 0 },
};

bool rig_has(enum rig_engine engine)
{
	const char *broker = getenv("POSTERN_TEST_KAFKA");
	return engine == RIG_LOCAL || (broker && *broker);
}

const char *rig_engine_name(enum rig_engine engine)
{
	return engine == RIG_LOCAL ? "local" : "kafka";
}

void rig_plan(struct rig *rig, enum rig_engine engine)
{
	static unsigned count;
	*rig = (struct rig){ .engine = engine,
		.patience_ms = engine == RIG_LOCAL ? 10000 : 60000 };
	/* The test's processes differ, and so do runs against the same broker. */
	snprintf(rig->prefix, sizeof(rig->prefix), "%d-%llx-%u", getpid(),
		(unsigned long long)clock_unix_us() & 0xffffffff, count++);
	if (engine == RIG_KAFKA) {
		snprintf(rig->where, sizeof(rig->where), "kafka:%s",
			getenv("POSTERN_TEST_KAFKA"));
		return;
	}
	snprintf(rig->folder, sizeof(rig->folder), "/tmp/postern-bus-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(rig->folder));
	snprintf(rig->where, sizeof(rig->where), "local:%s", rig->folder);
}

void rig_open_with(struct rig *rig, const struct bus_options *options)
{
	struct fault fault = { 0 };
	rig->loop = loop_new();
	rig->bus = bus_open(options, rig->loop, &fault);
	ck_assert_msg(rig->bus != NULL, "%s", fault.text);
}

void rig_open(struct rig *rig)
{
	char instance[96];
	snprintf(instance, sizeof(instance), "test-%s-%d", rig->prefix, getpid());
	rig_open_with(rig,
		&(struct bus_options){
			.where = rig->where, .instance = instance, .topics = topics });
}

void rig_close(struct rig *rig)
{
	bus_close(rig->bus);
	rig->bus = NULL;
	loop_free(rig->loop);
	rig->loop = NULL;
}

void rig_done(struct rig *rig)
{
	if (rig->bus)
		rig_close(rig);
	if (rig->engine != RIG_LOCAL)
		return;
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", rig->folder);
	ck_assert_int_eq(system(command), 0);
}

const char *rig_topic(struct rig *rig, const char *name)
{
	ck_assert_uint_lt(rig->name_count, 16);
	char *topic = rig->names[rig->name_count++];
	snprintf(topic, sizeof(rig->names[0]), "%s-%s", name, rig->prefix);
	return topic;
}

static void stop(void *with)
{
	loop_stop(with);
}

void rig_turn(struct rig *rig, int64_t ms)
{
	struct timer *timer = timer_new(rig->loop, stop, rig->loop);
	timer_start(timer, ms);
	loop_run(rig->loop);
	timer_free(timer);
}

static void note_published(void *with, const struct fault *fault)
{
	struct rig *rig = with;
	if (fault) {
		rig->failed++;
		rig->last_fault = *fault;
	} else {
		rig->durable++;
	}
	if (rig->durable + rig->failed == rig->asked)
		loop_stop(rig->loop);
}

void rig_publish_record(struct rig *rig, const struct bus_record *record)
{
	rig->asked++;
	bus_publish(rig->bus, record, note_published, rig);
}

void rig_publish(struct rig *rig, const char *topic, const char *key, const char *value)
{
	rig_publish_record(rig,
		&(struct bus_record){
			.topic = topic, .key = slice_of(key), .value = slice_of(value) });
}

void rig_publish_spread(struct rig *rig, const char *topic, int from, int to)
{
	for (int i = from; i < to; i++) {
		char key[16], value[16];
		snprintf(key, sizeof(key), "app/%d", i % 12);
		snprintf(value, sizeof(value), "%d", i);
		rig_publish(rig, topic, key, value);
	}
}

void rig_flush(struct rig *rig)
{
	RIG_UNTIL(rig, rig->durable + rig->failed == rig->asked);
	ck_assert_msg(rig->failed == 0, "%s", rig->last_fault.text);
}

void takes_note(void *with, struct bus_delivery *delivery)
{
	struct takes *takes = with;
	if (takes->count == takes->room) {
		takes->room = takes->room ? takes->room * 2 : 64;
		takes->rows = memory_resize(
			takes->rows, takes->room * sizeof(*takes->rows));
	}
	takes->rows[takes->count++] = (struct taken){ .key = memory_string(delivery->key),
		.value = memory_string(slice_head(delivery->value, 64)),
		.size = delivery->value.size,
		.topic = memory_string(slice_of(delivery->topic)),
		.attempt = delivery->attempt,
		.published_ms = delivery->published_ms,
		.at_ms = clock_unix_ms(),
		.delivery = delivery };
	if (!takes->keeps)
		takes_settle(takes, takes->count - 1);
	loop_stop(takes->rig->loop);
}

void takes_settle(struct takes *takes, size_t row)
{
	ck_assert_ptr_nonnull(takes->rows[row].delivery);
	bus_settle(takes->rows[row].delivery);
	takes->rows[row].delivery = NULL;
}

size_t takes_of(const struct takes *takes, const char *value)
{
	size_t count = 0;
	for (size_t i = 0; i < takes->count; i++)
		count += strcmp(takes->rows[i].value, value) == 0;
	return count;
}

void takes_subscribe_to(
	struct takes *takes, struct rig *rig, const struct bus_subscription *subscription)
{
	struct fault fault = { 0 };
	takes->rig = rig;
	takes->reader = bus_subscribe(rig->bus, subscription, takes_note, takes, &fault);
	ck_assert_msg(takes->reader != NULL, "%s", fault.text);
}

void takes_subscribe(struct takes *takes, struct rig *rig, const char *group,
	const char *topic, unsigned window)
{
	/* Groups of a shared broker are as unique as its topics. */
	char name[128];
	snprintf(name, sizeof(name), "%s-%s", group, rig->prefix);
	const struct bus_source sources[] = { { topic, 1 }, { 0 } };
	takes_subscribe_to(takes, rig,
		&(struct bus_subscription){ .group = name,
			.sources = sources,
			.window = window,
			.window_bytes = 256 << 20 });
}

void takes_unsubscribe(struct takes *takes)
{
	bus_unsubscribe(takes->reader);
	takes->reader = NULL;
}

void takes_done(struct takes *takes)
{
	takes_unsubscribe(takes);
	for (size_t i = 0; i < takes->count; i++) {
		free(takes->rows[i].key);
		free(takes->rows[i].value);
		free(takes->rows[i].topic);
	}
	free(takes->rows);
	*takes = (struct takes){ 0 };
}

void child_start(struct child *child, struct rig *rig, child_body *body, void *with)
{
	int fds[2];
	ck_assert_int_eq(pipe(fds), 0);
	child->pid = fork();
	ck_assert_int_ge(child->pid, 0);
	if (child->pid == 0) {
		/* A test that fails leaves nobody behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		rig_open(rig);
		body(rig, fds[1], with);
		rig_close(rig);
		_exit(0);
	}
	close(fds[1]);
	child->fd = fds[0];
}

void child_say(int fd, const char *format, ...)
{
	char line[256];
	va_list args;
	va_start(args, format);
	int size = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	line[size] = '\n';
	(void)!write(fd, line, size + 1);
}

bool child_hear(struct child *child, struct rig *rig, char line[256])
{
	struct pollfd fd = { child->fd, POLLIN, 0 };
	for (size_t size = 0; size < 255; size++) {
		if (poll(&fd, 1, (int)rig->patience_ms) <= 0 ||
			read(child->fd, &line[size], 1) != 1)
			return false;
		if (line[size] == '\n') {
			line[size] = '\0';
			return true;
		}
	}
	return false;
}

void child_kill(struct child *child)
{
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	close(child->fd);
}

void child_wait(struct child *child)
{
	int status;
	waitpid(child->pid, &status, 0);
	close(child->fd);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		"a child ended with status %x", status);
}
