/* SPDX-License-Identifier: MIT
 *
 * The benchmark's destination: doors, each with a manner of its own. */
#ifndef TESTS_BENCH_SINK_SINK_H
#define TESTS_BENCH_SINK_SINK_H

#include <stddef.h>

struct loop;

enum sink_manner {
	SINK_TAKES,
	SINK_TARPITS,
	SINK_DEFERS,
	SINK_IS_SILENT,
	SINK_SUBMITS, /* takes, as a submission server does: STARTTLS and AUTH */
	SINK_MANNERS,
};

struct sink_plan {
	int ports[SINK_MANNERS]; /* 0 = none */
	const char *out, *samples;
	const char *certificate, *key; /* of the door that submits */
	size_t sample;                 /* every n-th is stored in `samples` */
};

struct sink *sink_open(const struct sink_plan *plan, struct loop *loop);
void sink_close(struct sink *sink);

#endif
