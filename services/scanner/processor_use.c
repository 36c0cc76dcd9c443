/* SPDX-License-Identifier: MIT */
#include "services/scanner/processor_use.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -1: it has none any more. */
static int pid_of(int pidfd)
{
	char path[64], line[128];
	int pid = -1;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	FILE *facts = fopen(path, "re");
	while (facts && fgets(line, sizeof(line), facts))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	if (facts)
		fclose(facts);
	return pid;
}

static bool read_line(int pid, const char *name, char *line, int size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	FILE *facts = fopen(path, "re");
	bool is_read = facts && fgets(line, size, facts);
	if (facts)
		fclose(facts);
	return is_read;
}

struct processor_use processor_use_of(int pidfd)
{
	struct processor_use use = { 0 };
	int64_t ran_ns, waited_ns;
	char line[512];
	int pid = pid_of(pidfd);
	if (!read_line(pid, "schedstat", line, sizeof(line)) ||
		sscanf(line, "%" SCNd64 " %" SCNd64, &ran_ns, &waited_ns) != 2)
		return use;
	use.ran_ms = ran_ns / 1000000;
	use.waited_ms = waited_ns / 1000000;
	/* "PID (NAME) STATE …"; the name may hold anything. */
	const char *name_end = read_line(pid, "stat", line, sizeof(line))
				       ? strrchr(line, ')')
				       : NULL;
	use.is_ready = name_end && strncmp(name_end, ") R", 3) == 0;
	return use;
}

bool processor_use_is_starved(
	const struct processor_use *before, const struct processor_use *after, int64_t ms)
{
	int64_t waited_ms = after->waited_ms - before->waited_ms;
	/* Its last wait, which goes on, is not counted yet; it has hardly ever slept. */
	if (after->is_ready)
		waited_ms = ms - (after->ran_ms - before->ran_ms);
	return waited_ms * 4 > ms * 3;
}
