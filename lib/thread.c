/* SPDX-License-Identifier: MIT */
#include "lib/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A tenth of the weight of other threads of the same group. */
#define COMPUTING_NICE 10
/* The least that Linux lets a thread ask for. */
#define SLICE_NS 100000

/* Debian 12 has no declaration that <sched.h> goes along with (sched_setattr(2)). */
struct scheduling {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

void thread_start(
	pthread_t *ret_thread, const char *name, void *(*body)(void *), void *with)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(ret_thread, NULL, body, with) != 0)
		abort();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_setname_np(*ret_thread, name);
}

/* A slice of 0 is the kernel's own choice; older kernels take no notice of any. An idle
 * or real-time policy someone chose for the whole service, and it stays. */
static void schedule(uint32_t policy, int nice, uint64_t slice_ns)
{
	int was = sched_getscheduler(0);
	if (was != SCHED_OTHER && was != SCHED_BATCH)
		return;
	struct scheduling scheduling = { .size = sizeof(scheduling),
		.policy = policy,
		.nice = nice,
		.runtime_ns = slice_ns };
	syscall(SYS_sched_setattr, 0, &scheduling, 0);
}

static int nice_of_thread(void)
{
	return getpriority(PRIO_PROCESS, 0); /* on Linux the thread's */
}

void thread_answer(void)
{
	schedule(SCHED_OTHER, nice_of_thread(), SLICE_NS);
}

void thread_compute_some(void)
{
	schedule(SCHED_BATCH, nice_of_thread(), 0);
}

void thread_compute(void)
{
	int nice = nice_of_thread();
	schedule(SCHED_BATCH, nice > COMPUTING_NICE ? nice : COMPUTING_NICE, 0);
}
