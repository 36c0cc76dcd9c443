/* SPDX-License-Identifier: MIT
 *
 * What a worker got of the processors: tells a message that takes too long from a machine
 * that has too much to do. */
#ifndef SERVICES_SCANNER_PROCESSOR_USE_H
#define SERVICES_SCANNER_PROCESSOR_USE_H

#include <stdbool.h>
#include <stdint.h>

/* Of a process of one thread, since it began; /proc/PID/schedstat. */
struct processor_use {
	int64_t ran_ms;
	int64_t waited_ms; /* ready to run while others ran, up to when it last ran */
};

/* A descriptor for the functions below; it never becomes another process's. -1: the
 * process is gone, or the kernel does not say. */
int processor_facts_open(int pidfd);

/* Zeros if it is gone. One short file: this is asked for each message. */
struct processor_use processor_use_of(int facts);

/* Since `before`, `ms` ago: was it kept from running for three quarters of the time? */
bool processor_is_starved(int facts, const struct processor_use *before, int64_t ms);

/* The same of what was read. `is_ready`: it runs, or would if it could. */
bool processor_use_is_starved(const struct processor_use *before,
	const struct processor_use *after, bool is_ready, int64_t ms);

#endif
