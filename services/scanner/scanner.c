/* SPDX-License-Identifier: MIT */
#include "services/scanner/scanner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alarm.h"
#include "lib/bus/bus.h"
#include "lib/clock.h"
#include "lib/file_watch.h"
#include "lib/mail.h"
#include "lib/memory.h"
#include "lib/topics.h"
#include "services/scanner/checks.h"
#include "services/scanner/folder.h"
#include "services/scanner/scan.h"

/* More than workers, for what waits for rspamd and for the bus. */
#define JOBS_PER_WORKER 64
#define WINDOW_BYTES    ((size_t)256 << 20)

static void on_alert_published(void *with, const struct fault *fault)
{
	const struct scanner *scanner = with;
	if (fault)
		log_warning(&scanner->process->log, "alert not published",
			FIELD("why", fault->text));
}

static void alert(void *with, const char *reason)
{
	struct scanner *scanner = with;
	struct arena *arena = arena_new();
	Postern__Event event = POSTERN__EVENT__INIT;
	event.version = RECORD_VERSION;
	event.kind = POSTERN__EVENT_KIND__EVENT_ALERT;
	event.time_us = clock_unix_us();
	event.service = (char *)scanner->process->name;
	event.instance = (char *)scanner->process->instance;
	event.reason = (char *)reason;
	bus_publish(scanner->process->bus,
		&(struct bus_record){ .topic = TOPIC_EVENTS,
			.key = SLICE("alert"),
			.value = record_encode(arena, &event.base) },
		on_alert_published, scanner);
	arena_free(arena);
}

static const char *worker_program(struct arena *arena, const char *setting)
{
	if (*setting)
		return setting;
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
	struct slice own = { path, length > 0 ? (size_t)length : 0 };
	const char *slash = own.size ? memrchr(own.data, '/', own.size) : NULL;
	int folder = slash ? (int)(slash + 1 - own.data) : 0;
	return arena_printf(arena, "%.*sscanner-worker", folder, path);
}

static bool check_settings(struct scanner *scanner, struct fault *fault)
{
	const struct config *config = scanner->config;
	if (!checks_parse(config->checks, &scanner->checks, fault))
		return false;
	if ((scanner->checks & CHECK_MALWARE) && !*config->signatures)
		return fault_permanent(fault,
			"POSTERN_SCANNER_SIGNATURES is not set: name the folder that "
			"freshclam keeps (/var/lib/clamav), or take malware out of "
			"POSTERN_SCANNER_CHECKS");
	const char *program = scanner->pool_plan.generation.program;
	return access(program, X_OK) == 0 ||
	       fault_permanent(fault,
		       "%s: %s: set POSTERN_SCANNER_WORKER to the program scanner-worker",
		       program, strerror(errno));
}

static bool open_stage(struct scanner *scanner, struct fault *fault)
{
	struct stage_plan plan = {
		.name = "scanner",
		.consumes = scanner->config->consumes,
		.window = scanner->pool_plan.workers * JOBS_PER_WORKER,
		.window_bytes = WINDOW_BYTES,
		.work = scan_message,
		.with = scanner,
	};
	scanner->stage = stage_open(scanner->process, &plan, fault);
	return scanner->stage != NULL;
}

/* No mail is taken before it can be inspected. */
static void on_pool_ready(void *with)
{
	struct scanner *scanner = with;
	struct fault fault = { 0 };
	if (!open_stage(scanner, &fault))
		process_failed(scanner->process, &fault);
}

static void on_pool_failed(void *with, const struct fault *why)
{
	struct scanner *scanner = with;
	process_failed(scanner->process, why);
}

static void plan_pool(struct scanner *scanner)
{
	const struct config *config = scanner->config;
	int64_t cores = sysconf(_SC_NPROCESSORS_ONLN);
	postern__worker_plan__init(&scanner->worker_plan);
	/* The worker program has a working folder of its own. */
	char *signatures = realpath(config->signatures, NULL);
	scanner->worker_plan.signatures = arena_string(
		scanner->process->arena, slice_of(signatures));
	free(signatures);
	scanner->worker_plan.unpacked_bytes = (uint64_t)config->unpacked_bytes;
	scanner->worker_plan.memory_bytes = (uint64_t)config->memory_bytes;
	scanner->worker_plan.files = (uint32_t)config->files;
	scanner->worker_plan.depth = (uint32_t)config->depth;
	scanner->worker_plan.parts = (uint32_t)config->parts;
	scanner->pool_plan = (struct pool_plan){
		.generation = { worker_program(scanner->process->arena, config->worker),
			NULL, &scanner->worker_plan, config->load_timeout_ms },
		.workers = (unsigned)(config->workers ? config->workers
				      : cores > 0     ? cores
						      : 1),
		.timeout_ms = config->timeout_ms,
		.log = &scanner->process->log,
		.ready = on_pool_ready,
		.failed = on_pool_failed,
		.alert = alert,
		.with = scanner,
	};
}

static bool open_pool(struct scanner *scanner, struct fault *fault)
{
	const struct config *config = scanner->config;
	plan_pool(scanner);
	if (!check_settings(scanner, fault))
		return false;
	scanner->worker_plan.malware = scanner->checks & CHECK_MALWARE;
	scanner->worker_plan.dlp = (scanner->checks & CHECK_DLP) != 0;
	/* The worker has nothing to look for: a copy for rspamd's sake. */
	if (!(scanner->checks & (CHECK_MALWARE | CHECK_DLP)))
		return open_stage(scanner, fault);
	scanner->folder = folder_open(config->tmp, fault);
	if (!scanner->folder)
		return false;
	scanner->pool_plan.generation.folder = folder_path(scanner->folder);
	scanner->pool = pool_open(scanner->process->loop, &scanner->pool_plan, fault);
	return scanner->pool != NULL;
}

static void on_signatures_changed(void *with)
{
	struct scanner *scanner = with;
	pool_reload(scanner->pool);
}

static bool open_watch(struct scanner *scanner, struct fault *fault)
{
	if (!(scanner->checks & CHECK_MALWARE))
		return true;
	scanner->watch = file_watch_new(scanner->process->loop,
		scanner->config->signatures, on_signatures_changed, scanner, fault);
	return scanner->watch != NULL;
}

static bool open_spam(struct scanner *scanner, struct fault *fault)
{
	const struct config *config = scanner->config;
	if (!(scanner->checks & CHECK_SPAM) || !*config->rspamd)
		return true;
	scanner->spam = spam_open(
		scanner->process->loop, config->rspamd, config->rspamd_timeout_ms, fault);
	return scanner->spam != NULL;
}

bool scanner_open(struct process *process, void **ret_self, struct fault *fault)
{
	struct scanner *scanner = NEW(struct scanner);
	scanner->process = process;
	scanner->config = process->config;
	scanner->alarms = alarms_new();
	if (open_pool(scanner, fault) && open_watch(scanner, fault) &&
		open_spam(scanner, fault)) {
		*ret_self = scanner;
		return true;
	}
	scanner_close(scanner);
	return false;
}

bool scanner_is_ready(void *self, struct fault *why)
{
	const struct scanner *scanner = self;
	return !scanner->pool || pool_is_ready(scanner->pool, why);
}

static void on_drained(void *with)
{
	struct scanner *scanner = with;
	process_drained(scanner->process);
}

void scanner_drain(void *self)
{
	struct scanner *scanner = self;
	if (scanner->stage)
		stage_drain(scanner->stage, on_drained, scanner);
	else
		on_drained(scanner);
}

void scanner_reload(void *self)
{
	struct scanner *scanner = self;
	if (scanner->pool)
		pool_reload(scanner->pool);
}

/* First those who would still report on jobs. */
void scanner_close(void *self)
{
	struct scanner *scanner = self;
	file_watch_free(scanner->watch);
	spam_close(scanner->spam);
	pool_close(scanner->pool);
	if (scanner->stage)
		stage_close(scanner->stage);
	folder_close(scanner->folder);
	alarms_free(scanner->alarms);
	free(scanner);
}
