/* SPDX-License-Identifier: MIT
 *
 * Locks a worker in: no network, no files but its own folder (and /usr to read, for
 * character sets), no new programs, no other system calls than parsing needs, limited
 * memory, no privileges. What is forbidden kills the process: it would not have been
 * asked for by code that is in order. */
#ifndef SERVICES_SCANNER_WORKER_SANDBOX_H
#define SERVICES_SCANNER_WORKER_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/fault.h"

struct sandbox {
	int folder;            /* its own */
	int parent;            /* pid: it dies with that one */
	uint64_t memory_bytes; /* beyond what it has now; 0 = no limit */
};

/* For the zygote, before it loads anything: leaves the network, gives up new privileges.
 * Returns what this kernel or container does not allow, "" if all is in place. */
const char *sandbox_prepare(void);
/* For a worker; there is no way back. */
bool sandbox_enter(const struct sandbox *sandbox, struct fault *fault);

#endif
