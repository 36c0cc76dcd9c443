/* SPDX-License-Identifier: MIT
 *
 * The HTTP side of a process, for orchestrators and Prometheus: /healthz (the loop
 * turns), /readyz (it can work, or why not) and /metrics. Answers GET and HEAD only;
 * meant for an address that strangers can't reach. */
#ifndef LIB_PROBE_H
#define LIB_PROBE_H

#include "lib/fault.h"
#include "lib/loop.h"

struct probe;

/* True: ready. Otherwise `why` says why not. */
typedef bool probe_ready(void *with, struct fault *why);

/* `address` is HOST:PORT or [V6]:PORT; port 0 takes a free one. */
struct probe *probe_open(struct loop *loop, const char *address, probe_ready *is_ready,
	void *with, struct fault *fault);
/* Where it really listens; lives as long as the probe. */
const char *probe_address(const struct probe *probe);
void probe_close(struct probe *probe);

#endif
