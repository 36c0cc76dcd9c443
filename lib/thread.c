/* SPDX-License-Identifier: MIT */
#include "lib/thread.h"

#include <signal.h>
#include <stdlib.h>

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
