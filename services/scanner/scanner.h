/* SPDX-License-Identifier: MIT
 *
 * The scanner as a service: opens the pool of workers, the way to rspamd and the stage,
 * and closes them in order. */
#ifndef SERVICES_SCANNER_SCANNER_H
#define SERVICES_SCANNER_SCANNER_H

#include "lib/service.h"
#include "services/scanner/config.h"
#include "services/scanner/pool.h"
#include "services/scanner/spam.h"

struct scanner {
	struct process *process;
	const struct config *config;
	unsigned checks; /* enum check */
	struct alarms *alarms;
	struct folder *folder;
	struct pool_plan pool_plan;
	Postern__WorkerPlan worker_plan;
	struct pool *pool;
	struct spam *spam; /* NULL: not configured */
	struct file_watch *watch;
	struct stage *stage;
};

bool scanner_open(struct process *process, void **ret_self, struct fault *fault);
bool scanner_is_ready(void *self, struct fault *why);
void scanner_drain(void *self);
void scanner_reload(void *self);
void scanner_close(void *self);

#endif
