/* SPDX-License-Identifier: MIT */
#include "lib/chaos.h"

#ifdef CHAOS
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/memory.h"

/* The file is made at the kill, so the next start of the service lives on. */
static bool may_kill(void)
{
	const char *once = getenv("POSTERN_KILL_ONCE");
	if (!once)
		return true;
	int file = open(once, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (file >= 0)
		close(file);
	return file >= 0;
}

void chaos_pass(const char *point)
{
	static unsigned passes;
	const char *at = getenv("POSTERN_KILL_AT");
	size_t length = strlen(point);
	if (!at || strncmp(at, point, length) != 0 || (at[length] && at[length] != ':'))
		return;
	unsigned long wanted = at[length] ? strtoul(at + length + 1, NULL, 10) : 1;
	if (++passes >= wanted && may_kill())
		kill(getpid(), SIGKILL);
}

bool chaos_is_broken(const char *rule)
{
	const char *broken = getenv("POSTERN_BROKEN");
	return broken && strcmp(broken, rule) == 0;
}

static void hang(void)
{
	pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&taken);
	pthread_mutex_lock(&taken);
}

static void take_all_memory(void)
{
	for (;;)
		memset(memory_new((size_t)1 << 20), 1, (size_t)1 << 20);
}

void chaos_obey(const char *content, size_t size)
{
	static const char name[] = "\r\nX-Chaos: ";
	size_t length = sizeof(name) - 1;
	const char *order = memmem(content, size, name, length);
	if (!order || (size_t)(order + length + 5 - content) > size)
		return;
	order += length;
	if (strncmp(order, "hang", 4) == 0)
		hang();
	if (strncmp(order, "bomb", 4) == 0)
		take_all_memory();
	abort();
}
#endif
