/* SPDX-License-Identifier: MIT
 *
 * The load generator: what it is to send. */
#ifndef TESTS_BENCH_LOAD_LOAD_H
#define TESTS_BENCH_LOAD_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#define LOAD_LOGINS 256

struct load_login {
	const char *user, *secret;
};

struct load_plan {
	unsigned short port;
	struct load_login logins[LOAD_LOGINS]; /* the connections take turns */
	size_t login_count;
	const char *from, *prefix, *domain, *out;
	const char *aside; /* parent of the domains of every `aside_every`-th message */
	size_t connections, count, bytes, aside_every;
	unsigned domains;
	double rate; /* messages a second; 0 = closed loop */
	bool is_idle, is_plain;
};

/* Returns the exit status: 0 if every message was answered with 250. Prints one JSON line
 * when all are logged in, and one at the end. */
int load_run(const struct load_plan *plan);

#endif
