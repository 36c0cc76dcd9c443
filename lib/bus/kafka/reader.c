/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bus/kafka/publish.h"
#include "lib/bus/kafka/refetch.h"
#include "lib/bus/kafka/topic.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"

enum {
	OPEN_AGAIN_MS = 1000,
	PIECES_KEPT_MS = 60000, /* of values whose head doesn't come */
};

/* The republishing of a returned record, which may outlive its reader. */
struct kafka_returning {
	struct kafka_delivery *delivery; /* NULL: the reader is gone */
};

static struct kafka_reader *reader_of(const struct kafka_delivery *delivery)
{
	return (struct kafka_reader *)delivery->delivery.reader;
}

/* Deliveries. */

static void resize(struct kafka_delivery *delivery, size_t size)
{
	reader_of(delivery)->in_hand_bytes += size - delivery->size;
	delivery->partition->lane->in_hand_bytes += size - delivery->size;
	delivery->size = size;
}

static void call_taker(struct kafka_reader *reader, struct kafka_delivery *delivery)
{
	struct kafka_record *record = delivery->record;
	delivery->delivery.key = record->key;
	delivery->delivery.value = record->value;
	resize(delivery, kafka_record_size(record));
	reader->is_calling = true;
	reader->plan.taken(reader->plan.with, &delivery->delivery);
	reader->is_calling = false;
}

static void refetched(void *with, bool is_whole)
{
	struct kafka_delivery *delivery = with;
	struct kafka_reader *reader = reader_of(delivery);
	delivery->refetch = NULL;
	/* Given as it is all the same: see give_damaged(). */
	if (!is_whole)
		kafka_note_loss(reader->kafka,
			"topic %s: record %d/%lld can't be put together",
			delivery->delivery.topic, (int)delivery->record->partition,
			(long long)delivery->record->offset);
	call_taker(reader, delivery);
	if (reader->is_closed)
		free(reader);
}

void kafka_reader_give(struct kafka_reader *reader, struct kafka_partition *partition,
	struct kafka_record *record, bool is_complete)
{
	struct kafka_delivery *delivery = NEW(struct kafka_delivery);
	*delivery = (struct kafka_delivery){
		.delivery = { .topic = partition->lane->topic,
			.published_ms = kafka_record_published_ms(record),
			.attempt = record->marks.attempt ? record->marks.attempt : 1,
			.reader = &reader->reader },
		.next = reader->deliveries,
		.partition = partition,
		.epoch = partition->epoch,
		.record = record,
	};
	if (delivery->next)
		delivery->next->previous = delivery;
	reader->deliveries = delivery;
	reader->in_hand++;
	partition->in_hand++;
	partition->lane->in_hand++;
	if (partition->lane->is_compacted && record->marks.form == KAFKA_HEAD)
		kafka_publish_saw_head(reader->kafka, partition->lane->topic, record);
	if (is_complete) {
		call_taker(reader, delivery);
		return;
	}
	resize(delivery, record->marks.size);
	delivery->refetch = kafka_refetch_start(
		reader->kafka, partition->lane->topic, record, refetched, delivery);
}

static void free_delivery(struct kafka_delivery *delivery)
{
	kafka_refetch_stop(delivery->refetch);
	if (delivery->returning)
		delivery->returning->delivery = NULL;
	kafka_record_free(delivery->record);
	free(delivery);
}

void kafka_reader_end(struct kafka_delivery *delivery, bool is_settled)
{
	struct kafka_reader *reader = reader_of(delivery);
	struct kafka_partition *partition = delivery->partition;
	*(delivery->previous ? &delivery->previous->next
			     : &reader->deliveries) = delivery->next;
	if (delivery->next)
		delivery->next->previous = delivery->previous;
	resize(delivery, 0);
	reader->in_hand--;
	partition->in_hand--;
	partition->lane->in_hand--;
	if (is_settled && delivery->epoch == partition->epoch)
		kafka_position_settle(&partition->position, delivery->record->offset);
	free_delivery(delivery);
	kafka_group_settled(reader, partition);
	/* There is room in the window now. */
	if (reader->client)
		kafka_client_ring(reader->client);
}

void kafka_settle(struct bus_delivery *delivery)
{
	kafka_reader_end((struct kafka_delivery *)delivery, true);
}

static void republish(struct kafka_delivery *delivery);

static void republished(void *with, const struct fault *fault)
{
	struct kafka_returning *returning = with;
	struct kafka_delivery *delivery = returning->delivery;
	free(returning);
	if (!delivery)
		return;
	delivery->returning = NULL;
	/* Otherwise the tick tries again: it stays in hand until it is durable. */
	if (!fault)
		kafka_reader_end(delivery, true);
}

static void republish(struct kafka_delivery *delivery)
{
	struct kafka_returning *returning = NEW(struct kafka_returning);
	struct kafka_reader *reader = reader_of(delivery);
	returning->delivery = delivery;
	delivery->returning = returning;
	kafka_publish_due(reader->kafka,
		&(struct kafka_publication){ .topic = delivery->delivery.topic,
			.key = delivery->record->key,
			.value = delivery->record->value,
			.marks = { .attempt = delivery->delivery.attempt + 1,
				.published_ms = delivery->delivery.published_ms,
				.due_ms = delivery->due_ms,
				.group = slice_of(reader->group) },
			.published = republished,
			.with = returning,
			.is_own = true });
}

void kafka_give_back(struct bus_delivery *bus_delivery, int64_t due_ms)
{
	struct kafka_delivery *delivery = (struct kafka_delivery *)bus_delivery;
	assert(!delivery->is_returned);
	delivery->is_returned = true;
	delivery->due_ms = due_ms;
	republish(delivery);
}

void kafka_pause(struct bus_reader *reader)
{
	((struct kafka_reader *)reader)->is_paused = true;
}

/* Life. */

static void subscribe(struct kafka_reader *reader)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(
		(int)reader->lane_count);
	for (size_t i = 0; i < reader->lane_count; i++)
		rd_kafka_topic_partition_list_add(
			topics, reader->lanes[i].topic, RD_KAFKA_PARTITION_UA);
	rd_kafka_subscribe(reader->client->rk, topics);
	reader->client->is_joining = true;
	rd_kafka_topic_partition_list_destroy(topics);
}

static bool open_client(struct kafka_reader *reader, struct fault *fault)
{
	const struct kafka_setting settings[] = {
		{ "group.id", reader->group },
		{ reader->is_static ? "group.instance.id" : NULL,
			reader->kafka->instance },
		{ 0 },
	};
	reader->client = kafka_client_open(reader->kafka, KAFKA_MEMBER, settings, fault);
	if (!reader->client)
		return false;
	kafka_client_start(reader->client, &kafka_reader_calls, reader);
	return true;
}

static void ensure(struct kafka_reader *reader);

static void ensured(void *with, const struct fault *fault)
{
	struct kafka_reader *reader = with;
	reader->ensuring = NULL;
	if (!fault) {
		subscribe(reader);
		return;
	}
	kafka_note_error(reader->kafka, RD_KAFKA_RESP_ERR__FAIL, fault->text);
	timer_start(reader->again, OPEN_AGAIN_MS);
}

static void ensure(struct kafka_reader *reader)
{
	const char **names = NEW_ARRAY(const char *, reader->lane_count + 1);
	for (size_t i = 0; i < reader->lane_count; i++)
		names[i] = reader->lanes[i].topic;
	reader->ensuring = kafka_topics_ensure(reader->kafka, names, ensured, reader);
	free(names);
}

static void open_again(void *with)
{
	struct kafka_reader *reader = with;
	struct fault fault;
	if (reader->client || open_client(reader, &fault))
		ensure(reader);
	else
		timer_start(reader->again, OPEN_AGAIN_MS);
}

/* The handle is lost for good. Mostly because another process joined under the same
 * instance name: then this one goes on without a name. */
static void replace_client(struct kafka_reader *reader)
{
	kafka_note_loss(reader->kafka,
		"group %s: this member was shut out (%s); is \"%s\" the instance of "
		"another process too?",
		reader->group, rd_kafka_err2str(reader->client->fatal),
		reader->kafka->instance);
	if (reader->client->fatal == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
		reader->is_static = false;
	if (reader->ensuring)
		reader->ensuring->owner = NULL;
	reader->ensuring = NULL;
	kafka_group_lose(reader);
	kafka_client_retire(reader->client);
	reader->client = NULL;
	timer_start(reader->again, OPEN_AGAIN_MS);
}

void kafka_reader_ready(void *with)
{
	struct kafka_reader *reader = with;
	kafka_client_poll(reader->client);
	if (reader->client->fatal) {
		replace_client(reader);
		return;
	}
	kafka_reader_take(reader);
	if (reader->is_closed)
		free(reader);
}

const struct kafka_client_calls kafka_reader_calls = {
	.ready = kafka_reader_ready,
	.rebalanced = kafka_group_rebalanced,
	.committed = kafka_group_committed,
};

void kafka_reader_tick(struct kafka_reader *reader)
{
	kafka_joiner_expire(reader->joiner, clock_monotonic_ms() - PIECES_KEPT_MS);
	for (struct kafka_delivery *delivery = reader->deliveries; delivery;
		delivery = delivery->next)
		if (delivery->is_returned && !delivery->returning)
			republish(delivery);
	/* A member that doesn't poll for minutes is taken for dead. */
	if (reader->client)
		kafka_client_ring(reader->client);
}

static bool is_name_free(const struct kafka *kafka, const char *group)
{
	for (struct kafka_reader *reader = kafka->readers; reader; reader = reader->next)
		if (reader->is_static && strcmp(reader->group, group) == 0)
			return false;
	return *kafka->instance && bus_topic_check(kafka->instance, NULL);
}

static void make_lanes(struct kafka_reader *reader, const struct bus_source *sources)
{
	while (sources[reader->lane_count].weight)
		reader->lane_count++;
	reader->lanes = NEW_ARRAY(struct kafka_lane, reader->lane_count);
	for (size_t i = 0; i < reader->lane_count; i++) {
		const struct bus_topic *kept = bus_topic_find(
			reader->kafka->topics, sources[i].topic);
		reader->lanes[i].topic = memory_string(slice_of(sources[i].topic));
		reader->lanes[i].weight = sources[i].weight;
		reader->lanes[i].is_compacted = kept && kept->compacted;
	}
}

static void free_reader(struct kafka_reader *reader)
{
	for (size_t i = 0; i < reader->lane_count; i++)
		free(reader->lanes[i].topic);
	free(reader->lanes);
	kafka_joiner_free(reader->joiner);
	timer_free(reader->again);
	timer_free(reader->step);
	timer_free(reader->commit);
	free(reader->group);
	/* The taker that closes it is still called from it. */
	if (!reader->is_calling)
		free(reader);
}

struct kafka_reader *kafka_reader_open(
	struct kafka *kafka, const struct kafka_reader_plan *plan, struct fault *fault)
{
	const struct bus_subscription *subscription = plan->subscription;
	struct kafka_reader *reader = NEW(struct kafka_reader);
	reader->reader.bus = &kafka->bus;
	reader->kafka = kafka;
	reader->plan = *plan;
	reader->group = memory_string(slice_of(subscription->group));
	reader->window = subscription->window ? subscription->window : 1;
	reader->window_bytes = subscription->window_bytes ? subscription->window_bytes
							  : SIZE_MAX;
	reader->is_static = is_name_free(kafka, reader->group);
	reader->joiner = kafka_joiner_new(KAFKA_JOINER_SIZE(kafka->value_ceiling));
	reader->again = timer_new(kafka->loop, open_again, reader);
	reader->step = timer_new(kafka->loop, kafka_group_step, reader);
	reader->commit = timer_new(kafka->loop, kafka_group_commit, reader);
	make_lanes(reader, subscription->sources);
	if (!open_client(reader, fault)) {
		free_reader(reader);
		return NULL;
	}
	ensure(reader);
	reader->next = kafka->readers;
	kafka->readers = reader;
	return reader;
}

void kafka_reader_close(struct kafka_reader *reader)
{
	struct kafka_reader **place = &reader->kafka->readers;
	while (*place != reader)
		place = &(*place)->next;
	*place = reader->next;
	reader->is_closed = true;
	if (reader->ensuring)
		reader->ensuring->owner = NULL;
	kafka_group_commit(reader);
	while (reader->deliveries) {
		struct kafka_delivery *delivery = reader->deliveries;
		reader->deliveries = delivery->next;
		delivery->partition->in_hand--;
		free_delivery(delivery);
	}
	kafka_group_lose(reader);
	kafka_client_retire(reader->client);
	free_reader(reader);
}
