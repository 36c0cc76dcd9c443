/* SPDX-License-Identifier: MIT
 *
 * A worker program that does what hostile mail might one day make a worker do: the
 * message says what. For tests only. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/memory.h"
#include "services/scanner/worker/inspect.h"

static void tell(struct arena *arena, Postern__Inspection *result, const char *what)
{
	Postern__Finding *finding = ARENA_NEW(arena, Postern__Finding);
	postern__finding__init(finding);
	finding->check = "malware";
	finding->name = (char *)what;
	finding->count = 1;
	result->findings = ARENA_ARRAY(arena, Postern__Finding *, 1);
	result->findings[0] = finding;
	result->n_findings = 1;
}

static void try_open(struct arena *arena, Postern__Inspection *result, const char *path)
{
	int flags = path[0] == '/' ? O_RDONLY : O_WRONLY | O_CREAT;
	int fd = open(path, flags, 0600);
	tell(arena, result, fd >= 0 ? "opened" : strerror(errno));
}

/* Not knowing which descriptor leads to the scanner, it takes them all. */
static void shout(const void *bytes, size_t size)
{
	for (int fd = 3; fd < 32; fd++)
		(void)!write(fd, bytes, size);
}

static void sleep_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&time, NULL);
}

static void misbehave(const char *how, struct arena *arena, Postern__Inspection *result)
{
	static const char rubbish[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
	static char huge[100000];
	char *argv[] = { "true", NULL };
	if (strcmp(how, "hang") == 0)
		for (volatile unsigned long i = 0;; i++)
			;
	else if (strcmp(how, "crash") == 0)
		abort();
	else if (strcmp(how, "leave") == 0)
		_exit(0);
	else if (strcmp(how, "sleep") == 0)
		sleep_ms(300);
	else if (strcmp(how, "memory") == 0)
		for (;;)
			memset(memory_new(16 << 20), 1, 16 << 20);
	else if (strcmp(how, "socket") == 0)
		socket(AF_INET, SOCK_STREAM, 0);
	else if (strcmp(how, "exec") == 0)
		execve("/bin/true", argv, NULL);
	else if (strcmp(how, "fork") == 0)
		fork();
	else if (strcmp(how, "read") == 0)
		try_open(arena, result, "/etc/passwd");
	else if (strcmp(how, "escape") == 0)
		try_open(arena, result, "../escaped");
	else if (strcmp(how, "unpack") == 0)
		try_open(arena, result, "unpacked");
	else if (strcmp(how, "rubbish") == 0)
		shout(rubbish, sizeof(rubbish));
	else if (strcmp(how, "huge") == 0)
		shout(huge, sizeof(huge));
	else if (strcmp(how, "decide") == 0) {
		tell(arena, result, "decided");
		result->findings[0]->decision = POSTERN__DECISION__DECISION_CLEAR;
	} else if (strcmp(how, "fault") == 0)
		result->fault = "out of sorts";
}

static void inspect(void *self, struct arena *arena, const Postern__Inspect *request,
	struct slice content, Postern__Inspection *result)
{
	static const char mark[] = "X-Misbehave: ";
	inspection_duty.inspect(self, arena, request, content, result);
	char *text = arena_string(arena, content), *how = strstr(text, mark);
	if (!how)
		return;
	how += sizeof(mark) - 1;
	how[strcspn(how, "\r\n")] = '\0';
	misbehave(how, arena, result);
}

/* A file named "hang" among the signatures is what it never gets done with. */
static void *load(
	const Postern__WorkerPlan *plan, Postern__WorkerReady *ready, struct fault *fault)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/hang", plan->signatures);
	while (access(path, F_OK) == 0)
		sleep_ms(1000);
	return inspection_duty.load(plan, ready, fault);
}

int main(void)
{
	struct duty duty = inspection_duty;
	duty.load = load;
	duty.inspect = inspect;
	return zygote_run(CONTROL_FD, &duty);
}
