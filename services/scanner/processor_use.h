/* SPDX-License-Identifier: MIT
 *
 * What a worker got of the processors: tells a message that takes too long from a machine
 * that has too much to do. */
#ifndef SERVICES_SCANNER_PROCESSOR_USE_H
#define SERVICES_SCANNER_PROCESSOR_USE_H

#include <stdbool.h>
#include <stdint.h>

/* Of a process of one thread, since it began; /proc/PID/schedstat, proc(5). */
struct processor_use {
	int64_t ran_ms;
	int64_t waited_ms; /* ready to run while others ran, up to when it last ran */
	bool is_ready;     /* to run, or running */
};

/* Zeros if it is gone, or the kernel does not say. */
struct processor_use processor_use_of(int pidfd);

/* Was it kept from running for three quarters of these `ms`? */
bool processor_use_is_starved(const struct processor_use *before,
	const struct processor_use *after, int64_t ms);

#endif
