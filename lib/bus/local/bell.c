/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/bell.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/bus/local/local.h"
#include "lib/clock.h"
#include "lib/memory.h"
#include "lib/thread.h"

#define PAGE_SIZE_BYTES 4096
/* The turnstile only hints: after this long the lock is tried anyway. */
#define TURNSTILE_MS 20
/* Enough for who was woken to take the lock. */
#define YIELD_MS      2
#define LOCK_TRIES    500
#define LOCK_PAUSE_US 5000
/* A publisher that is killed between its commit and its ring, or an inotify queue that
 * ran over, must not leave a record lying: this often everybody looks. */
#define LOOK_MS 5000

struct bell_tower {
	struct local_bus *bus;
	pthread_t thread;
	int inotify;
	int stop; /* eventfd */
	struct ear *ears;
};

/* The page has real blocks before it is mapped: a hole would be SIGBUS on a full disk. */
static bool fill_page(int fd)
{
	struct stat facts;
	if (fstat(fd, &facts) < 0)
		return false;
	static const char zeros[PAGE_SIZE_BYTES];
	return facts.st_size >= PAGE_SIZE_BYTES ||
	       pwrite(fd, zeros, sizeof(zeros), 0) == sizeof(zeros);
}

bool bell_open(
	struct bell *bell, const char *folder, const char *topic, struct fault *fault)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s.bell", folder, topic);
	local_create_file(folder, path);
	bell->fd = open(path, O_RDWR | O_CLOEXEC);
	if (bell->fd < 0)
		return fault_temporary(fault, "%s: %s", path, strerror(errno));
	bell_lock(bell);
	bool is_filled = fill_page(bell->fd);
	bell_unlock(bell);
	void *page = is_filled ? mmap(NULL, PAGE_SIZE_BYTES, PROT_READ | PROT_WRITE,
					 MAP_SHARED, bell->fd, 0)
			       : MAP_FAILED;
	if (page == MAP_FAILED) {
		fault_temporary(fault, "%s: %s", path, strerror(errno));
		close(bell->fd);
		bell->fd = -1;
		return false;
	}
	bell->turnstiles = page;
	return true;
}

void bell_close(struct bell *bell)
{
	if (bell->fd < 0)
		return;
	munmap(bell->turnstiles, PAGE_SIZE_BYTES);
	close(bell->fd);
	bell->fd = -1;
}

void bell_ring(const struct bell *bell)
{
	char byte;
	(void)!pread(bell->fd, &byte, 1, 0);
}

/* Tried, not waited for: a process stopped in here must not hold up the others for ever,
 * and SQLite's own locks still keep the files whole. */
void bell_lock(const struct bell *bell)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	for (int i = 0; i < LOCK_TRIES && fcntl(bell->fd, F_OFD_SETLK, &lock) < 0; i++)
		usleep(LOCK_PAUSE_US);
}

void bell_unlock(const struct bell *bell)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	fcntl(bell->fd, F_OFD_SETLK, &lock);
}

static void futex_wait(struct turnstile *turnstile, uint32_t seen, int timeout_ms)
{
	struct timespec timeout = { 0, timeout_ms * 1000000L };
	syscall(SYS_futex, &turnstile->passed, FUTEX_WAIT, seen, &timeout, NULL, 0);
}

uint32_t turnstile_wait(struct turnstile *turnstile, uint32_t seen)
{
	uint32_t asked = (uint32_t)clock_monotonic_ms() | 1;
	atomic_store(&turnstile->asked, asked);
	futex_wait(turnstile, seen, TURNSTILE_MS);
	return asked;
}

void turnstile_enter(struct turnstile *turnstile, uint32_t asked)
{
	/* Unless somebody else has asked since. */
	atomic_compare_exchange_strong(&turnstile->asked, &asked, 0);
}

uint32_t turnstile_pass(struct turnstile *turnstile)
{
	uint32_t passed = atomic_fetch_add(&turnstile->passed, 1) + 1;
	syscall(SYS_futex, &turnstile->passed, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	return passed;
}

void turnstile_yield(struct turnstile *turnstile, uint32_t passed)
{
	uint32_t asked = atomic_load(&turnstile->asked);
	uint32_t ago_ms = (uint32_t)clock_monotonic_ms() + 1 - asked;
	/* Who asked longer ago has died waiting, else he would have asked again. */
	if (asked && ago_ms <= 2 * TURNSTILE_MS)
		futex_wait(turnstile, passed, YIELD_MS);
}

/* NULL: all of them. */
static void wake_ears(struct bell_tower *tower, const struct inotify_event *event)
{
	for (struct ear *ear = tower->ears; ear; ear = ear->next) {
		if (event && ear->wd != event->wd)
			continue;
		ear->rang = true;
		pthread_cond_signal(ear->wake);
	}
}

static void look(struct bell_tower *tower)
{
	pthread_mutex_lock(&tower->bus->lock);
	wake_ears(tower, NULL);
	pthread_mutex_unlock(&tower->bus->lock);
}

static void hear(struct bell_tower *tower)
{
	_Alignas(struct inotify_event) char events[4096];
	ssize_t size = read(tower->inotify, events, sizeof(events));
	pthread_mutex_lock(&tower->bus->lock);
	for (char *at = events; at < events + (size > 0 ? size : 0);) {
		const struct inotify_event *event = (void *)at;
		wake_ears(tower, event->mask & IN_Q_OVERFLOW ? NULL : event);
		at += sizeof(*event) + event->len;
	}
	pthread_mutex_unlock(&tower->bus->lock);
}

static void *listen_to_bells(void *with)
{
	struct bell_tower *tower = with;
	struct pollfd fds[] = { { tower->inotify, POLLIN }, { tower->stop, POLLIN } };
	int64_t look_ms = clock_monotonic_ms() + LOOK_MS;
	while (!fds[1].revents) {
		int64_t rest_ms = look_ms - clock_monotonic_ms();
		if (rest_ms <= 0) {
			look(tower);
			rest_ms = LOOK_MS;
			look_ms = clock_monotonic_ms() + LOOK_MS;
		}
		if (poll(fds, 2, (int)rest_ms) > 0 && !fds[1].revents)
			hear(tower);
	}
	return NULL;
}

struct bell_tower *bell_tower_open(struct local_bus *bus, struct fault *fault)
{
	int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (inotify < 0) {
		fault_temporary(fault, "inotify: %s (see fs.inotify.max_user_instances)",
			strerror(errno));
		return NULL;
	}
	struct bell_tower *tower = NEW(struct bell_tower);
	tower->bus = bus;
	tower->inotify = inotify;
	tower->stop = eventfd(0, EFD_CLOEXEC);
	if (tower->stop < 0)
		abort();
	thread_start(&tower->thread, "bus bells", listen_to_bells, tower);
	return tower;
}

void bell_tower_close(struct bell_tower *tower)
{
	uint64_t one = 1;
	(void)!write(tower->stop, &one, sizeof(one));
	pthread_join(tower->thread, NULL);
	close(tower->stop);
	close(tower->inotify);
	free(tower);
}

bool ear_open(struct local_bus *bus, struct ear *ear, const struct bell *bell,
	struct fault *fault)
{
	/* The open file itself is watched, not whatever has its name by now. */
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", bell->fd);
	pthread_mutex_lock(&bus->lock);
	ear->wd = inotify_add_watch(bus->tower->inotify, path, IN_ACCESS);
	bool is_open = ear->wd >= 0;
	if (is_open) {
		ear->next = bus->tower->ears;
		bus->tower->ears = ear;
	} else {
		fault_temporary(fault, "inotify: %s (see fs.inotify.max_user_watches)",
			strerror(errno));
	}
	pthread_mutex_unlock(&bus->lock);
	return is_open;
}

void ear_close(struct local_bus *bus, struct ear *ear)
{
	struct bell_tower *tower = bus->tower;
	bool is_shared = false;
	pthread_mutex_lock(&bus->lock);
	struct ear **at = &tower->ears;
	while (*at) {
		if (*at == ear) {
			*at = ear->next;
			continue;
		}
		is_shared |= (*at)->wd == ear->wd;
		at = &(*at)->next;
	}
	if (!is_shared)
		inotify_rm_watch(tower->inotify, ear->wd);
	pthread_mutex_unlock(&bus->lock);
}
