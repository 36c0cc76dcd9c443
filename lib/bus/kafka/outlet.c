/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/outlet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bus/kafka/publish.h"
#include "lib/bus/kafka/topic.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"

enum { ENSURE_AGAIN_MS = 500, LOOK_AGAIN_MS = 50 };

/* The new handle asks for the topic's leaders at once, so that the first message doesn't
 * wait for the next round of a second. */
static void attach(struct kafka_outlet *outlet)
{
	char text[24], why[128];
	rd_kafka_topic_conf_t *conf = rd_kafka_topic_conf_new();
	snprintf(
		text, sizeof(text), "%lld", (long long)outlet->kafka->publish_timeout_ms);
	rd_kafka_topic_conf_set(conf, "message.timeout.ms", text, why, sizeof(why));
	rd_kafka_topic_conf_set_partitioner_cb(conf, kafka_publish_partition);
	outlet->rkt = rd_kafka_topic_new(outlet->kafka->producer->rk, outlet->name, conf);
}

static void fail_all(struct kafka_outlet *outlet, const struct fault *fault)
{
	struct kafka_publish *publish = outlet->waiting;
	outlet->waiting = NULL;
	outlet->last_waiting = &outlet->waiting;
	while (publish) {
		struct kafka_publish *next = publish->next_waiting;
		publish->fault = *fault;
		kafka_publish_fail(publish);
		publish = next;
	}
}

static void ensured(void *with, const struct fault *fault)
{
	struct kafka_outlet *outlet = with;
	outlet->ensuring = NULL;
	if (!fault) {
		outlet->is_ready = true;
		if (!outlet->rkt)
			attach(outlet);
		kafka_outlet_release(outlet);
		return;
	}
	kafka_note_error(outlet->kafka, RD_KAFKA_RESP_ERR__FAIL, fault->text);
	if (fault->kind == FAULT_PERMANENT)
		fail_all(outlet, fault);
	if (outlet->waiting)
		timer_start(outlet->again, ENSURE_AGAIN_MS);
}

static void ensure(void *with)
{
	struct kafka_outlet *outlet = with;
	if (outlet->ensuring || outlet->is_ready)
		return;
	outlet->ensuring = kafka_topics_ensure(outlet->kafka,
		(const char *const[]){ outlet->name, NULL }, ensured, outlet);
}

static void send_gathered(void *with)
{
	kafka_outlet_release(with);
}

struct kafka_outlet *kafka_outlet_of(struct kafka *kafka, const char *name)
{
	struct kafka_outlet *outlet = kafka->outlets;
	while (outlet && strcmp(outlet->name, name) != 0)
		outlet = outlet->next;
	if (outlet)
		return outlet;
	const struct bus_topic *kept = bus_topic_find(kafka->topics, name);
	outlet = NEW(struct kafka_outlet);
	outlet->kafka = kafka;
	outlet->name = memory_string(slice_of(name));
	outlet->is_compacted = kept && kept->compacted;
	outlet->key_prefix = kept ? kept->key_prefix : 0;
	gather_init(&outlet->gather);
	outlet->send = timer_new(kafka->loop, send_gathered, outlet);
	outlet->last_waiting = &outlet->waiting;
	outlet->again = timer_new(kafka->loop, ensure, outlet);
	outlet->next = kafka->outlets;
	kafka->outlets = outlet;
	return outlet;
}

/* Now, if it isn't to be gathered. */
static void send_in_time(struct kafka_outlet *outlet, const struct kafka_publish *publish)
{
	int64_t now_us = clock_monotonic_us();
	int64_t due_us = publish->can_wait
				 ? now_us + GATHER_PATIENCE_US
				 : gather_until(&outlet->gather, publish->goes_on);
	if (due_us <= now_us) {
		kafka_outlet_release(outlet);
	} else if (!timer_is_running(outlet->send) || due_us < outlet->send_us) {
		outlet->send_us = due_us;
		timer_start(outlet->send, (due_us - now_us + 999) / 1000);
	}
}

void kafka_outlet_add(struct kafka_outlet *outlet, struct kafka_publish *publish)
{
	publish->next_waiting = NULL;
	*outlet->last_waiting = publish;
	outlet->last_waiting = &publish->next_waiting;
	send_in_time(outlet, publish);
	if (!outlet->is_ready && !timer_is_running(outlet->again))
		ensure(outlet);
}

void kafka_outlet_return(struct kafka_outlet *outlet, struct kafka_publish *publish)
{
	publish->next_waiting = outlet->waiting;
	outlet->waiting = publish;
	if (!publish->next_waiting)
		outlet->last_waiting = &publish->next_waiting;
	outlet->is_ready = false;
	if (!outlet->ensuring)
		timer_start(outlet->again, LOOK_AGAIN_MS);
}

static struct kafka_publish *take_out(
	struct kafka_outlet *outlet, struct kafka_publish **place)
{
	struct kafka_publish *publish = *place;
	*place = publish->next_waiting;
	if (!*place)
		outlet->last_waiting = place;
	return publish;
}

static bool *slot_of(struct kafka_outlet *outlet, const struct kafka_publish *publish)
{
	return &outlet->is_busy[kafka_partition_of(
		publish->record->key, 0, KAFKA_KEY_SLOTS)];
}

void kafka_outlet_release(struct kafka_outlet *outlet)
{
	struct kafka_publish **place = &outlet->waiting;
	size_t count = 0;
	timer_stop(outlet->send);
	while (outlet->is_ready && *place) {
		if (outlet->is_compacted && *slot_of(outlet, *place)) {
			place = &(*place)->next_waiting;
			continue;
		}
		kafka_publish_send(take_out(outlet, place));
		count++;
	}
	if (count)
		gather_sent(&outlet->gather, count, clock_monotonic_us());
}

void kafka_outlet_occupy(struct kafka_publish *publish)
{
	publish->is_sent = publish->outlet->is_compacted;
	if (publish->is_sent)
		*slot_of(publish->outlet, publish) = true;
}

void kafka_outlet_vacate(struct kafka_publish *publish)
{
	if (publish->is_sent)
		*slot_of(publish->outlet, publish) = false;
	publish->is_sent = false;
}

struct kafka_publish *kafka_outlet_overdue(struct kafka_outlet *outlet, int64_t now_ms)
{
	/* They came in this order and all wait equally long. */
	if (!outlet->waiting || outlet->waiting->deadline_ms > now_ms)
		return NULL;
	return take_out(outlet, &outlet->waiting);
}

void kafka_outlets_close(struct kafka *kafka)
{
	struct kafka_outlet *outlet;
	while ((outlet = kafka->outlets)) {
		kafka->outlets = outlet->next;
		if (outlet->ensuring)
			outlet->ensuring->owner = NULL;
		if (outlet->rkt)
			rd_kafka_topic_destroy(outlet->rkt);
		timer_free(outlet->again);
		timer_free(outlet->send);
		free(outlet->name);
		free(outlet);
	}
}
