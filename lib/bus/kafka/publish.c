/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bus/kafka/message.h"
#include "lib/bus/kafka/outlet.h"
#include "lib/bus/kafka/remains.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"

/* Pieces of one value under way at a time. */
enum { PIECES_AT_ONCE = 8 };

/* One message handed to librdkafka, until its delivery report. */
struct handed {
	struct handed *previous, *next; /* of the same publish */
	struct kafka_publish *publish;
	bool is_piece;
	uint32_t index;
};

int32_t kafka_partition_of(struct slice key, size_t prefix, int32_t count)
{
	size_t size = prefix && prefix < key.size ? prefix : key.size;
	return rd_kafka_msg_partitioner_murmur2(NULL, key.data, size, count, NULL, NULL);
}

/* By the key of the value; pieces go where their value goes, whatever key they have. */
int32_t kafka_publish_partition(const rd_kafka_topic_t *rkt, const void *key,
	size_t key_size, int32_t count, void *rkt_opaque, void *opaque)
{
	(void)key, (void)key_size;
	const struct handed *handed = opaque;
	if (handed && handed->publish->record->key.size)
		return kafka_partition_of(handed->publish->record->key,
			handed->publish->outlet->key_prefix, count);
	return rd_kafka_msg_partitioner_random(rkt, NULL, 0, count, rkt_opaque, NULL);
}

static void set_fault(struct kafka_publish *publish, rd_kafka_resp_err_t err)
{
	const char *name = publish->outlet->name, *why = rd_kafka_err2str(err);
	switch ((int)err) {
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR__DESTROY:
		/* A broker that doesn't know a fresh topic yet, or the topic is gone. */
		publish->is_homeless = true;
		kafka_note_error(publish->kafka, err, NULL);
		fault_temporary(&publish->fault, "topic %s: %s", name, why);
		break;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
	case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
		fault_permanent(&publish->fault, "topic %s: %s", name, why);
		break;
	default:
		fault_temporary(&publish->fault, "topic %s: %s", name, why);
	}
}

static void free_handed(struct handed *handed)
{
	*(handed->previous ? &handed->previous->next
			   : &handed->publish->handed) = handed->next;
	if (handed->next)
		handed->next->previous = handed->previous;
	free(handed);
}

static void free_publish(struct kafka_publish *publish)
{
	while (publish->handed)
		free_handed(publish->handed);
	kafka_record_free(publish->record);
	free(publish->offsets);
	free(publish);
}

static void send_message(struct kafka_publish *publish, struct kafka_message *message,
	bool is_piece, uint32_t index)
{
	struct handed *handed = NEW(struct handed);
	*handed = (struct handed){ .next = publish->handed,
		.publish = publish,
		.is_piece = is_piece,
		.index = index };
	if (handed->next)
		handed->next->previous = handed;
	publish->handed = handed;
	message->rkt = publish->outlet->rkt;
	message->opaque = handed;
	rd_kafka_resp_err_t err = kafka_message_send(
		publish->outlet->kafka->producer->rk, message);
	if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		publish->under_way++;
		return;
	}
	free_handed(handed);
	set_fault(publish, err);
}

static void send_whole(struct kafka_publish *publish)
{
	send_message(publish,
		&(struct kafka_message){ .partition = RD_KAFKA_PARTITION_UA,
			.key = publish->record->key,
			.value = publish->record->value,
			.marks = &publish->record->marks },
		false, 0);
}

static void send_head(struct kafka_publish *publish)
{
	struct kafka_marks marks = publish->record->marks;
	marks.form = KAFKA_HEAD;
	marks.id = slice_of(publish->id.text);
	marks.count = publish->count;
	marks.size = publish->record->value.size;
	publish->has_head = true;
	send_message(publish,
		&(struct kafka_message){ .partition = publish->partition,
			.key = publish->record->key,
			.value = { publish->offsets, (size_t)publish->count * 8 },
			.marks = &marks },
		false, 0);
}

static void send_piece(struct kafka_publish *publish, uint32_t index)
{
	struct kafka_marks marks = { .form = KAFKA_PIECE,
		.id = slice_of(publish->id.text),
		.index = index,
		.count = publish->count };
	struct slice value = publish->record->value, key = publish->record->key;
	struct buffer own CLEANUP(buffer_done);
	buffer_init(&own, KAFKA_KEY_SIZE + 128);
	if (publish->outlet->is_compacted) {
		kafka_piece_key(&own, key, publish->id.text, index);
		key = buffer_slice(&own);
	}
	send_message(publish,
		&(struct kafka_message){ .partition = publish->partition,
			.key = key,
			.value = slice_head(slice_skip(value, index * KAFKA_PIECE_SIZE),
				KAFKA_PIECE_SIZE),
			.marks = &marks },
		true, index);
}

static void send_more(struct kafka_publish *publish)
{
	while (publish->sent < publish->count && publish->under_way < PIECES_AT_ONCE &&
		!publish->fault.kind)
		send_piece(publish, publish->sent++);
}

void kafka_publish_send(struct kafka_publish *publish)
{
	size_t size = publish->record->value.size;
	kafka_outlet_occupy(publish);
	if (publish->is_sent)
		kafka_pieces_begin(publish);
	if (size <= KAFKA_PIECE_SIZE) {
		send_whole(publish);
	} else {
		publish->count =
			(uint32_t)((size + KAFKA_PIECE_SIZE - 1) / KAFKA_PIECE_SIZE);
		publish->id = id_mint();
		publish->offsets = memory_new((size_t)publish->count * 8);
		send_more(publish);
	}
	if (publish->under_way == 0)
		kafka_publish_fail(publish);
}

static void note_outcome(struct kafka *kafka, const struct fault *fault)
{
	if (fault->kind == FAULT_NONE) {
		kafka_note_answer(kafka);
		kafka->refused_ms = 0;
	} else if (fault->kind == FAULT_TEMPORARY && !kafka->silent_ms) {
		/* It is there but doesn't take it; if it isn't, that is known already. */
		kafka->refused_ms = clock_monotonic_ms();
		snprintf(kafka->error, sizeof(kafka->error), "%.200s", fault->text);
	}
}

static void report(struct kafka *kafka, struct kafka_publish *publish)
{
	struct kafka_outlet *outlet = publish->outlet;
	*(publish->previous ? &publish->previous->next
			    : &kafka->publishes) = publish->next;
	if (publish->next)
		publish->next->previous = publish->previous;
	note_outcome(kafka, &publish->fault);
	if (publish->is_sent)
		kafka_pieces_tidy(publish);
	publish->published(publish->with, publish->fault.kind ? &publish->fault : NULL);
	if (publish->is_sent) {
		kafka_outlet_vacate(publish);
		kafka_outlet_release(outlet);
	}
	free_publish(publish);
}

/* As if nothing had been sent. */
static void start_over(struct kafka_publish *publish)
{
	/* A head that was sent may have been written, before its topic went away. */
	if (publish->is_sent && !publish->has_head)
		kafka_pieces_drop(publish);
	kafka_outlet_vacate(publish);
	free(publish->offsets);
	publish->offsets = NULL;
	publish->id = (struct id){ 0 };
	publish->count = publish->sent = publish->kept = 0;
	publish->partition = RD_KAFKA_PARTITION_UA;
	publish->fault = (struct fault){ 0 };
	publish->has_head = publish->is_homeless = false;
	kafka_outlet_return(publish->outlet, publish);
}

static void conclude(struct kafka *kafka, struct kafka_publish *publish)
{
	if (publish->is_homeless && clock_monotonic_ms() < publish->deadline_ms)
		start_over(publish);
	else
		report(kafka, publish);
}

/* Reported from the loop, never inside the call that published. */
void kafka_publish_fail(struct kafka_publish *publish)
{
	struct kafka *kafka = publish->kafka;
	publish->next_waiting = kafka->failed;
	kafka->failed = publish;
	timer_start(kafka->report, 0);
}

static void report_failed(void *with)
{
	struct kafka *kafka = with;
	struct kafka_publish *publish = kafka->failed;
	kafka->failed = NULL;
	while (publish) {
		struct kafka_publish *next = publish->next_waiting;
		conclude(kafka, publish);
		publish = next;
	}
}

static void piece_delivered(
	struct kafka_publish *publish, uint32_t index, const rd_kafka_message_t *message)
{
	if (message->err || publish->fault.kind) {
		if (!publish->fault.kind)
			set_fault(publish, message->err);
	} else if (message->offset < 0) {
		/* Written, but the broker no longer told where: once more. */
		send_piece(publish, index);
	} else {
		publish->partition = message->partition;
		kafka_offset_write(publish->offsets + (size_t)index * 8, message->offset);
		if (++publish->kept == publish->count)
			send_head(publish);
		else
			send_more(publish);
	}
	if (publish->under_way == 0)
		conclude(publish->kafka, publish);
}

static void delivered(void *with, const rd_kafka_message_t *message)
{
	(void)with;
	struct handed *handed = message->_private;
	if (!handed)
		return;
	struct kafka_publish *publish = handed->publish;
	bool is_piece = handed->is_piece;
	uint32_t index = handed->index;
	free_handed(handed);
	publish->under_way--;
	if (is_piece) {
		piece_delivered(publish, index, message);
	} else {
		if (message->err)
			set_fault(publish, message->err);
		publish->partition = message->partition;
		publish->offset = message->offset;
		conclude(publish->kafka, publish);
	}
}

static bool check(struct kafka *kafka, const struct kafka_publication *publication,
	struct fault *fault)
{
	if (!bus_topic_check(publication->topic, fault))
		return false;
	if (publication->key.size > KAFKA_KEY_SIZE)
		return fault_permanent(fault, "topic %s: a key of %zu bytes, %zu allowed",
			publication->topic, publication->key.size, KAFKA_KEY_SIZE);
	size_t size = publication->value.size + publication->body.size;
	if (size > kafka->value_ceiling)
		return fault_permanent(fault,
			"topic %s: a value of %zu bytes, %zu allowed", publication->topic,
			size, kafka->value_ceiling);
	return true;
}

void kafka_publish(struct kafka *kafka, const struct kafka_publication *publication)
{
	struct kafka_publish *publish = NEW(struct kafka_publish);
	*publish = (struct kafka_publish){ .next = kafka->publishes,
		.kafka = kafka,
		.published = publication->published,
		.with = publication->with,
		.is_own = publication->is_own,
		.can_wait = publication->can_wait,
		.goes_on = publication->goes_on,
		.partition = RD_KAFKA_PARTITION_UA };
	if (publish->next)
		publish->next->previous = publish;
	kafka->publishes = publish;
	if (!check(kafka, publication, &publish->fault)) {
		kafka_publish_fail(publish);
		return;
	}
	publish->record = kafka_record_new(
		&(struct kafka_source){ .key = publication->key,
			.value = publication->value,
			.body = publication->body,
			.marks = publication->marks });
	publish->deadline_ms = clock_monotonic_ms() + kafka->publish_timeout_ms;
	publish->outlet = kafka_outlet_of(kafka, publication->topic);
	kafka_outlet_add(publish->outlet, publish);
}

void kafka_publish_tick(struct kafka *kafka)
{
	int64_t now_ms = clock_monotonic_ms();
	struct kafka_publish *publish;
	for (struct kafka_outlet *outlet = kafka->outlets; outlet; outlet = outlet->next)
		while ((publish = kafka_outlet_overdue(outlet, now_ms))) {
			fault_temporary(&publish->fault, "topic %s: not in time: %s",
				outlet->name,
				*kafka->error ? kafka->error : "the broker is silent");
			kafka_publish_fail(publish);
		}
}

static void ready(void *with)
{
	struct kafka *kafka = with;
	kafka_client_poll(kafka->producer);
}

bool kafka_publish_open(struct kafka *kafka, struct fault *fault)
{
	static const struct kafka_client_calls calls = {
		.ready = ready,
		.delivered = delivered,
	};
	kafka->producer = kafka_client_open(kafka, KAFKA_PRODUCER, NULL, fault);
	if (!kafka->producer)
		return false;
	kafka_client_start(kafka->producer, &calls, kafka);
	kafka->remains = kafka_remains_new();
	kafka->report = timer_new(kafka->loop, report_failed, kafka);
	return true;
}

void kafka_publish_close(struct kafka *kafka)
{
	kafka_outlets_close(kafka);
	kafka_client_retire(kafka->producer);
	timer_free(kafka->report);
}

void kafka_publish_done(struct kafka *kafka)
{
	struct kafka_publish *publish;
	struct fault fault;
	fault_temporary(&fault, "the bus is being closed");
	while ((publish = kafka->publishes)) {
		kafka->publishes = publish->next;
		if (publish->is_own)
			publish->published(publish->with, &fault);
		free_publish(publish);
	}
	kafka_remains_free(kafka->remains);
}
