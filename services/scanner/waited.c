/* SPDX-License-Identifier: MIT */
#include "services/scanner/waited.h"

#include <inttypes.h>
#include <stdio.h>
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

int64_t waited_for_processor_ms(int pidfd)
{
	char path[64];
	int64_t ran_ns, waited_ns = 0;
	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid_of(pidfd));
	FILE *facts = fopen(path, "re");
	if (!facts)
		return 0;
	if (fscanf(facts, "%" SCNd64 " %" SCNd64, &ran_ns, &waited_ns) != 2)
		waited_ns = 0;
	fclose(facts);
	return waited_ns / 1000000;
}
