/* SPDX-License-Identifier: MIT */
#include "lib/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

/* A tenth of the weight of other threads of the same group. */
#define COMPUTING_NICE 10

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

void thread_compute(void)
{
	sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ 0 });
	/* On Linux that is of the thread alone. */
	setpriority(PRIO_PROCESS, 0, COMPUTING_NICE);
}
