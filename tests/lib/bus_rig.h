/* SPDX-License-Identifier: MIT
 *
 * What the bus tests stand on: a bus of either engine with topics of its own, records as
 * they were taken, and processes that share the bus and can be killed. */
#ifndef TESTS_LIB_BUS_RIG_H
#define TESTS_LIB_BUS_RIG_H

#include <check.h>
#include <sys/types.h>

#include "lib/bus/bus.h"
#include "lib/clock.h"
#include "lib/loop.h"

enum rig_engine { RIG_LOCAL, RIG_KAFKA, RIG_ENGINES };

struct rig {
	enum rig_engine engine;
	char folder[64]; /* of the local engine */
	char where[128];
	char prefix[64]; /* of this test's topics, unique for ever */
	char names[16][160];
	unsigned name_count;
	int64_t patience_ms; /* how long a thing may take that takes a moment */
	struct loop *loop;
	struct bus *bus;
	/* Of rig_publish. */
	unsigned asked, durable, failed;
	struct fault last_fault;
};

/* Does the environment offer this engine (POSTERN_TEST_KAFKA)? */
bool rig_has(enum rig_engine engine);
const char *rig_engine_name(enum rig_engine engine);

/* Names only; children are forked next, then the bus is opened. */
void rig_plan(struct rig *rig, enum rig_engine engine);
void rig_open(struct rig *rig);
void rig_open_with(struct rig *rig, const struct bus_options *options);
void rig_close(struct rig *rig);
/* Removes the folder as well. */
void rig_done(struct rig *rig);

/* "brief-…" is kept 1 s, "small-…" up to 512 KiB, "compact-…" compacted with tombstones
 * kept 1 s; anything else for ever. Lives as long as the rig. */
const char *rig_topic(struct rig *rig, const char *name);

/* Runs the loop for about `ms`, or until something calls loop_stop. */
void rig_turn(struct rig *rig, int64_t ms);
#define RIG_UNTIL_MS(rig, condition, ms)                         \
	for (int64_t rig_end = clock_monotonic_ms() + (ms);      \
		!(condition) && clock_monotonic_ms() < rig_end;) \
	rig_turn((rig), 20)
/* Fails the test if it doesn't come about. */
#define RIG_UNTIL(rig, condition)                                    \
	do {                                                         \
		RIG_UNTIL_MS(rig, condition, (rig)->patience_ms);    \
		ck_assert_msg(condition, "never came: " #condition); \
	} while (0)

void rig_publish(struct rig *rig, const char *topic, const char *key, const char *value);
void rig_publish_record(struct rig *rig, const struct bus_record *record);
/* The numbers, over 12 keys. */
void rig_publish_spread(struct rig *rig, const char *topic, int from, int to);
/* Until everything published is durable. */
void rig_flush(struct rig *rig);

/* Records as they were taken, in their order. */
struct taken {
	char *key;
	char *value;
	size_t size;
	char *topic;
	unsigned attempt;
	int64_t published_ms, at_ms;
	struct bus_delivery *delivery; /* NULL once it has ended */
};

struct takes {
	struct rig *rig;
	bool keeps; /* holds on to what it takes, else settles it at once */
	size_t count, room;
	struct taken *rows;
	struct bus_reader *reader;
};

void takes_subscribe(struct takes *takes, struct rig *rig, const char *group,
	const char *topic, unsigned window);
void takes_subscribe_to(struct takes *takes, struct rig *rig,
	const struct bus_subscription *subscription);
void takes_unsubscribe(struct takes *takes);
void takes_done(struct takes *takes);
/* For bus_subscribe; `with` is a struct takes. */
void takes_note(void *with, struct bus_delivery *delivery);
void takes_settle(struct takes *takes, size_t row);
/* Rows whose value is `value`. */
size_t takes_of(const struct takes *takes, const char *value);

/* A process with a bus of its own. `body` is given a rig that is open and a descriptor on
 * which child_say() speaks to child_hear(). It ends with the body. */
struct child {
	pid_t pid;
	int fd;
};
typedef void child_body(struct rig *rig, int fd, void *with);
void child_start(struct child *child, struct rig *rig, child_body *body, void *with);
void child_say(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The next line, without its end; false at the end or after the rig's patience. */
bool child_hear(struct child *child, struct rig *rig, char line[256]);
void child_kill(struct child *child);
/* Waits for its end and checks that it was a good one. */
void child_wait(struct child *child);

#endif
