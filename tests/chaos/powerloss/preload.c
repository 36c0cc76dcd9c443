/* SPDX-License-Identifier: MIT
 *
 * For LD_PRELOAD: appends every change that a process makes to files and folders under
 * POSTERN_POWERLOSS_FOLDER to the log POSTERN_POWERLOSS_LOG, one order over all
 * processes, so that disk.py can tell what a power cut would leave. A change is logged
 * after the real call and before it returns; a sync before (what it covers is complete by
 * then) and after (from here on it counts). Only the calls that SQLite and the local
 * engine make are seen, and no mapped memory; the run compares, so a call that is missing
 * here shows. SIGUSR2 is SIGKILL, but never between a change and its entry. 64-bit Linux
 * only.
 */
/* open() and open64() are two names here, whatever the build asks for. */
#undef _FILE_OFFSET_BITS
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAGIC       0x50574c53
#define FILES       4096
#define LOG_CEILING ((int64_t)1 << 31)

enum kind {
	KIND_LINK = 'L',       /* the name is this file's */
	KIND_UNLINK = 'U',     /* the name was this file's */
	KIND_FOLDER = 'D',     /* the name is a folder's */
	KIND_WRITE = 'W',      /* of the data at offset */
	KIND_TRUNCATE = 'T',   /* to the size of offset */
	KIND_SYNC_BEGIN = 'B', /* offset: which one */
	KIND_SYNC_END = 'E',
	KIND_MARK = 'M', /* path: what the program has to say */
};

struct entry {
	uint32_t magic;
	uint16_t kind;
	uint16_t path_size;
	uint64_t file; /* tells files apart for ever, as an inode's number doesn't */
	uint64_t offset;
	uint64_t size; /* of the data that follow the path */
};

static char folder[PATH_MAX];
static int log_fd = -1;
/* Shared while a change and its entry are made, exclusive to die. */
static pthread_rwlock_t may_die;
/* Open files under the folder; a slot belongs to whoever has the descriptor. */
static struct {
	char *path; /* relative to the folder */
	uint64_t file;
} files[FILES];

static void die(const char *why)
{
	fprintf(stderr, "powerloss: %s\n", why);
	_exit(99);
}

static void append(struct entry entry, const char *path, const void *data)
{
	entry.magic = MAGIC;
	entry.path_size = strlen(path);
	struct iovec parts[] = { { &entry, sizeof(entry) },
		{ (char *)path, entry.path_size }, { (void *)data, entry.size } };
	/* O_APPEND: one call is one entry. */
	ssize_t whole = sizeof(entry) + entry.path_size + entry.size;
	if (syscall(SYS_writev, log_fd, parts, 3) != whole)
		die("the log can't be written");
	if (syscall(SYS_lseek, log_fd, 0, SEEK_CUR) > LOG_CEILING)
		die("the log is full");
}

static void note(enum kind kind, const char *path, uint64_t file, uint64_t offset)
{
	append((struct entry){ .kind = kind, .file = file, .offset = offset }, path,
		NULL);
}

/* For the program; found with dlsym. */
void powerloss_mark(const char *text)
{
	note(KIND_MARK, text, 0, 0);
}

static void begin(void)
{
	pthread_rwlock_rdlock(&may_die);
}

static long end(long result)
{
	int error = errno;
	pthread_rwlock_unlock(&may_die);
	errno = error;
	return result;
}

static void *wait_to_die(void *with)
{
	int number;
	sigwait(with, &number);
	pthread_rwlock_wrlock(&may_die);
	kill(getpid(), SIGKILL);
	return NULL;
}

__attribute__((constructor)) static void start(void)
{
	static sigset_t deadly;
	const char *where = getenv("POSTERN_POWERLOSS_FOLDER");
	const char *log_path = getenv("POSTERN_POWERLOSS_LOG");
	if (!where || !log_path || !realpath(where, folder))
		die("POSTERN_POWERLOSS_FOLDER and POSTERN_POWERLOSS_LOG are needed");
	log_fd = syscall(SYS_openat, AT_FDCWD, log_path,
		O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	pthread_rwlockattr_t prefers;
	pthread_rwlockattr_init(&prefers);
	pthread_rwlockattr_setkind_np(
		&prefers, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&may_die, &prefers);
	sigemptyset(&deadly);
	sigaddset(&deadly, SIGUSR2);
	sigprocmask(SIG_BLOCK, &deadly, NULL);
	pthread_t thread;
	if (log_fd < 0 || pthread_create(&thread, NULL, wait_to_die, &deadly) != 0)
		die("can't start");
}

/* The part of a real path below the folder; NULL for any other. */
static const char *below(const char *path)
{
	size_t size = strlen(folder);
	if (strncmp(path, folder, size) != 0 || (path[size] && path[size] != '/'))
		return NULL;
	return path[size] ? path + size + 1 : "";
}

/* Likewise for a name that may not exist; its folder must. */
static const char *find_name(const char *path, char real[PATH_MAX])
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s%s", strchr(path, '/') ? "" : "./", path);
	char *name = strrchr(copy, '/');
	*name++ = '\0';
	if (!realpath(*copy ? copy : "/", real))
		return NULL;
	size_t size = strlen(real);
	snprintf(real + size, PATH_MAX - size, "/%s", name);
	return below(real);
}

static uint64_t identify(int at, const char *path)
{
	struct statx facts = { 0 };
	if (syscall(SYS_statx, at, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
		    STATX_INO | STATX_BTIME, &facts) < 0)
		return 0;
	return facts.stx_ino * 0x9e3779b97f4a7c15u ^
	       (facts.stx_btime.tv_sec * 1000000000u + facts.stx_btime.tv_nsec);
}

static void note_open(int fd, int flags)
{
	char link[64], real[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t size = readlink(link, real, sizeof(real) - 1);
	real[size < 0 ? 0 : size] = '\0';
	const char *path = below(real);
	if (!path)
		return;
	if (fd >= FILES)
		die("too many open files");
	free(files[fd].path);
	files[fd].path = strdup(path);
	files[fd].file = identify(fd, "");
	struct stat facts;
	if (fstat(fd, &facts) < 0 || !S_ISREG(facts.st_mode))
		return;
	note(KIND_LINK, path, files[fd].file, 0);
	if (flags & O_TRUNC)
		note(KIND_TRUNCATE, path, files[fd].file, 0);
}

static int do_open(const char *path, int flags, mode_t mode)
{
	begin();
	int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (fd >= 0)
		note_open(fd, flags);
	return end(fd);
}

#define MODE_OF(flags)                                    \
	({                                                \
		va_list args;                             \
		va_start(args, flags);                    \
		mode_t mode = va_arg(args, unsigned int); \
		va_end(args);                             \
		mode;                                     \
	})

int open(const char *path, int flags, ...)
{
	return do_open(path, flags, MODE_OF(flags));
}

static bool is_watched(int fd)
{
	return fd >= 0 && fd < FILES && files[fd].path;
}

int close(int fd)
{
	begin();
	if (is_watched(fd)) {
		free(files[fd].path);
		files[fd].path = NULL;
	}
	return end(syscall(SYS_close, fd));
}

static ssize_t note_write(int fd, const void *bytes, off_t offset, ssize_t size)
{
	if (size > 0 && is_watched(fd)) {
		if (offset < 0)
			offset = syscall(SYS_lseek, fd, 0, SEEK_CUR) - size;
		append((struct entry){ .kind = KIND_WRITE,
			       .file = files[fd].file,
			       .offset = offset,
			       .size = size },
			files[fd].path, bytes);
	}
	return end(size);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	begin();
	return note_write(fd, bytes, -1, syscall(SYS_write, fd, bytes, size));
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	begin();
	return note_write(
		fd, bytes, offset, syscall(SYS_pwrite64, fd, bytes, size, offset));
}

int ftruncate(int fd, off_t size)
{
	begin();
	int result = syscall(SYS_ftruncate, fd, size);
	if (result == 0 && is_watched(fd))
		note(KIND_TRUNCATE, files[fd].path, files[fd].file, size);
	return end(result);
}

static int do_sync(int fd, long call)
{
	static _Atomic uint32_t count;
	uint64_t token = (uint64_t)getpid() << 32 | ++count;
	bool watched = is_watched(fd);
	begin();
	if (watched)
		note(KIND_SYNC_BEGIN, files[fd].path, files[fd].file, token);
	end(0);
	int result = syscall(call, fd);
	begin();
	if (watched && result == 0)
		note(KIND_SYNC_END, files[fd].path, files[fd].file, token);
	return end(result);
}

int fsync(int fd)
{
	return do_sync(fd, SYS_fsync);
}

int fdatasync(int fd)
{
	return do_sync(fd, SYS_fdatasync);
}

int mkdir(const char *path, mode_t mode)
{
	char real[PATH_MAX];
	begin();
	int result = syscall(SYS_mkdirat, AT_FDCWD, path, mode);
	const char *name = result == 0 ? find_name(path, real) : NULL;
	if (name)
		note(KIND_FOLDER, name, 0, 0);
	return end(result);
}

int unlink(const char *path)
{
	char real[PATH_MAX];
	begin();
	const char *name = find_name(path, real);
	uint64_t file = name ? identify(AT_FDCWD, real) : 0;
	int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	if (result == 0 && name)
		note(KIND_UNLINK, name, file, 0);
	return end(result);
}

/* glibc's names for 64-bit offsets. */
int open64(const char *path, int flags, ...)
{
	return do_open(path, flags, MODE_OF(flags));
}

ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));
int ftruncate64(int, off_t) __attribute__((alias("ftruncate")));
