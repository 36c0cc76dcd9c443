/* SPDX-License-Identifier: MIT */
#include "services/scanner/processor_use.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The beginning of a file, as a string. False: there is none. */
static bool read_text(int folder, const char *name, char *text, size_t size)
{
	int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t length = file < 0 ? -1 : read(file, text, size - 1);
	if (file >= 0)
		close(file);
	text[length > 0 ? length : 0] = '\0';
	return length > 0;
}

int processor_facts_open(int pidfd)
{
	char path[64], text[512];
	int pid = -1;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	const char *line = read_text(AT_FDCWD, path, text, sizeof(text))
				   ? strstr(text, "\nPid:")
				   : NULL;
	if (!line || sscanf(line, "\nPid: %d", &pid) != 1 || pid <= 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

struct processor_use processor_use_of(int facts)
{
	int64_t ran_ns, waited_ns;
	char text[128];
	if (!read_text(facts, "schedstat", text, sizeof(text)) ||
		sscanf(text, "%" SCNd64 " %" SCNd64, &ran_ns, &waited_ns) != 2)
		return (struct processor_use){ 0 };
	return (struct processor_use){ ran_ns / 1000000, waited_ns / 1000000 };
}

/* proc(5): "PID (NAME) STATE …"; the name may hold anything. */
static bool is_ready(int facts)
{
	char text[512];
	const char *name_end = read_text(facts, "stat", text, sizeof(text))
				       ? strrchr(text, ')')
				       : NULL;
	return name_end && strncmp(name_end, ") R", 3) == 0;
}

bool processor_use_is_starved(const struct processor_use *before,
	const struct processor_use *after, bool is_ready, int64_t ms)
{
	int64_t waited_ms = after->waited_ms - before->waited_ms;
	/* Its last wait, which goes on, is not counted yet; it has hardly ever slept. */
	if (is_ready)
		waited_ms = ms - (after->ran_ms - before->ran_ms);
	return waited_ms * 4 > ms * 3;
}

bool processor_is_starved(int facts, const struct processor_use *before, int64_t ms)
{
	struct processor_use after = processor_use_of(facts);
	return processor_use_is_starved(before, &after, is_ready(facts), ms);
}
