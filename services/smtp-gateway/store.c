/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/bus/bus.h"
#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/loop.h"
#include "lib/mail.h"
#include "lib/memory.h"
#include "lib/metrics.h"
#include "lib/service.h"
#include "lib/topics.h"

#define EVENT_AGAIN_MS 500

enum outcome { OUTCOME_OPEN, OUTCOME_DURABLE, OUTCOME_FAILED };

struct stores {
	struct process *process;
	int64_t timeout_ms;
	struct store *first;
	struct metric *stored, *failed, *late, *latency;
};

struct store {
	struct stores *stores;
	struct store *next, **link;
	struct id id;
	store_done *done; /* NULL: told already, or nobody wants to know */
	void *with;
	struct timer *deadline, *event_again;
	int64_t started_ms;
	enum outcome mail;
	struct fault fault; /* why the mail failed */
	bool is_event_open, is_late;
	struct slice event; /* its record, for trying again; on the heap */
};

struct stores *stores_new(struct process *process, int64_t timeout_ms)
{
	struct stores *stores = NEW(struct stores);
	static const char name[] = "postern_gateway_stored_total";
	static const char help[] = "Messages given to the bus, by result.";
	*stores = (struct stores){ .process = process, .timeout_ms = timeout_ms };
	stores->stored = metric_counter(name, "result=\"durable\"", help);
	stores->failed = metric_counter(name, "result=\"failed\"", help);
	stores->late = metric_counter(name, "result=\"late\"", help);
	stores->latency = metric_histogram("postern_gateway_store_seconds", NULL,
		"From the end of the data until the bus has the message durably.");
	return stores;
}

static void store_free(struct store *store)
{
	*store->link = store->next;
	if (store->next)
		store->next->link = store->link;
	timer_free(store->deadline);
	timer_free(store->event_again);
	free((char *)store->event.data);
	free(store);
}

void stores_free(struct stores *stores)
{
	if (!stores)
		return;
	while (stores->first)
		store_free(stores->first);
	free(stores);
}

void store_abandon(struct store *store)
{
	if (store)
		store->done = NULL;
}

static void tell(struct store *store, const struct fault *fault)
{
	store_done *done = store->done;
	store->done = NULL;
	timer_stop(store->deadline);
	if (done)
		done(store->with, store->id.text, fault);
}

static void publish_event(struct store *store);

/* The mail decides; the event is waited for where that costs nothing, and tried again in
 * the background where it does. */
static void settle(struct store *store)
{
	if (store->mail == OUTCOME_OPEN)
		return;
	if (store->mail == OUTCOME_FAILED && timer_is_running(store->event_again)) {
		timer_stop(store->event_again);
		store->is_event_open = false;
	}
	if (store->mail == OUTCOME_FAILED)
		tell(store, &store->fault);
	else if (!store->is_event_open || store->is_late)
		tell(store, NULL);
	if (!store->is_event_open)
		store_free(store);
}

static void event_published(void *with, const struct fault *fault)
{
	struct store *store = with;
	if (fault && fault->kind == FAULT_TEMPORARY && store->mail != OUTCOME_FAILED) {
		timer_start(store->event_again, EVENT_AGAIN_MS);
		return;
	}
	if (fault)
		log_warning(&store->stores->process->log,
			"event lost: a trace begins without its acceptance",
			FIELD("message", store->id.text), FIELD("reason", fault->text));
	store->is_event_open = false;
	settle(store);
}

static void publish_event(struct store *store)
{
	const struct bus_record record = { .topic = TOPIC_EVENTS,
		.key = slice_of(store->id.text),
		.value = store->event };
	bus_publish(store->stores->process->bus, &record, event_published, store);
}

static void event_again(void *with)
{
	publish_event(with);
}

/* The trace must not end with "accepted" for a message that the client keeps. */
static void withdraw_published(void *with, const struct fault *fault)
{
	(void)with, (void)fault;
}

static void withdraw(struct store *store)
{
	struct process *process = store->stores->process;
	struct arena *arena = arena_new();
	Postern__Event event = POSTERN__EVENT__INIT;
	event.version = RECORD_VERSION;
	event.message_id = store->id.text;
	event.kind = POSTERN__EVENT_KIND__EVENT_ALERT;
	event.time_us = event.started_us = clock_unix_us();
	event.service = (char *)process->name;
	event.instance = (char *)process->instance;
	event.reason = arena_printf(arena,
		"not stored, the client was told to try again: %s", store->fault.text);
	const struct bus_record record = { .topic = TOPIC_EVENTS,
		.key = slice_of(store->id.text),
		.value = record_encode(arena, &event.base) };
	bus_publish(process->bus, &record, withdraw_published, NULL);
	arena_free(arena);
}

static void mail_published(void *with, const struct fault *fault)
{
	struct store *store = with;
	struct stores *stores = store->stores;
	double took_ms = (double)(clock_monotonic_ms() - store->started_ms);
	store->mail = fault ? OUTCOME_FAILED : OUTCOME_DURABLE;
	if (fault) {
		metric_add(stores->failed, 1);
		log_error(&stores->process->log, "message not stored",
			FIELD("message", store->id.text), FIELD("reason", fault->text));
		store->fault = *fault;
		withdraw(store);
	} else if (store->is_late) {
		log_warning(&stores->process->log,
			"message stored after the client was told to try again: it may "
			"arrive twice",
			FIELD("message", store->id.text),
			NUMBER("took_ms", (long long)took_ms));
	} else {
		metric_add(stores->stored, 1);
		metric_observe_ms(stores->latency, took_ms);
	}
	KILL_POINT("gateway.after_durable");
	settle(store);
}

static void on_deadline(void *with)
{
	struct store *store = with;
	struct fault fault = { 0 };
	store->is_late = true;
	if (store->mail != OUTCOME_OPEN) {
		settle(store);
		return;
	}
	metric_add(store->stores->late, 1);
	fault_temporary(&fault, "the bus did not answer in time");
	log_error(&store->stores->process->log,
		"bus did not answer in time: the client is told to try again",
		FIELD("message", store->id.text),
		NUMBER("timeout_ms", store->stores->timeout_ms));
	tell(store, IS_BROKEN("early_250") ? NULL : &fault);
}

struct store *store_mail(struct stores *stores, const Postern__Mail *mail,
	const Postern__Event *event, store_done *done, void *with)
{
	struct store *store = NEW(struct store);
	struct loop *loop = stores->process->loop;
	struct arena *arena = arena_new();
	*store = (struct store){ .stores = stores, .done = done, .with = with };
	snprintf(store->id.text, sizeof(store->id.text), "%s", mail->id);
	store->started_ms = clock_monotonic_ms();
	store->next = stores->first;
	store->link = &stores->first;
	if (store->next)
		store->next->link = &store->next;
	stores->first = store;
	store->deadline = timer_new(loop, on_deadline, store);
	store->event_again = timer_new(loop, event_again, store);
	KILL_POINT("gateway.after_data");
	timer_start(store->deadline, IS_BROKEN("early_250") ? 0 : stores->timeout_ms);
	struct slice bytes = record_encode(arena, &event->base);
	store->event = (struct slice){ memory_string(bytes), bytes.size };
	store->is_event_open = true;
	struct bus_record record = {
		.topic = topic_of_lane(arena, TOPIC_ACCEPTED, mail->lane),
		.key = mail_key(arena, mail),
	};
	mail_encode(arena, mail, &record);
	bus_publish(stores->process->bus, &record, mail_published, store);
	publish_event(store);
	KILL_POINT("gateway.after_publish");
	arena_free(arena);
	return store;
}
