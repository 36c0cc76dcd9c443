/* SPDX-License-Identifier: MIT */
#include "services/signer/workers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/memory.h"
#include "lib/thread.h"

struct workers {
	struct workers_calls calls;
	void *with;
	pthread_mutex_t lock; /* guards what follows up to `is_closing` */
	pthread_cond_t has_work, has_newcomer;
	struct turns *waiting;
	struct turn *done, **last_done;
	bool is_prompt_idle; /* the thread for newcomers waits for one */
	struct turn *handed; /* to it, so that nobody else takes it before it wakes */
	bool is_closing;
	int bell; /* wakes the loop for `done` */
	struct watch *watch;
	pthread_t prompt;
	unsigned count;
	pthread_t threads[];
};

static void ring(struct workers *workers)
{
	uint64_t one = 1;
	(void)!write(workers->bell, &one, sizeof(one));
}

/* Both with the lock held, which is let go of meanwhile. NULL: it's over. */
static struct work *next_work(struct workers *workers)
{
	while (!workers->is_closing) {
		struct turn *turn = turns_take(workers->waiting);
		if (turn)
			return (struct work *)turn;
		pthread_cond_wait(&workers->has_work, &workers->lock);
	}
	return NULL;
}

static struct work *next_newcomer(struct workers *workers)
{
	while (!workers->is_closing) {
		struct turn *turn = workers->handed;
		if (!turn)
			turn = turns_take_newcomer(workers->waiting);
		workers->handed = NULL;
		workers->is_prompt_idle = !turn;
		if (turn)
			return (struct work *)turn;
		pthread_cond_wait(&workers->has_newcomer, &workers->lock);
	}
	return NULL;
}

static void work_off(struct workers *workers, struct work *(*next)(struct workers *))
{
	struct work *work;
	pthread_mutex_lock(&workers->lock);
	while ((work = next(workers))) {
		pthread_mutex_unlock(&workers->lock);
		workers->calls.run(workers->with, work);
		pthread_mutex_lock(&workers->lock);
		turns_end(workers->waiting, &work->turn);
		bool is_first = !workers->done;
		work->turn.next = NULL;
		*workers->last_done = &work->turn;
		workers->last_done = &work->turn.next;
		if (!is_first)
			continue;
		/* Who is woken goes before us, and must not find the lock taken. */
		pthread_mutex_unlock(&workers->lock);
		ring(workers);
		pthread_mutex_lock(&workers->lock);
	}
	pthread_mutex_unlock(&workers->lock);
}

static void *work_on(void *with)
{
	thread_compute();
	work_off(with, next_work);
	return NULL;
}

/* Not behind the others' computing: a code that comes while someone's burst is being
 * signed is signed as if there were none. */
static void *work_promptly(void *with)
{
	work_off(with, next_newcomer);
	return NULL;
}

static void on_bell(void *with, unsigned what)
{
	(void)what;
	struct workers *workers = with;
	uint64_t rings;
	(void)!read(workers->bell, &rings, sizeof(rings));
	pthread_mutex_lock(&workers->lock);
	struct turn *turn = workers->done;
	workers->done = NULL;
	workers->last_done = &workers->done;
	pthread_mutex_unlock(&workers->lock);
	while (turn) {
		struct turn *next = turn->next;
		workers->calls.done(workers->with, (struct work *)turn);
		turn = next;
	}
}

struct workers *workers_new(struct loop *loop, unsigned threads,
	const struct workers_calls *calls, void *with)
{
	if (threads == 0) {
		long processors = sysconf(_SC_NPROCESSORS_ONLN);
		/* One computes while another's mail is handed on. */
		threads = processors > 0 ? (unsigned)processors + 1 : 2;
	}
	struct workers *workers = memory_new(
		sizeof(*workers) + threads * sizeof(*workers->threads));
	workers->calls = *calls;
	workers->with = with;
	workers->count = threads;
	workers->waiting = turns_new();
	workers->last_done = &workers->done;
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->has_work, NULL);
	pthread_cond_init(&workers->has_newcomer, NULL);
	workers->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (workers->bell < 0)
		abort();
	workers->watch = watch_new(loop, workers->bell, LOOP_READ, on_bell, workers);
	thread_start(&workers->prompt, "sign now", work_promptly, workers);
	for (unsigned i = 0; i < workers->count; i++)
		thread_start(&workers->threads[i], "sign", work_on, workers);
	return workers;
}

void workers_add(struct workers *workers, struct work *work)
{
	pthread_mutex_lock(&workers->lock);
	bool is_newcomer = turns_add(workers->waiting, &work->turn);
	if (is_newcomer && workers->is_prompt_idle) {
		workers->is_prompt_idle = false;
		workers->handed = turns_take_newcomer(workers->waiting);
		pthread_cond_signal(&workers->has_newcomer);
	} else {
		pthread_cond_signal(&workers->has_work);
	}
	pthread_mutex_unlock(&workers->lock);
}

void workers_free(struct workers *workers)
{
	if (!workers)
		return;
	pthread_mutex_lock(&workers->lock);
	workers->is_closing = true;
	pthread_cond_broadcast(&workers->has_work);
	pthread_cond_signal(&workers->has_newcomer);
	pthread_mutex_unlock(&workers->lock);
	pthread_join(workers->prompt, NULL);
	for (unsigned i = 0; i < workers->count; i++)
		pthread_join(workers->threads[i], NULL);
	watch_free(workers->watch);
	close(workers->bell);
	pthread_cond_destroy(&workers->has_work);
	pthread_cond_destroy(&workers->has_newcomer);
	pthread_mutex_destroy(&workers->lock);
	turns_free(workers->waiting);
	free(workers);
}
