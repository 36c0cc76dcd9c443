/* SPDX-License-Identifier: MIT */
#include "services/scanner/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/memory.h"

#define PREFIX    "postern-scanner."
#define DEPTH_MAX 64
#define TRIES     10

struct folder {
	char path[512];
	int fd; /* holds the lock */
};

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool remove_below(int at, const char *name, unsigned depth);

/* Takes the descriptor. */
static void clear_below(int fd, unsigned depth)
{
	DIR *entries = fdopendir(fd);
	const struct dirent *entry;
	while (entries && (entry = readdir(entries)))
		if (!is_dot(entry->d_name))
			remove_below(fd, entry->d_name, depth);
	if (entries)
		closedir(entries);
}

static bool remove_below(int at, const char *name, unsigned depth)
{
	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return true;
	int fd = depth < DEPTH_MAX
			 ? openat(at, name,
				   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
			 : -1;
	if (fd < 0)
		return false;
	clear_below(fd, depth + 1);
	return unlinkat(at, name, AT_REMOVEDIR) == 0;
}

bool folder_remove(int at, const char *name)
{
	return remove_below(at, name, 0);
}

/* Cheaper than to open it anew, which is done after each message. */
static bool is_empty(int folder)
{
	alignas(struct dirent64) char room[512];
	ssize_t got = lseek(folder, 0, SEEK_SET);
	while (got >= 0 && (got = getdents64(folder, room, sizeof(room))) > 0)
		for (ssize_t at = 0; at < got;) {
			const struct dirent64 *entry = (const void *)(room + at);
			if (!is_dot(entry->d_name))
				return false;
			at += entry->d_reclen;
		}
	return got == 0;
}

void folder_clear(int folder)
{
	if (is_empty(folder))
		return;
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		clear_below(fd, 0);
}

/* Whoever holds the lock lives. */
static void remove_abandoned(const char *base)
{
	DIR *entries = opendir(base);
	const struct dirent *entry;
	while (entries && (entry = readdir(entries))) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		int fd = openat(dirfd(entries), entry->d_name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			folder_remove(dirfd(entries), entry->d_name);
		close(fd);
	}
	if (entries)
		closedir(entries);
}

/* Another process that starts may have taken it for abandoned before it was locked. */
static bool make_locked(struct folder *folder, const char *base)
{
	snprintf(folder->path, sizeof(folder->path), "%s/" PREFIX "XXXXXX", base);
	if (!mkdtemp(folder->path))
		return false;
	folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat mine, there;
	if (folder->fd >= 0 && flock(folder->fd, LOCK_EX | LOCK_NB) == 0 &&
		fstat(folder->fd, &mine) == 0 && stat(folder->path, &there) == 0 &&
		mine.st_ino == there.st_ino)
		return true;
	if (folder->fd >= 0)
		close(folder->fd);
	errno = EAGAIN;
	return false;
}

struct folder *folder_open(const char *base, struct fault *fault)
{
	remove_abandoned(base);
	struct folder *folder = NEW(struct folder);
	if (strlen(base) + sizeof(PREFIX) + 16 > sizeof(folder->path)) {
		fault_permanent(fault, "%s: too long a path", base);
		goto failed;
	}
	for (unsigned i = 0; i < TRIES; i++) {
		if (make_locked(folder, base))
			return folder;
		if (errno != EAGAIN)
			break;
	}
	fault_permanent(fault,
		"%s: %s: POSTERN_SCANNER_TMP must name a writable folder, "
		"best on a tmpfs",
		base, strerror(errno));
failed:
	free(folder);
	return NULL;
}

void folder_close(struct folder *folder)
{
	if (!folder)
		return;
	folder_remove(AT_FDCWD, folder->path);
	close(folder->fd);
	free(folder);
}

const char *folder_path(const struct folder *folder)
{
	return folder->path;
}
