/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/errand.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/memory.h"
#include "lib/thread.h"

struct line {
	struct kafka_errand *first, **last;
};

struct kafka_errands {
	pthread_mutex_t lock; /* guards waiting, done, is_closing */
	pthread_cond_t added;
	struct line waiting, done;
	bool is_closing;
	bool has_thread;
	pthread_t thread;
	int bell;
	struct watch *watch;
};

static void append(struct line *line, struct kafka_errand *errand)
{
	errand->next = NULL;
	*line->last = errand;
	line->last = &errand->next;
}

static struct kafka_errand *take_first(struct line *line)
{
	struct kafka_errand *errand = line->first;
	if (errand && !(line->first = errand->next))
		line->last = &line->first;
	return errand;
}

static void *run_errands(void *with)
{
	struct kafka_errands *errands = with;
	pthread_mutex_lock(&errands->lock);
	for (;;) {
		struct kafka_errand *errand = take_first(&errands->waiting);
		if (!errand && errands->is_closing)
			break;
		if (!errand) {
			pthread_cond_wait(&errands->added, &errands->lock);
			continue;
		}
		bool skips = errands->is_closing && !errand->must_run;
		pthread_mutex_unlock(&errands->lock);
		if (!skips)
			errand->run(errand);
		pthread_mutex_lock(&errands->lock);
		append(&errands->done, errand);
		uint64_t one = 1;
		(void)!write(errands->bell, &one, sizeof(one));
	}
	pthread_mutex_unlock(&errands->lock);
	return NULL;
}

static void report_done(struct kafka_errands *errands)
{
	for (;;) {
		pthread_mutex_lock(&errands->lock);
		struct kafka_errand *errand = take_first(&errands->done);
		pthread_mutex_unlock(&errands->lock);
		if (!errand)
			return;
		errand->done(errand);
	}
}

static void on_bell(void *with, unsigned what)
{
	(void)what;
	struct kafka_errands *errands = with;
	uint64_t rings;
	(void)!read(errands->bell, &rings, sizeof(rings));
	report_done(errands);
}

struct kafka_errands *kafka_errands_new(struct loop *loop)
{
	struct kafka_errands *errands = NEW(struct kafka_errands);
	pthread_mutex_init(&errands->lock, NULL);
	pthread_cond_init(&errands->added, NULL);
	errands->waiting.last = &errands->waiting.first;
	errands->done.last = &errands->done.first;
	errands->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (errands->bell < 0)
		abort();
	errands->watch = watch_new(loop, errands->bell, LOOP_READ, on_bell, errands);
	return errands;
}

void kafka_errands_free(struct kafka_errands *errands)
{
	pthread_mutex_lock(&errands->lock);
	errands->is_closing = true;
	pthread_cond_signal(&errands->added);
	pthread_mutex_unlock(&errands->lock);
	if (errands->has_thread)
		pthread_join(errands->thread, NULL);
	report_done(errands);
	watch_free(errands->watch);
	close(errands->bell);
	pthread_cond_destroy(&errands->added);
	pthread_mutex_destroy(&errands->lock);
	free(errands);
}

void kafka_errands_add(struct kafka_errands *errands, struct kafka_errand *errand)
{
	if (!errands->has_thread) {
		errands->has_thread = true;
		thread_start(&errands->thread, "kafka errands", run_errands, errands);
	}
	pthread_mutex_lock(&errands->lock);
	append(&errands->waiting, errand);
	pthread_cond_signal(&errands->added);
	pthread_mutex_unlock(&errands->lock);
}
