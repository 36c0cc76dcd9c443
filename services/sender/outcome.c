/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/mail.h"
#include "lib/metrics.h"
#include "lib/topics.h"
#include "services/sender/delivery.h"
#include "services/sender/retry.h"

#define BUSY_MS     500
#define BUSY_MAX_MS 30000

static Postern__Reply *reply_in(struct arena *arena, const struct reply *reply)
{
	if (!reply->code)
		return NULL;
	Postern__Reply *copy = ARENA_NEW(arena, Postern__Reply);
	postern__reply__init(copy);
	copy->code = reply->code;
	copy->enhanced = arena_string(arena, slice_of(reply->enhanced));
	copy->text = arena_string(arena, slice_of(reply->text));
	return copy;
}

/* Who said the reply that follows; what we found out ourselves stands for itself. */
static char *reason_of(const struct recipient *recipient)
{
	const Postern__Route *facts = recipient->facts;
	if (!facts)
		return "";
	return arena_printf(job_arena(recipient->delivery->job),
		recipient->is_uncertain ? "%s (%s) may have taken it" : "%s (%s) said",
		facts->mx, facts->address);
}

Postern__Event *outcome_event(struct recipient *recipient, Postern__EventKind kind)
{
	struct delivery *delivery = recipient->delivery;
	Postern__Event *event = job_new_event(delivery->job, kind);
	event->version = RECORD_VERSION;
	event->recipient = recipient->asked->address;
	event->time_us = recipient->time_us;
	event->started_us = job_started_us(delivery->job);
	event->reply = reply_in(job_arena(delivery->job), &recipient->reply);
	event->route = recipient->facts;
	event->reason = reason_of(recipient);
	return event;
}

static void log_recipient(const struct recipient *recipient, const char *what)
{
	char to[128];
	const struct reply *reply = &recipient->reply;
	log_info(job_log(recipient->delivery->job), what,
		FIELD("to", redact(slice_of(recipient->asked->address), to, sizeof(to))),
		FIELD("host", recipient->facts ? recipient->facts->address : ""),
		NUMBER("code", reply->code), FIELD("enhanced", reply->enhanced),
		FIELD("text", reply->text));
}

/* The event that was lost with whoever noted it, or repeated if it was not: it has the
 * time that it had then. */
static void tell_duplicate(struct recipient *recipient)
{
	struct delivery *delivery = recipient->delivery;
	struct fault fault;
	Postern__Event *noted = event_decode(
		job_arena(delivery->job), recipient->note, &fault);
	if (noted)
		job_event(delivery->job, noted);
	recipient->time_us = 0;
	Postern__Event *event = outcome_event(
		recipient, POSTERN__EVENT_KIND__EVENT_DUPLICATE);
	event->reason = "it was done before; not delivered again";
	job_event(delivery->job, event);
	metric_add(delivery->sender->metrics.duplicate, 1);
	log_recipient(recipient, "repeat recognised, not delivered again");
}

static void tell_final(struct recipient *recipient, Postern__EventKind kind,
	struct metric *metric, const char *what)
{
	job_event(recipient->delivery->job, outcome_event(recipient, kind));
	metric_add(metric, 1);
	log_recipient(recipient, what);
}

/* Attempts of earlier jobs of the same message count too: each left a step. */
static unsigned attempts_of(const struct delivery *delivery)
{
	unsigned attempts = job_attempt(delivery->job);
	for (size_t i = 0; i < delivery->mail->n_steps; i++)
		attempts += strncmp(delivery->mail->steps[i]->stage, "sender", 6) == 0;
	return attempts;
}

static bool is_untried(const struct recipient *recipient)
{
	return recipient->put_off.until_ms && !recipient->put_off.crowd;
}

static void tell_deferred(struct recipient *recipient, int64_t due_ms)
{
	/* That it waits is told once. */
	if (is_untried(recipient) && attempts_of(recipient->delivery) > 1)
		return;
	struct sender_metrics *metrics = &recipient->delivery->sender->metrics;
	Postern__Event *event = outcome_event(
		recipient, POSTERN__EVENT_KIND__EVENT_DEFERRED);
	event->due_us = due_ms * 1000;
	job_event(recipient->delivery->job, event);
	metric_add(metrics->deferred, 1);
	if (recipient->is_uncertain)
		metric_add(metrics->uncertain, 1);
	log_recipient(recipient, recipient->is_uncertain
					 ? "deferred; the server may have taken it"
					 : "deferred");
}

/* Does the recipient stay on the list? */
static bool is_left(const struct recipient *recipient)
{
	return recipient->state == RECIPIENT_DEFERRED ||
	       recipient->state == RECIPIENT_LEFT;
}

static void tell(struct recipient *recipient, int64_t due_ms)
{
	struct sender_metrics *metrics = &recipient->delivery->sender->metrics;
	switch (recipient->state) {
	case RECIPIENT_DELIVERED:
		tell_final(recipient, POSTERN__EVENT_KIND__EVENT_DELIVERED,
			metrics->delivered, "delivered");
		break;
	case RECIPIENT_BOUNCED:
		tell_final(recipient, POSTERN__EVENT_KIND__EVENT_BOUNCED,
			metrics->bounced, "bounced");
		break;
	case RECIPIENT_DUPLICATE:
		tell_duplicate(recipient);
		break;
	case RECIPIENT_EXPIRED:
		tell_final(recipient, POSTERN__EVENT_KIND__EVENT_EXPIRED,
			metrics->expired, "expired");
		break;
	case RECIPIENT_DEFERRED:
		tell_deferred(recipient, due_ms);
		break;
	case RECIPIENT_LEFT:
	case RECIPIENT_WAITING:
	case RECIPIENT_ROUTED:
		break;
	}
}

static int64_t busy_delay_ms(const struct delivery *delivery)
{
	unsigned attempt = job_attempt(delivery->job);
	int64_t delay_ms = (int64_t)BUSY_MS << (attempt < 8 ? attempt : 8);
	delay_ms = delay_ms < BUSY_MAX_MS ? delay_ms : BUSY_MAX_MS;
	return delay_ms / 2 + arc4random_uniform((uint32_t)delay_ms / 2 + 1);
}

/* Its app was stopped: it goes back at once, and the stage holds it. Likewise when we
 * leave. Otherwise its destination was busy, and others needed the room. */
static int64_t left_delay_ms(const struct delivery *delivery)
{
	bool is_at_once = delivery->is_withheld || delivery->sender->is_draining;
	return is_at_once ? 0 : busy_delay_ms(delivery);
}

/* Of many that wait for one destination, each tries a part of the attempts: it comes the
 * sooner, so that all go once it's back. Who had an answer keeps to his own. */
static int64_t share_of(
	const struct delivery *delivery, int64_t delay_ms, int64_t *ret_until_ms)
{
	int64_t most_ms = 0;
	for (size_t i = 0; i < delivery->count; i++) {
		const struct recipient *recipient = &delivery->recipients[i];
		const struct put_off *put_off = &recipient->put_off;
		if (recipient->state != RECIPIENT_DEFERRED)
			continue;
		int64_t share_ms = delay_ms;
		if (is_untried(recipient))
			share_ms = 0;
		else if (put_off->until_ms)
			share_ms = delay_ms / (int64_t)put_off->crowd;
		most_ms = share_ms > most_ms ? share_ms : most_ms;
		if (put_off->until_ms &&
			(!*ret_until_ms || put_off->until_ms < *ret_until_ms))
			*ret_until_ms = put_off->until_ms;
	}
	return most_ms;
}

/* When the message is tried again, Unix ms. */
static int64_t due_of(const struct delivery *delivery, int64_t now_ms, int64_t expiry_ms,
	bool has_deferred)
{
	if (!has_deferred)
		return now_ms + left_delay_ms(delivery);
	int64_t delay_ms = retry_delay_ms(delivery->mail->lane, attempts_of(delivery),
		now_ms - retry_since_ms(delivery->mail), arc4random());
	int64_t until_ms = 0, due_ms = now_ms + share_of(delivery, delay_ms, &until_ms);
	due_ms = due_ms > until_ms ? due_ms : until_ms;
	/* A last attempt when its time is over, rather than none. */
	return due_ms > expiry_ms && now_ms < expiry_ms ? expiry_ms : due_ms;
}

static const Postern__Mail *mail_of_rest(const struct delivery *delivery, size_t left)
{
	struct arena *arena = job_arena(delivery->job);
	Postern__Mail *mail = ARENA_NEW(arena, Postern__Mail);
	Postern__Envelope *envelope = ARENA_NEW(arena, Postern__Envelope);
	*mail = *delivery->mail;
	*envelope = *delivery->mail->envelope;
	mail->envelope = envelope;
	envelope->recipients = ARENA_ARRAY(arena, Postern__Recipient *, left);
	envelope->n_recipients = 0;
	for (size_t i = 0; i < delivery->count; i++)
		if (is_left(&delivery->recipients[i]))
			envelope->recipients[envelope->n_recipients++] =
				delivery->recipients[i].asked;
	return mail;
}

static void end_job(struct delivery *delivery, size_t left, int64_t due_ms)
{
	struct job *job = delivery->job;
	if (left == delivery->count) {
		int64_t after_ms = due_ms - clock_unix_ms();
		job_return(job, after_ms > 0 ? after_ms : 0);
		return;
	}
	if (left) {
		const Postern__Mail *rest = mail_of_rest(delivery, left);
		job_replace_mail(job, rest);
		job_emit(job,
			topic_of_lane(
				job_arena(job), delivery->sender->family, rest->lane),
			rest, due_ms);
	}
	job_finish(job);
}

static int64_t expiry_of(const struct delivery *delivery)
{
	const struct pool *pool = &delivery->sender->pool;
	return retry_expiry_ms(
		delivery->mail, delivery->mail->lane == POSTERN__LANE__LANE_URGENT
					? pool->expire_urgent_ms
					: pool->expire_ms);
}

static void tell_all(struct delivery *delivery)
{
	size_t left = 0;
	bool has_deferred = false;
	for (size_t i = 0; i < delivery->count; i++)
		has_deferred |= delivery->recipients[i].state == RECIPIENT_DEFERRED;
	int64_t due_ms = due_of(
		delivery, clock_unix_ms(), expiry_of(delivery), has_deferred);
	for (size_t i = 0; i < delivery->count; i++) {
		tell(&delivery->recipients[i], due_ms);
		left += is_left(&delivery->recipients[i]);
	}
	struct delivery *twins = delivery->twins;
	delivery_release(delivery);
	end_job(delivery, left, due_ms);
	deliver_twins(twins);
}

static void on_noted(void *with, const struct fault *fault)
{
	struct delivery *delivery = with;
	KILL_POINT("sender.after_record");
	delivery_note_record_fault(delivery, fault);
	tell_all(delivery);
}

/* An end that no server gave, so that no parcel has noted it. */
static bool note_end(struct recipient *recipient, int64_t now_ms)
{
	if (recipient->state == RECIPIENT_DEFERRED &&
		now_ms >= expiry_of(recipient->delivery))
		recipient->state = RECIPIENT_EXPIRED;
	bool is_expired = recipient->state == RECIPIENT_EXPIRED;
	if (recipient->note.size ||
		(recipient->state != RECIPIENT_BOUNCED && !is_expired))
		return false;
	Postern__Event *event = outcome_event(
		recipient, is_expired ? POSTERN__EVENT_KIND__EVENT_EXPIRED
				      : POSTERN__EVENT_KIND__EVENT_BOUNCED);
	recipient->note = record_encode(
		job_arena(recipient->delivery->job), &event->base);
	return true;
}

/* Before anyone is told, as in parcels.c: were we killed then, the repeat would find the
 * destination back, and deliver what we called expired. */
void outcome_conclude(struct delivery *delivery)
{
	int64_t now_ms = clock_unix_ms();
	size_t count = 0;
	struct record_entry *entries = ARENA_ARRAY(
		job_arena(delivery->job), struct record_entry, delivery->count);
	for (size_t i = 0; i < delivery->count; i++) {
		struct recipient *recipient = &delivery->recipients[i];
		if (note_end(recipient, now_ms))
			entries[count++] = (struct record_entry){
				slice_of(recipient->asked->address), recipient->note
			};
	}
	if (count && !IS_BROKEN("no_record"))
		record_write(delivery->sender->record, slice_of(delivery->mail->id),
			entries, count, on_noted, delivery);
	else
		tell_all(delivery);
}
