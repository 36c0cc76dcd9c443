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

/* Each says something to the kernel of the calling thread, and of what it starts from now
 * on; the threads that are waited for go before those that compute. */

/* Others wait for it, and it runs for short whiles: when it wakes it goes before a thread
 * that has asked for longer ones, instead of waiting for the end of that one's slice
 * (Linux 6.12 and later). Undoes thread_compute_some(). */
void thread_answer(void);

/* It computes, for a while. */
void thread_compute_some(void);

/* It computes, for good. */
void thread_compute(void);

#endif
