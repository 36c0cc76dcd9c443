/* SPDX-License-Identifier: MIT */
#include "lib/service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/bus/bus.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"
#include "lib/metrics.h"
#include "lib/probe.h"
#include "lib/registry/registry.h"
#include "lib/service_options.h"
#include "lib/thread.h"
#include "lib/topics.h"
#include "lib/version.h"

#define CATCH_UP_PATIENCE_MS 5000
#define PULSE_MS             2000

enum life_state {
	LIFE_CATCHING_UP, /* until every control object is known */
	LIFE_OPENING,     /* service->open is called at the loop's next turn */
	LIFE_RUNNING,
	LIFE_DRAINING,
	LIFE_ENDING,
};

struct life {
	struct process process; /* first: process_drained() casts back */
	const struct service *service;
	struct service_options options;
	enum life_state state;
	void *self; /* the service's own */
	bool is_open;
	int status;
	struct probe *probe;
	struct timer *patience, *pulse;
	bool is_bus_ill;    /* and that has been logged */
	int64_t started_ms; /* monotonic */
	struct log_field fields[3];
	struct watch *signals[3];
};

static const struct log *log_of(const struct life *life)
{
	return &life->process.log;
}

static void end(struct life *life, int status)
{
	life->state = LIFE_ENDING;
	life->status = status;
	loop_stop(life->process.loop);
}

/* Called at the latest when the drain's time is over, so it may come twice. */
void process_drained(struct process *process)
{
	struct life *life = (struct life *)process;
	if (life->state != LIFE_DRAINING)
		return;
	log_info(log_of(life), "drained");
	end(life, STATUS_GOOD);
}

void process_failed(struct process *process, const struct fault *why)
{
	struct life *life = (struct life *)process;
	log_error(log_of(life), "can't go on", FIELD("reason", why->text));
	end(life, STATUS_FAILED);
}

static void drain_timed_out(struct life *life)
{
	log_warning(log_of(life),
		"drain timed out, closing: what is in hand will be redelivered",
		NUMBER("timeout_ms", life->options.drain_timeout_ms));
	end(life, STATUS_GOOD);
}

static void drain(struct life *life)
{
	life->state = LIFE_DRAINING;
	log_info(log_of(life), "draining",
		NUMBER("timeout_ms", life->options.drain_timeout_ms));
	timer_start(life->patience, life->options.drain_timeout_ms);
	if (life->service->drain)
		life->service->drain(life->self);
	else
		process_drained(&life->process);
}

static void on_stop_signal(void *with, unsigned what)
{
	(void)what;
	struct life *life = with;
	if (life->state == LIFE_RUNNING) {
		drain(life);
		return;
	}
	if (life->state == LIFE_DRAINING)
		log_warning(log_of(life), "second signal, closing at once: what is in "
					  "hand will be redelivered");
	end(life, STATUS_GOOD);
}

static void on_reload_signal(void *with, unsigned what)
{
	(void)what;
	struct life *life = with;
	if (life->state != LIFE_RUNNING || !life->service->reload)
		return;
	log_info(log_of(life), "reloading");
	life->service->reload(life->self);
}

static bool is_ready(void *with, struct fault *why)
{
	struct life *life = with;
	static const char *const reasons[] = {
		[LIFE_CATCHING_UP] = "waiting for the control objects",
		[LIFE_OPENING] = "opening",
		[LIFE_DRAINING] = "draining",
		[LIFE_ENDING] = "ending",
	};
	struct fault bus_why = { 0 };
	bool is_healthy = bus_is_healthy(life->process.bus, &bus_why);
	if (life->state != LIFE_RUNNING)
		return fault_temporary(why, "%s%s%s", reasons[life->state],
			is_healthy ? "" : "; bus: ", bus_why.text);
	if (!is_healthy)
		return fault_temporary(why, "bus: %s", bus_why.text);
	return !life->service->is_ready || life->service->is_ready(life->self, why);
}

static void open_service(void *with)
{
	struct life *life = with;
	if (life->state != LIFE_OPENING)
		return;
	struct fault fault = { 0 };
	if (!life->service->open(&life->process, &life->self, &fault)) {
		log_error(log_of(life), "can't open", FIELD("reason", fault.text));
		end(life, STATUS_FAILED);
		return;
	}
	life->is_open = true;
	life->state = LIFE_RUNNING;
	log_info(log_of(life), "ready",
		NUMBER("after_ms", clock_monotonic_ms() - life->started_ms));
}

static void on_caught_up(void *with)
{
	struct life *life = with;
	if (life->state != LIFE_CATCHING_UP)
		return;
	timer_stop(life->patience);
	life->state = LIFE_OPENING;
	loop_post(life->process.loop, open_service, life);
}

static void on_patience(void *with)
{
	struct life *life = with;
	struct fault why = { 0 };
	if (life->state == LIFE_DRAINING) {
		drain_timed_out(life);
		return;
	}
	bool is_healthy = bus_is_healthy(life->process.bus, &why);
	log_warning(log_of(life), "still waiting for the control objects",
		FIELD("bus", life->options.bus),
		FIELD("bus_state", is_healthy ? "healthy" : why.text),
		NUMBER("waited_ms", clock_monotonic_ms() - life->started_ms));
	timer_start(life->patience, CATCH_UP_PATIENCE_MS);
}

/* An operator hears of an outage when it begins, not when the first message suffers. */
static void on_pulse(void *with)
{
	struct life *life = with;
	struct fault why = { 0 }, last = { 0 };
	unsigned losses = bus_losses(life->process.bus, &last);
	metric_add(
		metric_counter("postern_bus_losses_total", NULL,
			"Records found damaged, or gone before they were taken, and members "
			"shut out of their group."),
		losses);
	if (losses)
		log_error(log_of(life), "the bus has lost records or a member",
			NUMBER("losses", losses), FIELD("last", last.text));
	bool is_healthy = bus_is_healthy(life->process.bus, &why);
	metric_set(metric_gauge("postern_bus_healthy", NULL,
			   "1 while the bus answers, else 0."),
		is_healthy);
	if (!is_healthy && !life->is_bus_ill)
		log_warning(log_of(life), "the bus is not healthy, waiting for it",
			FIELD("bus", life->options.bus), FIELD("reason", why.text));
	else if (is_healthy && life->is_bus_ill)
		log_info(log_of(life), "the bus is healthy again");
	life->is_bus_ill = !is_healthy;
	timer_start(life->pulse, PULSE_MS);
}

static void watch_signals(struct life *life)
{
	signal(SIGPIPE, SIG_IGN);
	struct loop *loop = life->process.loop;
	life->signals[0] = watch_signal(loop, SIGTERM, on_stop_signal, life);
	life->signals[1] = watch_signal(loop, SIGINT, on_stop_signal, life);
	life->signals[2] = watch_signal(loop, SIGHUP, on_reload_signal, life);
}

static void count_build(const struct life *life)
{
	static char label[128];
	snprintf(label, sizeof(label), "service=\"%s\",version=\"" POSTERN_VERSION "\"",
		life->service->name);
	metric_set(metric_gauge("postern_build_info", label,
			   "Always 1; what runs is in the labels."),
		1);
	metric_set(metric_gauge("postern_start_time_seconds", NULL,
			   "Unix time at which the process started."),
		clock_unix_ms() / 1000);
}

static bool open_process(struct life *life, struct fault *fault)
{
	struct process *process = &life->process;
	struct bus_options bus = { .where = life->options.bus,
		.instance = process->instance,
		.topics = postern_topics };
	process->bus_where = life->options.bus;
	process->bus = bus_open(&bus, process->loop, fault);
	if (!process->bus)
		return fault_within(fault, "POSTERN_BUS");
	if (*life->options.http) {
		life->probe = probe_open(
			process->loop, life->options.http, is_ready, life, fault);
		if (!life->probe)
			return fault_within(fault, "POSTERN_HTTP");
		log_info(log_of(life), "probes are served",
			FIELD("address", probe_address(life->probe)));
	}
	timer_start(life->pulse, PULSE_MS);
	timer_start(life->patience, CATCH_UP_PATIENCE_MS);
	process->registry = registry_open(
		process->bus, log_of(life), on_caught_up, life, fault);
	return process->registry != NULL;
}

static void close_process(struct life *life)
{
	if (life->is_open && life->service->close)
		life->service->close(life->self);
	probe_close(life->probe);
	if (life->process.registry)
		registry_close(life->process.registry);
	bus_close(life->process.bus);
	for (size_t i = 0; i < 3; i++)
		watch_free(life->signals[i]);
	timer_free(life->patience);
	timer_free(life->pulse);
	loop_free(life->process.loop);
}

static int run_life(struct life *life)
{
	struct process *process = &life->process;
	life->started_ms = clock_monotonic_ms();
	process->loop = loop_new();
	life->patience = timer_new(process->loop, on_patience, life);
	life->pulse = timer_new(process->loop, on_pulse, life);
	watch_signals(life);
	count_build(life);
	service_options_warn(life->service, log_of(life));
	log_info(log_of(life), "starting", FIELD("version", POSTERN_VERSION),
		FIELD("bus", life->options.bus));
	struct fault fault = { 0 };
	if (open_process(life, &fault)) {
		loop_run(process->loop);
	} else {
		log_error(log_of(life), "can't start", FIELD("reason", fault.text));
		life->status = STATUS_FAILED;
	}
	close_process(life);
	log_info(log_of(life), "ended", NUMBER("status", life->status));
	return life->status;
}

int service_main(int argc, char **argv, const struct service *service)
{
	struct life life = { .service = service };
	struct process *process = &life.process;
	memory_keep();
	thread_answer();
	process->name = service->name;
	process->arena = arena_new();
	process->log.fields = life.fields;
	life.fields[0] = FIELD("service", service->name);
	int status = service_options_load(argc, argv, service, &life.options, process);
	if (status == STATUS_RUN) {
		life.fields[1] = FIELD("instance", process->instance);
		status = run_life(&life);
	}
	arena_free(process->arena);
	return status;
}
