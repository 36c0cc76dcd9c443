/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/message.h"

static void put_header(void *with, const char *name, struct slice text)
{
	rd_kafka_header_add(with, name, -1, text.data, (ssize_t)text.size);
}

rd_kafka_resp_err_t kafka_message_send(
	rd_kafka_t *rk, const struct kafka_message *message)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
	kafka_marks_write(message->marks, put_header, headers);
	const char *key = message->key.size ? message->key.data : NULL;
	const char *value = message->value.size ? message->value.data : NULL;
	rd_kafka_resp_err_t err = rd_kafka_producev(rk, RD_KAFKA_V_RKT(message->rkt),
		RD_KAFKA_V_PARTITION(message->partition),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		RD_KAFKA_V_KEY(key, message->key.size),
		RD_KAFKA_V_VALUE((void *)value, message->value.size),
		RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(message->opaque),
		RD_KAFKA_V_END);
	if (err)
		rd_kafka_headers_destroy(headers);
	return err;
}

static void read_headers(const rd_kafka_message_t *message, struct kafka_source *source)
{
	rd_kafka_headers_t *headers;
	const char *name;
	const void *value;
	size_t size;
	if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	for (size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) ==
			   RD_KAFKA_RESP_ERR_NO_ERROR;
		i++)
		if (!kafka_marks_read(&source->marks, slice_of(name),
			    (struct slice){ value, value ? size : 0 }))
			source->is_damaged = true;
}

struct kafka_record *kafka_record_of(const rd_kafka_message_t *message, unsigned stream)
{
	rd_kafka_timestamp_type_t type;
	struct kafka_source source = {
		.stream = stream,
		.partition = message->partition,
		.offset = message->offset,
		.stamp_ms = rd_kafka_message_timestamp(message, &type),
		.key = { message->key, message->key_len },
		.value = { message->payload, message->len },
	};
	read_headers(message, &source);
	return kafka_record_new(&source);
}
