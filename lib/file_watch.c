/* SPDX-License-Identifier: MIT */
#include "lib/file_watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/memory.h"

#define QUIET_MS 200
#define MOST_MS  2000

#define CHANGES \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB)

struct file_watch {
	char *path;
	loop_call *changed;
	void *with;
	int inotify;
	int folder; /* its watch descriptor; -1 where path is none */
	struct watch *watch;
	struct timer *quiet;
	int64_t since_ms; /* monotonic: begin of this run of changes */
	uint64_t seen;    /* print of what there was at the last look */
	uint64_t told;    /* and when it was last told */
};

/* FNV-1a */
static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
	const unsigned char *byte = bytes;
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t print_of_file(int folder, const char *name)
{
	struct stat found;
	uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), name, strlen(name));
	if (fstatat(folder, name, &found, 0) != 0)
		return hash;
	hash = mix(hash, &found.st_dev, sizeof(found.st_dev));
	hash = mix(hash, &found.st_ino, sizeof(found.st_ino));
	hash = mix(hash, &found.st_size, sizeof(found.st_size));
	hash = mix(hash, &found.st_mtim, sizeof(found.st_mtim));
	return mix(hash, &found.st_ctim, sizeof(found.st_ctim));
}

static uint64_t print_of(const char *path)
{
	DIR *folder = opendir(path);
	if (!folder)
		return print_of_file(AT_FDCWD, path);
	uint64_t sum = 1;
	const struct dirent *entry;
	while ((entry = readdir(folder)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			sum += print_of_file(dirfd(folder), entry->d_name);
	closedir(folder);
	return sum;
}

/* The folder may have been replaced by another one, or be there only now. */
static void watch_folder(struct file_watch *file_watch)
{
	int descriptor = inotify_add_watch(
		file_watch->inotify, file_watch->path, CHANGES | IN_ONLYDIR);
	if (file_watch->folder >= 0 && descriptor != file_watch->folder)
		inotify_rm_watch(file_watch->inotify, file_watch->folder);
	file_watch->folder = descriptor;
}

/* Whether it is quiet is judged by the content: the parent folder may be a busy one. */
static void on_quiet(void *with)
{
	struct file_watch *file_watch = with;
	watch_folder(file_watch);
	uint64_t print = print_of(file_watch->path);
	bool is_quiet = print == file_watch->seen ||
			clock_monotonic_ms() >= file_watch->since_ms + MOST_MS;
	file_watch->seen = print;
	if (!is_quiet) {
		timer_start(file_watch->quiet, QUIET_MS);
		return;
	}
	if (print == file_watch->told)
		return;
	file_watch->told = print;
	file_watch->changed(file_watch->with);
}

static void on_change(void *with, unsigned what)
{
	(void)what;
	struct file_watch *file_watch = with;
	char events[4096];
	while (read(file_watch->inotify, events, sizeof(events)) > 0)
		;
	if (timer_is_running(file_watch->quiet))
		return;
	file_watch->since_ms = clock_monotonic_ms();
	file_watch->seen = print_of(file_watch->path);
	timer_start(file_watch->quiet, QUIET_MS);
}

static bool watch_parent(struct file_watch *file_watch, struct fault *fault)
{
	const char *slash = strrchr(file_watch->path, '/');
	struct slice name = slice_of(slash ? file_watch->path : ".");
	if (slash)
		name.size = slash > file_watch->path ? slash - file_watch->path : 1;
	CLEANUP(memory_free) char *parent = memory_string(name);
	int descriptor = inotify_add_watch(
		file_watch->inotify, parent, CHANGES | IN_ONLYDIR);
	return descriptor >= 0 ||
	       fault_permanent(fault, "can't watch %s: %s", parent, strerror(errno));
}

struct file_watch *file_watch_new(struct loop *loop, const char *path, loop_call *changed,
	void *with, struct fault *fault)
{
	struct file_watch *file_watch = NEW(struct file_watch);
	*file_watch = (struct file_watch){ .changed = changed, .with = with };
	struct slice name = slice_of(path);
	while (name.size > 1 && name.data[name.size - 1] == '/')
		name.size--;
	file_watch->path = memory_string(name);
	file_watch->folder = -1;
	file_watch->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (file_watch->inotify < 0) {
		fault_permanent(fault,
			"can't watch %s: inotify: %s (see sysctl "
			"fs.inotify.max_user_instances)",
			path, strerror(errno));
		file_watch_free(file_watch);
		return NULL;
	}
	if (!watch_parent(file_watch, fault)) {
		file_watch_free(file_watch);
		return NULL;
	}
	file_watch->quiet = timer_new(loop, on_quiet, file_watch);
	file_watch->watch = watch_new(
		loop, file_watch->inotify, LOOP_READ, on_change, file_watch);
	watch_folder(file_watch);
	file_watch->told = print_of(file_watch->path);
	return file_watch;
}

void file_watch_free(struct file_watch *file_watch)
{
	if (!file_watch)
		return;
	watch_free(file_watch->watch);
	timer_free(file_watch->quiet);
	if (file_watch->inotify >= 0)
		close(file_watch->inotify);
	free(file_watch->path);
	free(file_watch);
}
