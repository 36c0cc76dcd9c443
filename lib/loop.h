/* SPDX-License-Identifier: MIT
 *
 * The event loop of a process (libevent behind it). All callbacks run on the one thread
 * that calls loop_run(); only loop_post() may be called from others. */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct loop;
struct timer;
struct watch;

typedef void loop_call(void *with);
typedef void loop_ready(void *with, unsigned what);

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop *loop_new(void);
/* All timers and watches must be freed before. */
void loop_free(struct loop *loop);
/* Returns after loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* For adapters of libraries (evhttp, hiredis, libcurl) and bufferevents. */
struct event_base *loop_base(struct loop *loop);

/* Calls `call` on the loop's thread at its next turn; calls keep their order. From any
 * thread; the only function here that is. */
void loop_post(struct loop *loop, loop_call *call, void *with);

/* A timer fires once for each timer_start(); starting again moves it. */
struct timer *timer_new(struct loop *loop, loop_call *fire, void *with);
void timer_start(struct timer *timer, int64_t after_ms);
void timer_stop(struct timer *timer);
bool timer_is_running(const struct timer *timer);
void timer_free(struct timer *timer);

/* Level-triggered, until freed. `what` is a set of LOOP_READ, LOOP_WRITE. The fd stays
 * the caller's. */
struct watch *watch_new(
	struct loop *loop, int fd, unsigned what, loop_ready *ready, void *with);
void watch_change(struct watch *watch, unsigned what);
void watch_free(struct watch *watch);

/* A process signal as a loop event; freed with watch_free(). */
struct watch *watch_signal(struct loop *loop, int number, loop_ready *ready, void *with);

#endif
