/* SPDX-License-Identifier: MIT
 *
 * How jobs end: publish, wait until all of it is durable, then settle or return. A way
 * that can never succeed leads to the next safer one: finish, hold, dead letter, return.
 */
#include <assert.h>
#include <stdlib.h>

#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/job.h"
#include "lib/mail.h"
#include "lib/metrics.h"
#include "lib/registry/registry.h"
#include "lib/topics.h"

#define RETRY_FIRST_MS       1000
#define RETRY_MOST_MS        300000
#define RETRY_URGENT_MOST_MS 15000

static void dead_letter(struct job *job, const char *reason);
static void hold(struct job *job, const char *reason, const char *resume,
	const Postern__Verdict *verdict);

int64_t job_retry_delay_ms(unsigned attempt, Postern__Lane lane)
{
	bool is_urgent = lane == POSTERN__LANE__LANE_URGENT;
	int64_t most_ms = is_urgent ? RETRY_URGENT_MOST_MS : RETRY_MOST_MS;
	int64_t delay_ms = RETRY_FIRST_MS;
	for (unsigned i = 1; i < attempt && delay_ms < most_ms; i++)
		delay_ms *= 2;
	if (delay_ms > most_ms)
		delay_ms = most_ms;
	return RETRY_DELAY(
		delay_ms / 2 + arc4random_uniform((uint32_t)(delay_ms / 2) + 1));
}

/* After this attempt of the job. */
static int64_t delay_ms(const struct job *job)
{
	return job_retry_delay_ms(job->delivery->attempt,
		job->mail ? job->mail->lane : POSTERN__LANE__LANE_UNSPECIFIED);
}

static void settle(struct job *job, struct metric *result)
{
	struct stage *stage = job->stage;
	metric_add(result, 1);
	if (job->mail && job->mail->submission->received_us)
		metric_observe_ms(stage->metrics.age,
			(double)(clock_unix_us() - job->mail->submission->received_us) /
				1000);
	KILL_POINT("stage.before_settle");
	bus_settle(job->delivery);
	stage_forget(stage, job);
}

static void give_back(struct job *job, int64_t due_ms, struct metric *result)
{
	struct stage *stage = job->stage;
	metric_add(result, 1);
	bus_return(job->delivery, due_ms);
	stage_forget(stage, job);
}

static void end_durable(struct job *job)
{
	struct stage_metrics *metrics = &job->stage->metrics;
	switch (job->state) {
	case JOB_FINISHING:
		log_debug(&job->log, "finished");
		settle(job, metrics->finished);
		break;
	case JOB_HOLDING:
		settle(job, metrics->held);
		break;
	case JOB_REJECTING:
		settle(job, metrics->dead);
		break;
	case JOB_RETURNING:
		give_back(job, job->due_ms, metrics->retried);
		break;
	case JOB_WORKING:
		assert(!"ended while working");
	}
}

/* Nothing is lost: the record is still in its topic. */
static void end_unpublished(struct job *job, const struct fault *fault)
{
	struct stage_metrics *metrics = &job->stage->metrics;
	int64_t due_ms = job->due_ms;
	if (job->state != JOB_RETURNING)
		due_ms = clock_unix_ms() + delay_ms(job);
	log_warning(&job->log, "can't publish, returned to be tried again",
		FIELD("reason", fault->text), NUMBER("due_ms", due_ms));
	give_back(job, due_ms, metrics->returned);
}

static void end_unpublishable(struct job *job, const struct fault *fault)
{
	const char *reason = arena_printf(
		job->arena, "can't be published: %s", fault->text);
	log_error(&job->log, "what came of a message can never be published",
		FIELD("reason", fault->text));
	/* One of the events may be what can't be. */
	job->events = NULL;
	job->events_end = &job->events;
	switch (job->state) {
	case JOB_FINISHING:
		hold(job, reason, job->stage->plan.consumes, NULL);
		break;
	case JOB_HOLDING:
		dead_letter(job, reason);
		break;
	case JOB_REJECTING:
		give_back(job, clock_unix_ms() + RETRY_MOST_MS,
			job->stage->metrics.returned);
		break;
	case JOB_RETURNING:
		give_back(job, job->due_ms, job->stage->metrics.retried);
		break;
	case JOB_WORKING:
		assert(!"ended while working");
	}
}

static void on_published(void *with, const struct fault *fault)
{
	struct job *job = with;
	job->shipment = NULL;
	if (!fault)
		end_durable(job);
	else if (fault->kind == FAULT_PERMANENT)
		end_unpublishable(job, fault);
	else
		end_unpublished(job, fault);
}

/* `list` is what must be durable besides the events. */
static void publish(struct job *job, enum job_state state, struct outgoing *list)
{
	if (job->state == JOB_WORKING)
		metric_observe_ms(job->stage->metrics.work,
			(double)(clock_unix_us() - job->started_us) / 1000);
	job->state = state;
	struct outgoing **end = &list;
	while (*end)
		end = &(*end)->next;
	*end = job->events;
	if (!list) {
		end_durable(job);
		return;
	}
	job->shipment = shipment_send(&job->stage->shipper, list, on_published, job);
	KILL_POINT("stage.after_publish");
	if (IS_BROKEN("settle_early"))
		end_durable(job);
}

static const char *why_inactive(struct job *job)
{
	const Postern__App *app = registry_app(
		job->stage->process->registry, slice_of(job->mail->app));
	if (!app)
		return arena_printf(
			job->arena, "app \"%s\" is not known", job->mail->app);
	bool is_suspended = app->state == POSTERN__APP_STATE__APP_SUSPENDED;
	if (!is_suspended && app->state != POSTERN__APP_STATE__APP_REVOKED)
		return NULL;
	return arena_printf(job->arena, "app \"%s\" is %s%s%s", app->name,
		is_suspended ? "suspended" : "revoked", *app->state_reason ? ": " : "",
		app->state_reason);
}

bool job_hold_inactive(struct job *job)
{
	const char *why = why_inactive(job);
	if (!why)
		return false;
	hold(job, why, job->stage->plan.consumes, NULL);
	return true;
}

void job_finish(struct job *job)
{
	assert(job->state == JOB_WORKING);
	/* The app may have been suspended while the work was going on. */
	if (job->outputs && job_hold_inactive(job))
		return;
	publish(job, JOB_FINISHING, job->outputs);
}

void job_retry(struct job *job, int64_t after_ms, const char *why)
{
	assert(job->state == JOB_WORKING);
	unsigned attempt = job->delivery->attempt;
	if (after_ms < 0)
		after_ms = delay_ms(job);
	job->due_ms = clock_unix_ms() + after_ms;
	Postern__Event *event = job_new_event(job, POSTERN__EVENT_KIND__EVENT_DEFERRED);
	event->reason = (char *)why;
	event->due_us = job->due_ms * 1000;
	job_note(job, event);
	log_info(&job->log, "deferred", FIELD("reason", why),
		NUMBER("after_ms", after_ms), NUMBER("attempt", attempt));
	publish(job, JOB_RETURNING, NULL);
}

void job_return(struct job *job, int64_t after_ms)
{
	assert(job->state == JOB_WORKING);
	if (after_ms < 0)
		after_ms = delay_ms(job);
	job->due_ms = clock_unix_ms() + after_ms;
	publish(job, JOB_RETURNING, NULL);
}

static struct outgoing *output(struct job *job, const char *topic, const char *key)
{
	struct outgoing *outgoing = ARENA_NEW(job->arena, struct outgoing);
	outgoing->record = (struct bus_record){ .topic = topic,
		.key = arena_copy(job->arena, slice_of(key)) };
	return outgoing;
}

static void hold(struct job *job, const char *reason, const char *resume,
	const Postern__Verdict *verdict)
{
	Postern__Mail mail = *job->mail;
	Postern__Hold record = POSTERN__HOLD__INIT;
	record.stage = (char *)job->stage->plan.name;
	record.reason = (char *)reason;
	record.held_us = clock_unix_us();
	record.resume = (char *)resume;
	mail.hold = &record;
	if (verdict)
		mail.verdict = (Postern__Verdict *)verdict;
	mail_add_step(job->arena, &mail, job->stage->plan.name, job->started_us);
	Postern__Event *event = job_new_event(job, POSTERN__EVENT_KIND__EVENT_HELD);
	event->reason = (char *)reason;
	event->verdict = mail.verdict;
	job_note(job, event);
	log_info(&job->log, "held", FIELD("reason", reason));
	struct outgoing *outgoing = output(
		job, TOPIC_QUARANTINE, mail_hold_key(job->arena, &mail));
	mail_encode(job->arena, &mail, &outgoing->record);
	publish(job, JOB_HOLDING, outgoing);
}

void job_hold(struct job *job, const char *reason, const char *resume,
	const Postern__Verdict *verdict)
{
	assert(job->state == JOB_WORKING);
	hold(job, reason, resume, verdict);
}

static ProtobufCBinaryData binary(struct slice bytes)
{
	return (ProtobufCBinaryData){ bytes.size, (uint8_t *)bytes.data };
}

static void dead_letter(struct job *job, const char *reason)
{
	struct bus_delivery *delivery = job->delivery;
	Postern__DeadRecord dead = POSTERN__DEAD_RECORD__INIT;
	dead.version = RECORD_VERSION;
	dead.topic = (char *)delivery->topic;
	dead.key = binary(delivery->key);
	dead.value = binary(delivery->value);
	dead.reason = (char *)reason;
	dead.time_us = clock_unix_us();
	dead.service = (char *)job->stage->process->name;
	if (job->fields[0].text.size) {
		Postern__Event *event = job_new_event(
			job, POSTERN__EVENT_KIND__EVENT_DEAD);
		event->reason = (char *)reason;
		job_note(job, event);
	}
	log_error(&job->log, "put into the dead-letter topic",
		FIELD("topic", delivery->topic), FIELD("reason", reason));
	struct outgoing *outgoing = output(job, TOPIC_DEAD, delivery->topic);
	outgoing->record.value = record_encode(job->arena, &dead.base);
	publish(job, JOB_REJECTING, outgoing);
}

void job_reject(struct job *job, const struct fault *why)
{
	assert(job->state == JOB_WORKING);
	dead_letter(job, arena_string(job->arena, slice_of(why->text)));
}
