/* SPDX-License-Identifier: MIT */
#include "services/scanner/worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of a worker when the scanner runs as root: nobody. */
#define NOBODY    65534
#define FILES_MAX 256

#define READ_ACCESS                                                   \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | \
		LANDLOCK_ACCESS_FS_EXECUTE)
/* All that the first version of Landlock knows. */
#define ALL_ACCESS (LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1)

/* What libclamav, GMime, glibc and the sanitizers were seen to use, and their siblings.
 */
static const int allowed_calls[] = { SCMP_SYS(access), SCMP_SYS(brk), SCMP_SYS(chmod),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(close),
	SCMP_SYS(dup), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(fadvise64), SCMP_SYS(fallocate), SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat), SCMP_SYS(fcntl), SCMP_SYS(fdatasync), SCMP_SYS(fstat),
	SCMP_SYS(fstatfs), SCMP_SYS(fsync), SCMP_SYS(ftruncate), SCMP_SYS(futex),
	SCMP_SYS(getcwd), SCMP_SYS(getdents64), SCMP_SYS(getegid), SCMP_SYS(geteuid),
	SCMP_SYS(getgid), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getrandom),
	SCMP_SYS(getrusage), SCMP_SYS(gettid), SCMP_SYS(gettimeofday), SCMP_SYS(getuid),
	SCMP_SYS(lseek), SCMP_SYS(lstat), SCMP_SYS(madvise), SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat), SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(mremap),
	SCMP_SYS(munmap), SCMP_SYS(nanosleep), SCMP_SYS(newfstatat), SCMP_SYS(open),
	SCMP_SYS(openat), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(pread64),
	SCMP_SYS(pwrite64), SCMP_SYS(read), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(readv), SCMP_SYS(recvmsg), SCMP_SYS(rename), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(restart_syscall), SCMP_SYS(rmdir), SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_yield), SCMP_SYS(sendmsg),
	SCMP_SYS(sigaltstack), SCMP_SYS(stat), SCMP_SYS(statfs), SCMP_SYS(statx),
	SCMP_SYS(sysinfo), SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(umask),
	SCMP_SYS(uname), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(utimensat),
	SCMP_SYS(write), SCMP_SYS(writev) };

static int landlock_version(void)
{
	return (int)syscall(
		SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

const char *sandbox_prepare(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	bool has_network = unshare(CLONE_NEWNET) < 0 &&
			   (geteuid() == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0);
	bool has_landlock = landlock_version() > 0;
	if (has_network)
		return has_landlock ? "no network namespace"
				    : "no network namespace, no Landlock";
	return has_landlock ? "" : "no Landlock";
}

static bool set_limit(int what, uint64_t value)
{
	struct rlimit limit = { value, value };
	return setrlimit((__rlimit_resource_t)what, &limit) == 0;
}

static uint64_t address_space(void)
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t got = read(fd, text, sizeof(text) - 1);
	close(fd);
	unsigned long pages = 0;
	if (got <= 0 || sscanf(text, "%lu", &pages) != 1)
		return 0;
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool set_limits(const struct sandbox *sandbox, struct fault *fault)
{
	/* A core file would hold the message. */
	bool good = set_limit(RLIMIT_CORE, 0) && set_limit(RLIMIT_NOFILE, FILES_MAX);
	if (sandbox->memory_bytes) {
		uint64_t now = address_space();
		good = good && now && set_limit(RLIMIT_AS, now + sandbox->memory_bytes);
	}
	return good || fault_fatal(fault, "resource limits: %s", strerror(errno));
}

static bool drop_privileges(struct fault *fault)
{
	if (geteuid() == 0 &&
		(setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return fault_fatal(fault, "becoming nobody: %s", strerror(errno));
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { 0 };
	return syscall(SYS_capset, &header, none) == 0 ||
	       fault_fatal(fault, "dropping capabilities: %s", strerror(errno));
}

static bool allow_below(int rules, int folder, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { access, folder };
	return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule,
		       0) == 0;
}

/* Where the kernel has no Landlock, the zygote has said so already. */
static bool restrict_files(const struct sandbox *sandbox, struct fault *fault)
{
	if (landlock_version() <= 0)
		return true;
	struct landlock_ruleset_attr attributes = { .handled_access_fs = ALL_ACCESS };
	int rules = (int)syscall(
		SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	int usr = open("/usr", O_PATH | O_CLOEXEC);
	bool good = rules >= 0 && usr >= 0 && allow_below(rules, usr, READ_ACCESS) &&
		    allow_below(rules, sandbox->folder, ALL_ACCESS) &&
		    syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	if (usr >= 0)
		close(usr);
	if (rules >= 0)
		close(rules);
	return good || fault_fatal(fault, "Landlock: %s", strerror(errno));
}

static bool die_with_parent(const struct sandbox *sandbox, struct fault *fault)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return fault_fatal(fault, "death signal: %s", strerror(errno));
	return getppid() == sandbox->parent || fault_fatal(fault, "the zygote is gone");
}

static bool restrict_calls(struct fault *fault)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int error = filter ? 0 : -ENOMEM;
	for (size_t i = 0; !error && i < sizeof(allowed_calls) / sizeof(int); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0);
	/* abort(); asking for limits, not setting them; naming memory. */
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
			SCMP_A2(SCMP_CMP_EQ, 0));
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
			SCMP_A0(SCMP_CMP_EQ, PR_SET_VMA));
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return !error || fault_fatal(fault, "seccomp: %s", strerror(-error));
}

bool sandbox_enter(const struct sandbox *sandbox, struct fault *fault)
{
	if (fchdir(sandbox->folder) < 0)
		return fault_fatal(fault, "working folder: %s", strerror(errno));
	return set_limits(sandbox, fault) && drop_privileges(fault) &&
	       restrict_files(sandbox, fault) && die_with_parent(sandbox, fault) &&
	       restrict_calls(fault);
}
