/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/cursor.h"

#include <stdlib.h>

#include "lib/bus/kafka/message.h"
#include "lib/memory.h"

struct kafka_cursor {
	struct kafka *kafka;
	struct kafka_client *client;
	rd_kafka_topic_t *rkt;
	int32_t count;
	rd_kafka_queue_t **queues; /* one for each partition; NULL: it isn't read */
	void (*ready)(void *with);
	void *with;
};

static void on_ready(void *with)
{
	struct kafka_cursor *cursor = with;
	kafka_client_poll(cursor->client);
	cursor->ready(cursor->with);
}

static const struct kafka_client_calls calls = { .ready = on_ready };

struct kafka_cursor *kafka_cursor_open(
	struct kafka *kafka, const char *topic, int32_t count, struct fault *fault)
{
	struct kafka_client *client = kafka_client_open(kafka, KAFKA_CURSOR, NULL, fault);
	if (!client)
		return NULL;
	struct kafka_cursor *cursor = NEW(struct kafka_cursor);
	*cursor = (struct kafka_cursor){ .kafka = kafka,
		.client = client,
		.rkt = rd_kafka_topic_new(client->rk, topic, NULL),
		.count = count,
		.queues = NEW_ARRAY(rd_kafka_queue_t *, (size_t)count) };
	return cursor;
}

void kafka_cursor_listen(struct kafka_cursor *cursor, void (*ready)(void *), void *with)
{
	cursor->ready = ready;
	cursor->with = with;
	kafka_client_start(cursor->client, &calls, cursor);
}

void kafka_cursor_stop(struct kafka_cursor *cursor, int32_t partition)
{
	if (!cursor->queues[partition])
		return;
	rd_kafka_consume_stop(cursor->rkt, partition);
	rd_kafka_queue_destroy(cursor->queues[partition]);
	cursor->queues[partition] = NULL;
}

void kafka_cursor_start(struct kafka_cursor *cursor, int32_t partition, int64_t offset)
{
	kafka_cursor_stop(cursor, partition);
	cursor->queues[partition] = rd_kafka_queue_new(cursor->client->rk);
	kafka_client_attach(cursor->client, cursor->queues[partition]);
	rd_kafka_consume_start_queue(
		cursor->rkt, partition, offset, cursor->queues[partition]);
}

enum kafka_step kafka_cursor_next(struct kafka_cursor *cursor, int32_t partition,
	struct kafka_record **ret_record, int64_t *ret_offset)
{
	rd_kafka_message_t *message;
	rd_kafka_queue_t *queue = cursor->queues[partition];
	while (queue && (message = rd_kafka_consume_queue(queue, 0))) {
		rd_kafka_resp_err_t err = message->err;
		*ret_offset = message->offset;
		if (!err)
			*ret_record = kafka_record_of(message, (unsigned)partition);
		else if (err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
			kafka_note_error(
				cursor->kafka, err, rd_kafka_message_errstr(message));
		rd_kafka_message_destroy(message);
		if (!err || err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			kafka_note_answer(cursor->kafka);
			return err ? KAFKA_STEP_END : KAFKA_STEP_RECORD;
		}
	}
	return KAFKA_STEP_NONE;
}

void kafka_cursor_ring(struct kafka_cursor *cursor)
{
	kafka_client_ring(cursor->client);
}

void kafka_cursor_close(struct kafka_cursor *cursor)
{
	if (!cursor)
		return;
	for (int32_t i = 0; i < cursor->count; i++)
		kafka_cursor_stop(cursor, i);
	rd_kafka_topic_destroy(cursor->rkt);
	kafka_client_retire(cursor->client);
	free(cursor->queues);
	free(cursor);
}
