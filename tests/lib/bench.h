/* SPDX-License-Identifier: MIT
 *
 * A process around a stage, for tests: loop, local bus in a folder of its own, registry.
 * Its bus can be told to fail, to record, or to die at a given place; everything else is
 * the real thing. */
#ifndef TESTS_LIB_BENCH_H
#define TESTS_LIB_BENCH_H

#include "lib/bus/bus.h"
#include "lib/id.h"
#include "lib/service.h"
#include "lib/stage.h"
#include "proto/control.pb-c.h"

struct bench_failure {
	const char *topic; /* what begins so fails; NULL: nothing */
	enum fault_kind kind;
	unsigned times;
};

struct bench {
	struct process process;
	struct bench_failure failure;
	unsigned published; /* reported as durable */
	unsigned durable_at_settle;
	unsigned settled, returned;
	int64_t returned_due_ms;
	unsigned dies_at_settle; /* the n-th; 0: never */
};

extern struct bench bench;

/* In `folder`, which stays. */
void bench_open(const char *folder);
void bench_close(void);
/* Tells the registry about an app. */
void bench_app(const char *name, Postern__AppState state, const char *reason);
/* Runs the loop until `is_done`; false after `timeout_ms`. */
bool bench_wait(bool (*is_done)(void), int64_t timeout_ms);
/* Runs the loop for a while. */
void bench_run(int64_t for_ms);
/* Publishes and waits until it is durable. */
void bench_publish(const char *topic, struct slice key, struct slice value);
/* Publishes a mail of app `app` and gives its id. */
struct id bench_publish_mail(const char *topic, const char *app, const char *content);

struct bench_record {
	struct slice key, value;
};
/* Reads a topic from its beginning; the records live as long as the bench. */
size_t bench_read(const char *topic, struct bench_record *ret_records, size_t most);

#endif
