/* SPDX-License-Identifier: MIT */
#include "services/scanner/worker/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mail.h"
#include "lib/memory.h"
#include "lib/thread.h"
#include "services/scanner/folder.h"
#include "services/scanner/wire.h"
#include "services/scanner/worker/sandbox.h"
#include "services/scanner/worker/worker.h"

/* Of a worker when the scanner runs as root: nobody. */
#define NOBODY 65534

struct child {
	struct child *next;
	pid_t pid;
	char folder[16];
};

struct zygote {
	int control, deaths; /* socket to the scanner; signalfd */
	const Postern__WorkerPlan *plan;
	const struct duty *duty;
	void *self;
	struct child *children;
	unsigned spawned;
};

static const struct log_field log_fields[] = { { "service", { "scanner-worker", 14 } },
	{ 0 } };
const struct log worker_log = { .fields = log_fields };

/* Without a plan there is nobody to tell why. */
static const Postern__WorkerPlan *receive_plan(int control, struct arena *arena)
{
	static char room[PACKET_CEILING];
	struct slice packet;
	int passed;
	struct fault fault = { 0 };
	const Postern__WorkerPlan *plan = NULL;
	if (wire_receive(control, room, &packet, &passed, &fault) == WIRE_PACKET)
		plan = record_decode(
			arena, &postern__worker_plan__descriptor, packet, &fault);
	if (plan && plan->version == WIRE_VERSION && chdir(plan->folder) == 0)
		return plan;
	log_error(&worker_log, "scanner-worker is started by scanner, not by hand",
		FIELD("why", fault.text));
	return NULL;
}

static bool send_ready(
	int control, struct arena *arena, const Postern__WorkerReady *ready)
{
	struct fault fault;
	return wire_send(control, record_encode(arena, &ready->base), -1, &fault);
}

static bool make_folder(const char *name, int *ret_folder)
{
	*ret_folder = -1;
	if (mkdir(name, 0700) < 0)
		return false;
	*ret_folder = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_folder >= 0 &&
	       (geteuid() != 0 || fchown(*ret_folder, NOBODY, NOBODY) == 0);
}

static pid_t fork_worker(
	const struct zygote *zygote, int socket, int folder, bool is_prompt)
{
	int self = getpid();
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	close(zygote->control);
	close(zygote->deaths);
	if (is_prompt)
		thread_answer();
	else
		thread_compute();
	fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) & ~O_NONBLOCK);
	worker_run(&(struct worker){ .socket = socket,
		.folder = folder,
		.plan = zygote->plan,
		.duty = zygote->duty,
		.self = zygote->self,
		.zygote = self });
}

/* Answers with the worker's pidfd, or without one if there is no worker. */
static bool spawn(struct zygote *zygote, int socket, bool is_prompt)
{
	struct child *child = NEW(struct child);
	snprintf(child->folder, sizeof(child->folder), "%u", ++zygote->spawned);
	int folder, pidfd = -1;
	if (make_folder(child->folder, &folder))
		child->pid = fork_worker(zygote, socket, folder, is_prompt);
	if (child->pid > 0) {
		pidfd = pidfd_open(child->pid, 0);
		child->next = zygote->children;
		zygote->children = child;
	} else {
		log_error(&worker_log, "no worker", FIELD("why", strerror(errno)));
		folder_remove(AT_FDCWD, child->folder);
		free(child);
	}
	struct fault fault;
	bool sent = wire_send(zygote->control, SLICE("worker"), pidfd, &fault);
	if (folder >= 0)
		close(folder);
	if (pidfd >= 0)
		close(pidfd);
	return sent;
}

static void log_death(pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		log_warning(&worker_log, "worker died", NUMBER("pid", pid),
			FIELD("signal", strsignal(WTERMSIG(status))));
	else if (WEXITSTATUS(status) != 0)
		log_warning(&worker_log, "worker failed", NUMBER("pid", pid),
			NUMBER("status", WEXITSTATUS(status)));
}

static void reap(struct zygote *zygote)
{
	struct signalfd_siginfo info;
	(void)!read(zygote->deaths, &info, sizeof(info));
	pid_t pid;
	int status;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child **at = &zygote->children;
		while (*at && (*at)->pid != pid)
			at = &(*at)->next;
		struct child *child = *at;
		if (!child)
			continue;
		*at = child->next;
		log_death(pid, status);
		if (!folder_remove(AT_FDCWD, child->folder))
			log_warning(&worker_log,
				"a dead worker's folder stays until the scanner "
				"ends",
				FIELD("folder", child->folder));
		free(child);
	}
}

/* Until the scanner hangs up. */
static void serve(struct zygote *zygote)
{
	static char room[PACKET_CEILING];
	struct pollfd fds[2] = { { zygote->control, POLLIN, 0 },
		{ zygote->deaths, POLLIN, 0 } };
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[1].revents)
			reap(zygote);
		if (!fds[0].revents)
			continue;
		struct slice packet;
		struct fault fault;
		int socket;
		if (wire_receive(zygote->control, room, &packet, &socket, &fault) !=
			WIRE_PACKET)
			return;
		bool is_prompt = slice_equal(packet, slice_of(WIRE_PROMPT_WORKER));
		if (socket < 0 || !spawn(zygote, socket, is_prompt))
			return;
		close(socket);
	}
}

/* The scanner decides when workers end, not whoever signals the whole group. */
static int take_signals(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int zygote_run(int control, const struct duty *duty)
{
	/* Whatever of the scanner's was not closed on exec. */
	close_range((unsigned)control + 1, ~0u, 0);
	enum log_level level;
	const char *wanted = getenv("POSTERN_LOG_LEVEL");
	if (wanted && log_level_parse(wanted, &level))
		log_set_level(level);
	umask(077);
	struct arena *arena = arena_new();
	struct zygote zygote = {
		.control = control, .duty = duty, .deaths = take_signals()
	};
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	zygote.plan = receive_plan(control, arena);
	if (!zygote.plan)
		return EXIT_FAILURE;
	Postern__WorkerReady ready = POSTERN__WORKER_READY__INIT;
	ready.version = WIRE_VERSION;
	ready.isolation = (char *)sandbox_prepare();
	struct fault fault = { 0 };
	zygote.self = duty->load(zygote.plan, &ready, &fault);
	if (!zygote.self)
		ready.fault = fault.text;
	if (send_ready(control, arena, &ready) && zygote.self)
		serve(&zygote);
	while (zygote.children) {
		struct child *next = zygote.children->next;
		free(zygote.children);
		zygote.children = next;
	}
	if (zygote.self)
		duty->unload(zygote.self);
	arena_free(arena);
	return EXIT_SUCCESS;
}
