/* SPDX-License-Identifier: MIT */
#include "services/scanner/pool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/memory.h"
#include "lib/metrics.h"
#include "services/scanner/seat.h"

#define RESTART_MS     250
#define RESTART_MAX_MS 60000
#define TRIES          2

struct pool {
	struct loop *loop;
	const struct pool_plan *plan;
	struct generation *current; /* hatches workers; NULL while its program is dead */
	struct generation *next;    /* loads */
	struct generation *old;     /* ends with its last worker */
	bool was_ready, is_serving, is_changed, is_reload_wanted;
	struct fault why; /* why there is no current generation */
	struct timer *restart;
	unsigned failed_starts;
	struct turns *turns; /* of the orders that wait */
	unsigned seat_count;
	struct seat *seats; /* the first is for newcomers */
	struct metric *losses[LOSS_OURS + 1];
	struct metric *queued, *reloads, *failed_reloads;
};

static void serve(void *with);
static void start_next(void *with);

static void push(struct pool *pool, struct order *order)
{
	turns_add(pool->turns, &order->turn);
	metric_set(pool->queued, (int64_t)turns_count(pool->turns));
}

static struct order *pop(struct pool *pool, bool is_prompt)
{
	struct turn *turn = is_prompt ? turns_take_newcomer(pool->turns)
				      : turns_take(pool->turns);
	metric_set(pool->queued, (int64_t)turns_count(pool->turns));
	return (struct order *)turn;
}

static void end(struct pool *pool, struct order *order, Postern__Inspection *inspection,
	const struct fault *fault)
{
	turns_end(pool->turns, &order->turn);
	order->done(order->with, inspection, fault);
}

/* True: the seat can do more. */
static bool serve_seat(struct pool *pool, struct seat *seat)
{
	struct generation *current = pool->current;
	if (seat->state == SEAT_IDLE && seat->generation != current)
		seat_clear(seat);
	if (seat->state == SEAT_EMPTY && current)
		seat_fill(seat, current);
	if (seat->state != SEAT_IDLE)
		return false;
	struct order *order = pop(pool, seat->is_prompt);
	struct fault fault = { 0 };
	if (!order)
		return false;
	if (!seat_give(seat, order, &fault))
		end(pool, order, NULL, &fault);
	return true;
}

/* A seat that changes while seats are served is looked at in the next round. */
static void serve(void *with)
{
	struct pool *pool = with;
	pool->is_changed = true;
	if (pool->is_serving)
		return;
	pool->is_serving = true;
	while (pool->is_changed) {
		pool->is_changed = false;
		for (unsigned i = 0; i < pool->seat_count; i++)
			if (serve_seat(pool, &pool->seats[i]))
				pool->is_changed = true;
	}
	pool->is_serving = false;
}

static void on_answered(void *with, struct order *order, Postern__Inspection *inspection)
{
	end(with, order, inspection, NULL);
}

static void on_lost(void *with, struct order *order, enum loss loss, const char *why)
{
	struct pool *pool = with;
	metric_add(pool->losses[loss], 1);
	log_warning(order->log, "inspection failed", FIELD("why", why),
		NUMBER("before", order->losses));
	struct fault fault = { 0 };
	if (loss == LOSS_STARVED) {
		fault_temporary(&fault, "%s", why);
		end(pool, order, NULL, &fault);
	} else if (loss == LOSS_OURS || ++order->losses < TRIES) {
		turns_end(pool->turns, &order->turn);
		push(pool, order);
	} else {
		fault_permanent(&fault, "inspection failed twice: %s", why);
		end(pool, order, NULL, &fault);
	}
}

static const struct seat_calls seat_calls = { on_answered, on_lost, serve };

static void restart_later(struct pool *pool)
{
	unsigned shift = pool->failed_starts < 6 ? pool->failed_starts : 6;
	int64_t after_ms = (int64_t)RESTART_MS << shift;
	pool->failed_starts++;
	timer_start(pool->restart, after_ms < RESTART_MAX_MS ? after_ms : RESTART_MAX_MS);
}

static void on_ready(void *with, struct generation *generation)
{
	struct pool *pool = with;
	const Postern__WorkerReady *facts = generation_facts(generation);
	pool->failed_starts = 0;
	if (*facts->isolation)
		log_warning(pool->plan->log,
			"workers are isolated less than they could be",
			FIELD("missing", facts->isolation));
	log_info(pool->plan->log, "workers can be started",
		FIELD("engine", facts->engine), NUMBER("signatures", facts->signatures),
		FIELD("signature_set", facts->signature_set));
	pool->next = NULL;
	pool->old = pool->current;
	pool->current = generation;
	serve(pool);
	generation_retire(pool->old);
	if (!pool->was_ready)
		pool->plan->ready(pool->plan->with);
	pool->was_ready = true;
}

static void fail_next(struct pool *pool, const struct fault *fault)
{
	pool->next = NULL;
	if (!pool->was_ready) {
		pool->plan->failed(pool->plan->with, fault);
		return;
	}
	metric_add(pool->failed_reloads, 1);
	log_error(pool->plan->log,
		pool->current ? "signatures not loaded, the ones before stay in use"
			      : "no inspection: workers can't be started",
		FIELD("why", fault->text));
	char reason[sizeof(fault->text) + 64];
	snprintf(reason, sizeof(reason), "signatures not loaded: %s", fault->text);
	pool->plan->alert(pool->plan->with, reason);
	if (!pool->current) {
		pool->why = *fault;
		restart_later(pool);
	} else if (pool->is_reload_wanted) {
		start_next(pool);
	}
}

static void on_failed(
	void *with, struct generation *generation, const struct fault *fault)
{
	struct pool *pool = with;
	struct fault why = *fault;
	if (generation == pool->next) {
		generation_kill(generation);
		fail_next(pool, &why);
		return;
	}
	assert(generation == pool->current);
	pool->current = NULL;
	pool->why = why;
	log_error(pool->plan->log, "all workers are gone and will be started anew",
		FIELD("why", why.text));
	for (unsigned i = 0; i < pool->seat_count; i++)
		if (pool->seats[i].generation == generation)
			seat_lose(&pool->seats[i]);
	generation_kill(generation);
	if (!pool->next)
		restart_later(pool);
}

static void on_ended(void *with, struct generation *generation)
{
	struct pool *pool = with;
	assert(generation == pool->old);
	pool->old = NULL;
	if (pool->is_reload_wanted)
		start_next(pool);
}

static void on_hatched(void *with, void *who, int pidfd)
{
	(void)with;
	seat_hatched(who, pidfd);
}

static const struct generation_calls generation_calls = {
	.ready = on_ready,
	.failed = on_failed,
	.ended = on_ended,
	.hatched = on_hatched,
};

/* Three generations at most: one that loads, one that works, one that ends. */
static void start_next(void *with)
{
	struct pool *pool = with;
	pool->is_reload_wanted = pool->next || pool->old;
	if (pool->is_reload_wanted)
		return;
	struct fault fault = { 0 };
	metric_add(pool->reloads, 1);
	pool->next = generation_start(
		pool->loop, &pool->plan->generation, &generation_calls, pool, &fault);
	if (!pool->next)
		fail_next(pool, &fault);
}

void pool_reload(struct pool *pool)
{
	start_next(pool);
}

static void open_metrics(struct pool *pool)
{
	static const char *const labels[] = {
		[LOSS_TIMEOUT] = "cause=\"timeout\"",
		[LOSS_CRASH] = "cause=\"crash\"",
		[LOSS_RUBBISH] = "cause=\"rubbish\"",
		[LOSS_FAULT] = "cause=\"fault\"",
		[LOSS_STARVED] = "cause=\"starved\"",
		[LOSS_OURS] = "cause=\"restart\"",
	};
	for (size_t i = 0; i <= LOSS_OURS; i++)
		pool->losses[i] = metric_counter(
			"postern_scanner_failed_inspections_total", labels[i],
			"Inspections that cost a worker, by cause.");
	pool->queued = metric_gauge(
		"postern_scanner_queued", NULL, "Messages that wait for a worker.");
	pool->reloads = metric_counter("postern_scanner_reloads_total", NULL,
		"Times that signatures were loaded anew.");
	pool->failed_reloads = metric_counter("postern_scanner_failed_reloads_total",
		NULL, "Times that signatures could not be loaded.");
}

struct pool *pool_open(
	struct loop *loop, const struct pool_plan *plan, struct fault *fault)
{
	struct pool *pool = NEW(struct pool);
	pool->loop = loop;
	pool->plan = plan;
	pool->turns = turns_new();
	pool->restart = timer_new(loop, start_next, pool);
	pool->seat_count = plan->workers + 1;
	pool->seats = NEW_ARRAY(struct seat, pool->seat_count);
	for (unsigned i = 0; i < pool->seat_count; i++)
		seat_init(&pool->seats[i], loop, &seat_calls, pool, plan->timeout_ms,
			i == 0);
	open_metrics(pool);
	fault_temporary(&pool->why, "signatures are being loaded");
	pool->next = generation_start(
		loop, &plan->generation, &generation_calls, pool, fault);
	if (pool->next)
		return pool;
	pool_close(pool);
	return NULL;
}

void pool_close(struct pool *pool)
{
	if (!pool)
		return;
	pool->is_serving = true; /* nothing is served or started any more */
	pool->is_reload_wanted = false;
	for (unsigned i = 0; i < pool->seat_count; i++)
		seat_done(&pool->seats[i]);
	generation_kill(pool->next);
	generation_kill(pool->current);
	generation_kill(pool->old);
	timer_free(pool->restart);
	turns_free(pool->turns);
	free(pool->seats);
	free(pool);
}

bool pool_is_ready(const struct pool *pool, struct fault *why)
{
	return pool->current || fault_temporary(why, "no inspection: %s", pool->why.text);
}

const Postern__WorkerReady *pool_facts(const struct pool *pool)
{
	return pool->current ? generation_facts(pool->current) : NULL;
}

void pool_inspect(struct pool *pool, struct order *order)
{
	order->losses = 0;
	push(pool, order);
	serve(pool);
}
