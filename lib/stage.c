/* SPDX-License-Identifier: MIT */
#include "lib/stage.h"

#include <stdlib.h>

#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/job.h"
#include "lib/loop.h"
#include "lib/mail.h"
#include "lib/memory.h"
#include "lib/metrics.h"
#include "lib/topics.h"

#define WATCHDOG_TURN_MS 60000
#define OVERDUE_US       (INT64_C(600) * 1000000)

static void open_metrics(struct stage_metrics *metrics)
{
	const char *ended = "postern_jobs_ended_total";
	const char *help = "Messages that left the stage, by how.";
	*metrics = (struct stage_metrics){
		.taken = metric_counter("postern_jobs_taken_total", NULL,
			"Messages that the stage took from its topics."),
		.in_hand = metric_gauge("postern_jobs_in_hand", NULL,
			"Messages that the stage has and has not ended."),
		.work = metric_histogram("postern_job_work_seconds", NULL,
			"From taking a message until the work on it was done."),
		.age = metric_histogram("postern_job_age_seconds", NULL,
			"From the end of the data at the gateway until the stage was "
			"done with the message."),
		.finished = metric_counter(ended, "result=\"finished\"", help),
		.retried = metric_counter(ended, "result=\"retried\"", help),
		.returned = metric_counter(ended, "result=\"returned\"", help),
		.held = metric_counter(ended, "result=\"held\"", help),
		.dead = metric_counter(ended, "result=\"dead\"", help),
	};
}

static void work_on(struct job *job)
{
	struct fault fault = { 0 };
	struct stage *stage = job->stage;
	job->mail = mail_decode(job->arena, job->delivery->value, &fault);
	if (!job->mail) {
		job_reject(job, &fault);
		return;
	}
	job->fields[0].text = slice_of(job->mail->id);
	if (!job_hold_inactive(job))
		stage->plan.work(stage->plan.with, job);
}

static void on_taken(void *with, struct bus_delivery *delivery)
{
	struct stage *stage = with;
	struct job *job = job_new(stage, delivery);
	job->next = stage->jobs;
	job->self = &stage->jobs;
	if (job->next)
		job->next->self = &job->next;
	stage->jobs = job;
	metric_add(stage->metrics.taken, 1);
	metric_set(stage->metrics.in_hand, ++stage->in_hand);
	KILL_POINT("stage.after_take");
	work_on(job);
}

static void check_drained(void *with)
{
	struct stage *stage = with;
	if (stage->in_hand || !stage->drained)
		return;
	void (*drained)(void *) = stage->drained;
	stage->drained = NULL;
	drained(stage->drained_with);
}

void stage_forget(struct stage *stage, struct job *job)
{
	*job->self = job->next;
	if (job->next)
		job->next->self = job->self;
	job_free(job);
	metric_set(stage->metrics.in_hand, --stage->in_hand);
	if (stage->is_draining)
		check_drained(stage);
}

static void on_watchdog(void *with)
{
	struct stage *stage = with;
	int64_t limit_us = clock_unix_us() - OVERDUE_US;
	for (struct job *job = stage->jobs; job; job = job->next) {
		if (job->is_overdue || job->started_us > limit_us)
			continue;
		job->is_overdue = true;
		log_warning(&job->log, "still in hand, the stage goes on without it",
			NUMBER("in_hand_s",
				(clock_unix_us() - job->started_us) / 1000000),
			FIELD("state",
				job->state == JOB_WORKING ? "working" : "publishing"));
	}
	timer_start(stage->watchdog, WATCHDOG_TURN_MS);
}

struct stage *stage_open(
	struct process *process, const struct stage_plan *plan, struct fault *fault)
{
	struct stage *stage = NEW(struct stage);
	*stage = (struct stage){ .process = process, .plan = *plan };
	stage->shipper = (struct shipper){ process->bus, process->loop, SHIPMENT_TRIES };
	stage->arena = arena_new();
	open_metrics(&stage->metrics);
	stage->watchdog = timer_new(process->loop, on_watchdog, stage);
	timer_start(stage->watchdog, WATCHDOG_TURN_MS);
	const struct bus_subscription subscription = {
		.group = plan->name,
		.sources = topic_sources(stage->arena, plan->consumes),
		.window = plan->window,
		.window_bytes = plan->window_bytes,
	};
	stage->reader = bus_subscribe(
		process->bus, &subscription, on_taken, stage, fault);
	if (stage->reader)
		return stage;
	stage_close(stage);
	return NULL;
}

void stage_drain(struct stage *stage, void (*drained)(void *with), void *with)
{
	bus_pause(stage->reader);
	stage->is_draining = true;
	stage->drained = drained;
	stage->drained_with = with;
	check_drained(stage);
}

void stage_close(struct stage *stage)
{
	if (!stage)
		return;
	bus_unsubscribe(stage->reader);
	while (stage->jobs) {
		struct job *job = stage->jobs;
		stage->jobs = job->next;
		job_free(job);
	}
	timer_free(stage->watchdog);
	arena_free(stage->arena);
	free(stage);
}

unsigned stage_in_hand(const struct stage *stage)
{
	return stage->in_hand;
}
