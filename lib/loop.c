/* SPDX-License-Identifier: MIT */
#include "lib/loop.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/memory.h"

struct posted {
	struct posted *next;
	loop_call *call;
	void *with;
};

struct loop {
	struct event_base *base;
	pthread_mutex_t lock; /* guards first, last */
	struct posted *first, **last;
	int bell; /* eventfd that wakes the loop for posted calls */
	struct event *on_bell;
};

static void run_posted(evutil_socket_t fd, short what, void *with)
{
	(void)what;
	struct loop *loop = with;
	uint64_t rings;
	(void)!read(fd, &rings, sizeof(rings));
	pthread_mutex_lock(&loop->lock);
	struct posted *posted = loop->first;
	loop->first = NULL;
	loop->last = &loop->first;
	pthread_mutex_unlock(&loop->lock);
	while (posted) {
		struct posted *next = posted->next;
		posted->call(posted->with);
		free(posted);
		posted = next;
	}
}

struct loop *loop_new(void)
{
	struct loop *loop = NEW(struct loop);
	/* Millisecond timers matter here: retries, lanes and request deadlines. */
	struct event_config *config = event_config_new();
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	/* No descriptor is ever watched under two numbers. */
	event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	loop->base = event_base_new_with_config(config);
	event_config_free(config);
	loop->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!loop->base || loop->bell < 0)
		abort();
	pthread_mutex_init(&loop->lock, NULL);
	loop->last = &loop->first;
	loop->on_bell = event_new(
		loop->base, loop->bell, EV_READ | EV_PERSIST, run_posted, loop);
	event_add(loop->on_bell, NULL);
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	while (loop->first) {
		struct posted *next = loop->first->next;
		free(loop->first);
		loop->first = next;
	}
	event_free(loop->on_bell);
	close(loop->bell);
	event_base_free(loop->base);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

void loop_run(struct loop *loop)
{
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

void loop_post(struct loop *loop, loop_call *call, void *with)
{
	struct posted *posted = NEW(struct posted);
	*posted = (struct posted){ .call = call, .with = with };
	pthread_mutex_lock(&loop->lock);
	bool was_empty = !loop->first;
	*loop->last = posted;
	loop->last = &posted->next;
	pthread_mutex_unlock(&loop->lock);
	uint64_t one = 1;
	if (was_empty)
		(void)!write(loop->bell, &one, sizeof(one));
}

struct timer {
	struct event *event;
	loop_call *fire;
	void *with;
};

static void on_timer(evutil_socket_t fd, short what, void *with)
{
	(void)fd, (void)what;
	struct timer *timer = with;
	timer->fire(timer->with);
}

struct timer *timer_new(struct loop *loop, loop_call *fire, void *with)
{
	struct timer *timer = NEW(struct timer);
	*timer = (struct timer){ .fire = fire, .with = with };
	timer->event = evtimer_new(loop->base, on_timer, timer);
	return timer;
}

void timer_start(struct timer *timer, int64_t after_ms)
{
	if (after_ms < 0)
		after_ms = 0;
	struct timeval after = { after_ms / 1000, after_ms % 1000 * 1000 };
	evtimer_add(timer->event, &after);
}

void timer_stop(struct timer *timer)
{
	evtimer_del(timer->event);
}

bool timer_is_running(const struct timer *timer)
{
	return evtimer_pending(timer->event, NULL);
}

void timer_free(struct timer *timer)
{
	if (!timer)
		return;
	event_free(timer->event);
	free(timer);
}

struct watch {
	struct event *event;
	struct loop *loop;
	loop_ready *ready;
	void *with;
};

static void on_ready(evutil_socket_t fd, short what, void *with)
{
	(void)fd;
	struct watch *watch = with;
	unsigned ready = 0;
	if (what & EV_READ)
		ready |= LOOP_READ;
	if (what & EV_WRITE)
		ready |= LOOP_WRITE;
	watch->ready(watch->with, ready);
}

static short events_of(unsigned what)
{
	return EV_PERSIST | (what & LOOP_READ ? EV_READ : 0) |
	       (what & LOOP_WRITE ? EV_WRITE : 0);
}

struct watch *watch_new(
	struct loop *loop, int fd, unsigned what, loop_ready *ready, void *with)
{
	struct watch *watch = NEW(struct watch);
	*watch = (struct watch){ .loop = loop, .ready = ready, .with = with };
	watch->event = event_new(loop->base, fd, events_of(what), on_ready, watch);
	event_add(watch->event, NULL);
	return watch;
}

void watch_change(struct watch *watch, unsigned what)
{
	evutil_socket_t fd = event_get_fd(watch->event);
	event_del(watch->event);
	event_assign(
		watch->event, watch->loop->base, fd, events_of(what), on_ready, watch);
	if (what)
		event_add(watch->event, NULL);
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	event_free(watch->event);
	free(watch);
}

struct watch *watch_signal(struct loop *loop, int number, loop_ready *ready, void *with)
{
	struct watch *watch = NEW(struct watch);
	*watch = (struct watch){ .loop = loop, .ready = ready, .with = with };
	watch->event = evsignal_new(loop->base, number, on_ready, watch);
	event_add(watch->event, NULL);
	return watch;
}
