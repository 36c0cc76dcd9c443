/* SPDX-License-Identifier: MIT */
#include "lib/job.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/mail.h"
#include "lib/memory.h"
#include "lib/topics.h"

struct job *job_new(struct stage *stage, struct bus_delivery *delivery)
{
	struct job *job = NEW(struct job);
	*job = (struct job){
		.stage = stage,
		.delivery = delivery,
		.arena = arena_new(),
		.started_us = clock_unix_us(),
		.log = { &stage->process->log, job->fields },
	};
	job->outputs_end = &job->outputs;
	job->events_end = &job->events;
	struct slice id = mail_peek_id(delivery->value);
	job->fields[0] = FIELD("message", arena_string(job->arena, id));
	return job;
}

void job_free(struct job *job)
{
	shipment_abandon(job->shipment);
	arena_free(job->arena);
	free(job);
}

const Postern__Mail *job_mail(const struct job *job)
{
	return job->mail;
}

void job_replace_mail(struct job *job, const Postern__Mail *mail)
{
	job->mail = (Postern__Mail *)mail;
}

struct arena *job_arena(struct job *job)
{
	return job->arena;
}

struct process *job_process(struct job *job)
{
	return job->stage->process;
}

const struct log *job_log(const struct job *job)
{
	return &job->log;
}

int64_t job_started_us(const struct job *job)
{
	return job->started_us;
}

unsigned job_attempt(const struct job *job)
{
	return job->delivery->attempt;
}

void job_set_data(struct job *job, void *data)
{
	job->data = data;
}

void *job_data(const struct job *job)
{
	return job->data;
}

static void append(struct job *job, struct outgoing ***end, struct bus_record record)
{
	struct outgoing *outgoing = ARENA_NEW(job->arena, struct outgoing);
	outgoing->record = record;
	**end = outgoing;
	*end = &outgoing->next;
}

void job_emit(
	struct job *job, const char *topic, const Postern__Mail *mail, int64_t due_ms)
{
	assert(job->state == JOB_WORKING);
	Postern__Mail copy = *mail;
	mail_add_step(job->arena, &copy, job->stage->plan.name, job->started_us);
	struct bus_record record = {
		.topic = arena_string(job->arena, slice_of(topic)),
		.key = mail_key(job->arena, &copy),
		.of = job->delivery,
		.due_ms = due_ms,
	};
	mail_encode(job->arena, &copy, &record);
	append(job, &job->outputs_end, record);
}

static bool is_empty(const char *text)
{
	return !text || !*text;
}

/* What the event does not say, the job and its mail do. */
static struct bus_record event_record(struct job *job, const Postern__Event *event)
{
	Postern__Event copy = *event;
	copy.version = RECORD_VERSION;
	if (is_empty(copy.message_id))
		copy.message_id = (char *)job->fields[0].text.data;
	if (is_empty(copy.service))
		copy.service = (char *)job->stage->process->name;
	if (is_empty(copy.instance))
		copy.instance = (char *)job->stage->process->instance;
	if (!copy.time_us)
		copy.time_us = clock_unix_us();
	if (!copy.started_us)
		copy.started_us = job->started_us;
	if (!copy.attempt)
		copy.attempt = job->delivery->attempt;
	if (job->mail) {
		if (is_empty(copy.app))
			copy.app = job->mail->app;
		if (is_empty(copy.pool))
			copy.pool = job->mail->pool;
		if (!copy.lane)
			copy.lane = job->mail->lane;
	}
	return (struct bus_record){
		.topic = TOPIC_EVENTS,
		.can_wait = true,
		.key = arena_copy(job->arena, slice_of(copy.message_id)),
		.value = record_encode(job->arena, &copy.base),
	};
}

void job_event(struct job *job, const Postern__Event *event)
{
	assert(job->state == JOB_WORKING);
	job_note(job, event);
}

void job_note(struct job *job, const Postern__Event *event)
{
	append(job, &job->events_end, event_record(job, event));
}

Postern__Event *job_new_event(struct job *job, Postern__EventKind kind)
{
	Postern__Event *event = ARENA_NEW(job->arena, Postern__Event);
	postern__event__init(event);
	event->kind = kind;
	return event;
}

/* May come after the job, even after the stage. */
static void on_announced(void *with, const struct fault *fault)
{
	struct process *process = with;
	if (fault)
		log_warning(&process->log, "an event could not be published, dropped",
			FIELD("reason", fault->text));
}

void job_announce(struct job *job, const Postern__Event *event)
{
	struct bus_record record = event_record(job, event);
	bus_publish(job->stage->process->bus, &record, on_announced, job->stage->process);
}
