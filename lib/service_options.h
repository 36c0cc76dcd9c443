/* SPDX-License-Identifier: MIT
 *
 * What every service is told from outside: the settings that all have, and the arguments.
 * Part of service.h; nobody else includes this. */
#ifndef LIB_SERVICE_OPTIONS_H
#define LIB_SERVICE_OPTIONS_H

#include "lib/log.h"
#include "lib/service.h"

struct service_options {
	const char *bus;
	const char *instance;
	const char *http;
	const char *log_level;
	int64_t drain_timeout_ms;
};

enum { STATUS_GOOD = 0, STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_RUN = -1 };

/* Reads arguments and settings; what is wrong, or was asked for, has been printed.
 * STATUS_RUN: go on with the service; otherwise the exit status. */
int service_options_load(int argc, char **argv, const struct service *service,
	struct service_options *ret_options, struct process *process);
/* Logs a warning for each variable that is probably a mistyped setting. */
void service_options_warn(const struct service *service, const struct log *log);

#endif
