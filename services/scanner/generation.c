/* SPDX-License-Identifier: MIT */
#include "services/scanner/generation.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mail.h"
#include "lib/memory.h"
#include "lib/printable.h"
#include "services/scanner/folder.h"
#include "services/scanner/wire.h"

/* Where the worker program finds its socket. */
#define CONTROL_FD 3
#define ASKED_MAX  256

extern char **environ;

struct generation {
	struct loop *loop;
	const struct generation_calls *calls;
	void *with;
	struct arena *arena;
	const char *folder;
	pid_t pid;
	int pidfd, control;
	struct watch *on_control, *on_death;
	struct timer *patience;            /* while it loads */
	const Postern__WorkerReady *facts; /* NULL until it has loaded */
	void *asked[ASKED_MAX];            /* who waits for a worker, first to last */
	size_t n_asked;
	unsigned in_use;
	bool is_retired, has_failed;
};

/* Settings may be secrets, and are no business of a worker's; how much to log is. */
static char **clean_environment(struct arena *arena)
{
	size_t count = 0;
	while (environ[count])
		count++;
	char **clean = ARENA_ARRAY(arena, char *, count + 1);
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], "POSTERN_", 8) != 0 ||
			strncmp(environ[i], "POSTERN_LOG_LEVEL=", 18) == 0)
			clean[kept++] = environ[i];
	return clean;
}

static bool start_program(struct generation *generation, const char *program, int socket,
	struct fault *fault)
{
	char *argv[] = { "scanner-worker", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, socket, CONTROL_FD);
	int error = posix_spawn(&generation->pid, program, &actions, NULL, argv,
		clean_environment(generation->arena));
	posix_spawn_file_actions_destroy(&actions);
	if (error)
		return fault_temporary(fault, "%s: %s", program, strerror(error));
	generation->pidfd = pidfd_open(generation->pid, 0);
	return generation->pidfd >= 0 ||
	       fault_temporary(fault, "pidfd: %s", strerror(errno));
}

static bool send_plan(struct generation *generation, const struct generation_plan *plan,
	struct fault *fault)
{
	static unsigned count;
	generation->folder = arena_printf(
		generation->arena, "%s/g%u", plan->folder, ++count);
	if (mkdir(generation->folder, 0711) < 0)
		return fault_temporary(
			fault, "%s: %s", generation->folder, strerror(errno));
	Postern__WorkerPlan worker = *plan->worker;
	worker.version = WIRE_VERSION;
	worker.folder = (char *)generation->folder;
	return wire_send(generation->control,
		record_encode(generation->arena, &worker.base), -1, fault);
}

static void free_generation(struct generation *generation)
{
	watch_free(generation->on_control);
	watch_free(generation->on_death);
	timer_free(generation->patience);
	if (generation->control >= 0)
		close(generation->control);
	if (generation->pidfd >= 0)
		close(generation->pidfd);
	if (generation->folder)
		folder_remove(AT_FDCWD, generation->folder);
	arena_free(generation->arena);
	free(generation);
}

/* The last thing that a caller does: the generation may be gone after it. */
static void fail(struct generation *generation, const struct fault *fault)
{
	watch_free(generation->on_control);
	generation->on_control = NULL;
	if (generation->has_failed || generation->is_retired)
		return;
	generation->has_failed = true;
	generation->calls->failed(generation->with, generation, fault);
}

static void take_ready(struct generation *generation, struct slice packet)
{
	struct fault fault = { 0 };
	Postern__WorkerReady *ready = record_decode(
		generation->arena, &postern__worker_ready__descriptor, packet, &fault);
	if (ready && ready->version != WIRE_VERSION)
		fault_fatal(&fault, "the worker program is of another version");
	else if (ready && *ready->fault)
		fault_fatal(&fault, "%s",
			printable(generation->arena, slice_of(ready->fault), 400));
	if (fault.kind != FAULT_NONE) {
		fail(generation, &fault);
		return;
	}
	timer_stop(generation->patience);
	generation->facts = ready;
	generation->calls->ready(generation->with, generation);
}

/* A file system that hangs, or a database without an end. */
static void on_impatience(void *with)
{
	struct generation *generation = with;
	struct fault fault = { 0 };
	fault_temporary(&fault, "the worker program has not loaded the signatures in "
				"time (POSTERN_SCANNER_LOAD_TIMEOUT)");
	fail(generation, &fault);
}

static void take_worker(struct generation *generation, int pidfd)
{
	void *who = NULL;
	if (generation->n_asked) {
		who = generation->asked[0];
		generation->n_asked--;
		memmove(generation->asked, generation->asked + 1,
			generation->n_asked * sizeof(*generation->asked));
	}
	if (who)
		generation->calls->hatched(generation->with, who, pidfd);
	else if (pidfd >= 0)
		close(pidfd);
}

static void on_control(void *with, unsigned what)
{
	(void)what;
	struct generation *generation = with;
	static char room[PACKET_CEILING];
	struct slice packet;
	struct fault fault = { 0 };
	int passed;
	switch (wire_receive(generation->control, room, &packet, &passed, &fault)) {
	case WIRE_PACKET:
		if (generation->facts)
			take_worker(generation, passed);
		else
			take_ready(generation, packet);
		break;
	case WIRE_NOTHING:
		break;
	case WIRE_END:
		fault_temporary(&fault, "the worker program has ended");
		fail(generation, &fault);
		break;
	case WIRE_BROKEN:
		fail(generation, &fault);
		break;
	}
}

/* The worker program ends with its socket; on_death() waits for that. */
static void end_if_unused(struct generation *generation)
{
	if (!generation->is_retired || generation->in_use)
		return;
	if (!generation->pid) {
		generation->calls->ended(generation->with, generation);
		free_generation(generation);
		return;
	}
	watch_free(generation->on_control);
	generation->on_control = NULL;
	if (generation->control >= 0)
		close(generation->control);
	generation->control = -1;
}

static void on_death(void *with, unsigned what)
{
	(void)what;
	struct generation *generation = with;
	int status = 0;
	if (waitpid(generation->pid, &status, WNOHANG) != generation->pid)
		return;
	generation->pid = 0;
	watch_free(generation->on_death);
	generation->on_death = NULL;
	struct fault fault = { 0 };
	if (WIFSIGNALED(status))
		fault_temporary(&fault, "the worker program was ended by signal %d (%s)",
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		fault_temporary(&fault, "the worker program ended with status %d",
			WEXITSTATUS(status));
	if (generation->is_retired)
		end_if_unused(generation);
	else
		fail(generation, &fault);
}

struct generation *generation_start(struct loop *loop, const struct generation_plan *plan,
	const struct generation_calls *calls, void *with, struct fault *fault)
{
	struct generation *generation = NEW(struct generation);
	*generation = (struct generation){
		.loop = loop, .calls = calls, .with = with, .control = -1, .pidfd = -1
	};
	generation->arena = arena_new();
	int theirs = -1;
	bool good = wire_pair(&generation->control, &theirs, fault) &&
		    start_program(generation, plan->program, theirs, fault) &&
		    send_plan(generation, plan, fault);
	if (theirs >= 0)
		close(theirs);
	if (!good) {
		generation_kill(generation);
		return NULL;
	}
	generation->on_control = watch_new(
		loop, generation->control, LOOP_READ, on_control, generation);
	generation->on_death = watch_new(
		loop, generation->pidfd, LOOP_READ, on_death, generation);
	generation->patience = timer_new(loop, on_impatience, generation);
	timer_start(generation->patience, plan->load_ms);
	return generation;
}

bool generation_hatch(struct generation *generation, int socket, bool is_prompt,
	void *who, struct fault *fault)
{
	assert(generation->facts);
	if (generation->n_asked == ASKED_MAX)
		return fault_temporary(fault, "too many workers asked for");
	struct slice order = slice_of(is_prompt ? WIRE_PROMPT_WORKER : WIRE_WORKER);
	if (!wire_send(generation->control, order, socket, fault))
		return false;
	generation->asked[generation->n_asked++] = who;
	return true;
}

void generation_abort(struct generation *generation, const void *who)
{
	for (size_t i = 0; i < generation->n_asked; i++)
		if (generation->asked[i] == who)
			generation->asked[i] = NULL;
	if (generation->pid)
		kill(generation->pid, SIGKILL);
}

bool generation_is_gone(const struct generation *generation)
{
	char byte;
	return generation->has_failed ||
	       recv(generation->control, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

const Postern__WorkerReady *generation_facts(const struct generation *generation)
{
	return generation->facts;
}

void generation_hold(struct generation *generation)
{
	generation->in_use++;
}

void generation_release(struct generation *generation)
{
	assert(generation->in_use);
	generation->in_use--;
	end_if_unused(generation);
}

void generation_retire(struct generation *generation)
{
	if (!generation)
		return;
	generation->is_retired = true;
	end_if_unused(generation);
}

void generation_kill(struct generation *generation)
{
	if (!generation)
		return;
	if (generation->pid) {
		kill(generation->pid, SIGKILL);
		waitpid(generation->pid, NULL, 0);
	}
	free_generation(generation);
}
