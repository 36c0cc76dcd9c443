/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/member.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/bus/local/local.h"

static struct flock byte_of(int64_t number, short type)
{
	return (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = number, .l_len = 1
	};
}

bool member_join(struct member *member, const char *folder, struct fault *fault)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/members", folder);
	uint64_t number;
	local_create_file(folder, path);
	/* An open file of its own: locks of one open file do not see each other. */
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || getrandom(&number, sizeof(number), 0) != sizeof(number))
		return fault_temporary(fault, "%s: %s", path, strerror(errno));
	member->number = (int64_t)(number >> 2) | 1;
	struct flock lock = byte_of(member->number, F_WRLCK);
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		fault_temporary(fault, "%s: %s", path, strerror(errno));
		close(fd);
		return false;
	}
	member->fd = fd;
	return true;
}

void member_leave(struct member *member)
{
	if (member->fd >= 0)
		close(member->fd);
	member->fd = -1;
}

bool member_is_alive(const struct member *member, int64_t number)
{
	struct flock lock = byte_of(number, F_WRLCK);
	return fcntl(member->fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}
