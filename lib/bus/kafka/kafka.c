/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/kafka.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bus/kafka/browse.h"
#include "lib/bus/kafka/follow.h"
#include "lib/bus/kafka/health.h"
#include "lib/bus/kafka/list.h"
#include "lib/bus/kafka/mover.h"
#include "lib/bus/kafka/publish.h"
#include "lib/bus/kafka/reader.h"
#include "lib/loop.h"
#include "lib/memory.h"

enum { TICK_MS = 1000, PUBLISH_TIMEOUT_MS = 15000 };

static bool is_port(struct slice text)
{
	long number = 0;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || i == 5)
			return false;
		number = number * 10 + (text.data[i] - '0');
	}
	return number > 0 && number < 65536;
}

/* HOST:PORT[,HOST:PORT…]; an IPv6 address in brackets. */
static bool check_brokers(const char *where, struct fault *fault)
{
	struct slice rest = slice_of(where), broker;
	while (slice_split(&rest, ',', &broker)) {
		const char *colon = memrchr(broker.data, ':', broker.size);
		size_t host = colon ? (size_t)(colon - broker.data) : 0;
		if (host == 0 || !is_port(slice_skip(broker, host + 1)))
			return fault_permanent(fault,
				"bus \"kafka:%s\": \"%.*s\" is not HOST:PORT", where,
				SLICE_ARG(broker));
	}
	return true;
}

static void tick(void *with)
{
	struct kafka *kafka = with;
	kafka_publish_tick(kafka);
	kafka_health_tick(kafka);
	for (struct kafka_reader *reader = kafka->readers; reader; reader = reader->next)
		kafka_reader_tick(reader);
	timer_start(kafka->tick, TICK_MS);
}

static void free_kafka(struct kafka *kafka)
{
	kafka_errands_free(kafka->errands);
	kafka_publish_done(kafka);
	timer_free(kafka->tick);
	free(kafka->brokers);
	free(kafka->instance);
	free(kafka);
}

static struct bus *open_kafka(const struct bus_options *options, const char *where,
	struct loop *loop, struct fault *fault)
{
	if (!check_brokers(where, fault))
		return NULL;
	struct kafka *kafka = NEW(struct kafka);
	kafka->bus.engine = &kafka_engine;
	kafka->loop = loop;
	kafka->brokers = memory_string(slice_of(where));
	kafka->instance = memory_string(slice_of(options->instance));
	kafka->topics = options->topics;
	kafka->value_ceiling = options->value_ceiling ? options->value_ceiling
						      : BUS_VALUE_CEILING;
	kafka->publish_timeout_ms = options->publish_timeout_ms
					    ? options->publish_timeout_ms
					    : PUBLISH_TIMEOUT_MS;
	kafka->errands = kafka_errands_new(loop);
	kafka->tick = timer_new(loop, tick, kafka);
	if (!kafka_publish_open(kafka, fault)) {
		free_kafka(kafka);
		return NULL;
	}
	timer_start(kafka->tick, 0);
	return &kafka->bus;
}

static void close_kafka(struct bus *bus)
{
	struct kafka *kafka = (struct kafka *)bus;
	kafka_mover_close(kafka);
	kafka_health_close(kafka);
	kafka_lists_close(kafka);
	kafka_publish_close(kafka);
	free_kafka(kafka);
}

static void publish(struct bus *bus, const struct bus_record *record,
	bus_published *published, void *with)
{
	kafka_publish_due(
		(struct kafka *)bus, &(struct kafka_publication){ .topic = record->topic,
					     .key = record->key,
					     .value = record->value,
					     .body = record->body,
					     .can_wait = record->can_wait,
					     .goes_on = record->of != NULL,
					     .marks = { .due_ms = record->due_ms },
					     .published = published,
					     .with = with });
}

static struct bus_reader *subscribe(struct bus *bus,
	const struct bus_subscription *subscription, bus_taken *taken, void *with,
	struct fault *fault)
{
	struct kafka *kafka = (struct kafka *)bus;
	for (const struct bus_source *source = subscription->sources; source->weight;
		source++)
		if (!bus_topic_check(source->topic, fault))
			return NULL;
	struct kafka_reader *reader = kafka_reader_open(kafka,
		&(struct kafka_reader_plan){
			.subscription = subscription, .taken = taken, .with = with },
		fault);
	if (reader)
		kafka_mover_start(kafka);
	return reader ? &reader->reader : NULL;
}

static void unsubscribe(struct bus_reader *reader)
{
	kafka_reader_close((struct kafka_reader *)reader);
}

const struct bus_engine kafka_engine = {
	.name = "kafka",
	.open = open_kafka,
	.close = close_kafka,
	.is_healthy = kafka_is_healthy,
	.losses = kafka_losses,
	.publish = publish,
	.subscribe = subscribe,
	.settle = kafka_settle,
	.give_back = kafka_give_back,
	.pause = kafka_pause,
	.unsubscribe = unsubscribe,
	.follow = kafka_follow,
	.unfollow = kafka_unfollow,
	.browse = kafka_browse,
	.unbrowse = kafka_unbrowse,
	.list = kafka_list,
};
