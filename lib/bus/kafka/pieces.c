/* SPDX-License-Identifier: MIT
 *
 * In a compacted topic the pieces of large values have keys of their own. */
#include <string.h>

#include "lib/bus/kafka/message.h"
#include "lib/bus/kafka/outlet.h"
#include "lib/bus/kafka/remains.h"
#include "lib/memory.h"

/* Nobody waits for it: what is left costs room in the topic, nothing else. */
static void delete_pieces(
	struct kafka_outlet *outlet, struct slice key, const struct kafka_remain *old)
{
	struct buffer piece_key CLEANUP(buffer_done);
	buffer_init(&piece_key, KAFKA_KEY_SIZE + 128);
	for (uint32_t i = 0; i < old->count; i++) {
		struct kafka_marks marks = { .form = KAFKA_PIECE,
			.id = slice_of(old->id.text),
			.index = i,
			.count = old->count };
		kafka_piece_key(&piece_key, key, old->id.text, i);
		kafka_message_send(outlet->kafka->producer->rk,
			&(struct kafka_message){ .rkt = outlet->rkt,
				.partition = old->partition,
				.key = buffer_slice(&piece_key),
				.marks = &marks });
	}
}

void kafka_pieces_begin(struct kafka_publish *publish)
{
	struct kafka_outlet *outlet = publish->outlet;
	const struct kafka_remain *old = kafka_remains_find(
		outlet->kafka->remains, slice_of(outlet->name), publish->record->key);
	if (old)
		publish->old = *old;
}

void kafka_pieces_drop(struct kafka_publish *publish)
{
	struct kafka_remain own = { publish->id, publish->kept ? publish->count : 0,
		publish->partition, 0 };
	delete_pieces(publish->outlet, publish->record->key, &own);
}

void kafka_pieces_tidy(struct kafka_publish *publish)
{
	struct kafka_outlet *outlet = publish->outlet;
	struct slice key = publish->record->key;
	struct kafka_remain now = { publish->id, publish->count, publish->partition,
		publish->offset };
	if (publish->fault.kind == FAULT_NONE) {
		kafka_remains_note(
			outlet->kafka->remains, slice_of(outlet->name), key, &now);
		delete_pieces(outlet, key, &publish->old);
	} else if (publish->kept && !publish->has_head) {
		kafka_pieces_drop(publish);
	}
}

void kafka_publish_saw_head(
	struct kafka *kafka, const char *topic, const struct kafka_record *head)
{
	struct kafka_remain now = { .count = head->marks.count,
		.partition = head->partition,
		.offset = head->offset };
	memcpy(now.id.text, head->marks.id.data, head->marks.id.size);
	kafka_remains_note(kafka->remains, slice_of(topic), head->key, &now);
}
