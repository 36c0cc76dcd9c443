/* SPDX-License-Identifier: MIT
 *
 * A worker process: takes one message after the other from its socket, inspects it and
 * answers. It locks itself in before the first one and ends when the socket does. It may
 * die at any time: nobody else is hurt. */
#ifndef SERVICES_SCANNER_WORKER_WORKER_H
#define SERVICES_SCANNER_WORKER_WORKER_H

#include "services/scanner/worker/zygote.h"

struct worker {
	int socket; /* to the scanner */
	int folder; /* its own */
	const Postern__WorkerPlan *plan;
	const struct duty *duty;
	void *self; /* what the duty has loaded */
	int zygote; /* pid: it dies with that one */
};

/* Never returns. */
void worker_run(const struct worker *worker) __attribute__((noreturn));

#endif
