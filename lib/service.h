/* SPDX-License-Identifier: MIT
 *
 * The life of a service process: arguments, settings, log, signals, bus, registry, open,
 * ready, run, drain, close. main.c gives a `struct service` and nothing else. */
#ifndef LIB_SERVICE_H
#define LIB_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/fault.h"
#include "lib/log.h"
#include "lib/settings.h"

struct bus;
struct loop;
struct registry;

/* What every service is given. All of it outlives the service's `close`. */
struct process {
	const char *name;     /* of the service */
	const char *instance; /* of this copy: POSTERN_INSTANCE, or host name and pid */
	struct loop *loop;
	struct log log;
	struct bus *bus;
	const char *bus_where;     /* POSTERN_BUS */
	struct registry *registry; /* caught up before `open` is called */
	const void *config;        /* the service's own config struct, filled */
	struct arena *arena;       /* lives as long as the process */
};

struct service {
	const char *name;
	const char *summary; /* one sentence for --help */
	const struct setting *settings;
	size_t config_size;
	/* Starts the work; `ret_self` is handed to the others. FAULT_FATAL or any other
	 * fault ends the process with status 1 and its text. */
	bool (*open)(struct process *process, void **ret_self, struct fault *fault);
	/* Is it able to work now? NULL: yes from `open` on. `why` is for /readyz. */
	bool (*is_ready)(void *self, struct fault *why);
	/* SIGTERM or SIGINT came: take nothing new, finish what is in hand, then call
	 * process_drained(). After POSTERN_DRAIN_TIMEOUT, or at a second signal, the
	 * process closes anyway: the bus redelivers. */
	void (*drain)(void *self);
	/* SIGHUP came: read certificates and keys again. NULL: none. */
	void (*reload)(void *self);
	void (*close)(void *self);
};

/* Returns the exit status. Offers --help, --help-config, --help-config=markdown,
 * --version,
 * --check-config. Serves /healthz, /readyz and /metrics on POSTERN_HTTP. */
int service_main(int argc, char **argv, const struct service *service);
void process_drained(struct process *process);
/* For what turns out after `open`: the service can't do its work. The process closes and
 * ends with status 1. */
void process_failed(struct process *process, const struct fault *why);

#endif
