/* SPDX-License-Identifier: MIT
 *
 * Starts threads that work for a loop. They block all signals, which are the loop's, and
 * bear a name (`top -H`). */
#ifndef LIB_THREAD_H
#define LIB_THREAD_H

#include <pthread.h>

/* `name` of at most 15 characters. Never fails: want of threads ends the process. */
void thread_start(
	pthread_t *ret_thread, const char *name, void *(*body)(void *), void *with);

/* Says of the calling thread, and of what it starts from now on, that it computes: the
 * threads that hand mail on go before it. */
void thread_compute(void);

#endif
