/* SPDX-License-Identifier: MIT
 *
 * Whose record comes next: lanes by weight while several have records, within a lane one
 * partition after the other. */
#include "lib/bus/kafka/reader.h"

#include "lib/bus/kafka/message.h"
#include "lib/clock.h"

enum {
	TAKES_A_TURN = 256, /* then the loop's other work has its turn */
	READS_A_TAKE = 32,  /* pieces and the like that are read on the way to a record */
};

enum outcome { DRY, PASSED, GIVEN };

static bool may_take(const struct kafka_reader *reader)
{
	return !reader->is_paused && !reader->is_closed &&
	       reader->membership == KAFKA_ASSIGNED && reader->in_hand < reader->window &&
	       (reader->in_hand == 0 || reader->in_hand_bytes < reader->window_bytes);
}

/* A gap: retention took what this group had not been given. Going back: the topic was
 * made anew, or its end was lost. */
static void check_offset(
	struct kafka *kafka, struct kafka_partition *partition, int64_t offset)
{
	struct kafka_position *position = &partition->position;
	if (position->next < 0 || offset == position->next)
		return;
	if (offset > position->next) {
		if (!partition->lane->is_compacted)
			kafka_note_loss(kafka,
				"topic %s: %lld records were gone before "
				"they could be taken",
				partition->lane->topic,
				(long long)(offset - position->next));
		return;
	}
	kafka_note_loss(kafka, "topic %s: partition %d begins anew at %lld",
		partition->lane->topic, (int)partition->number, (long long)offset);
	kafka_position_done(position);
	kafka_position_init(position, offset);
	partition->epoch++;
	partition->committed = -1;
}

static enum outcome pass(struct kafka_partition *partition, struct kafka_record *record)
{
	kafka_position_pass(&partition->position, record->offset);
	kafka_record_free(record);
	return PASSED;
}

static enum outcome give(struct kafka_reader *reader, struct kafka_partition *partition,
	struct kafka_record *record, bool is_complete)
{
	kafka_position_take(&partition->position, record->offset);
	kafka_reader_give(reader, partition, record, is_complete);
	return GIVEN;
}

/* As it is: what can't be read is the taker's to put away where an operator sees it. */
static enum outcome give_damaged(struct kafka_reader *reader,
	struct kafka_partition *partition, struct kafka_record *record)
{
	kafka_note_loss(reader->kafka, "topic %s: record %d/%lld can't be put together",
		partition->lane->topic, (int)partition->number,
		(long long)record->offset);
	return give(reader, partition, record, true);
}

static enum outcome look_at(struct kafka_reader *reader,
	struct kafka_partition *partition, struct kafka_record *record)
{
	const struct kafka_marks *marks = &record->marks;
	enum kafka_joined joined = KAFKA_JOINED;
	check_offset(reader->kafka, partition, record->offset);
	if (record->is_damaged)
		return give_damaged(reader, partition, record);
	if (marks->form == KAFKA_PIECE) {
		kafka_position_pass(&partition->position, record->offset);
		kafka_joiner_keep(reader->joiner, record, clock_monotonic_ms());
		return PASSED;
	}
	/* Returned by another group, which alone is given it again. */
	if (marks->group.size && !reader->plan.dropped &&
		!slice_equal(marks->group, slice_of(reader->group)))
		return pass(partition, record);
	if (marks->form == KAFKA_HEAD)
		joined = kafka_joiner_join(reader->joiner, record);
	if (joined == KAFKA_DAMAGED)
		return give_damaged(reader, partition, record);
	return give(reader, partition, record, joined == KAFKA_JOINED);
}

static enum outcome take_from(
	struct kafka_reader *reader, struct kafka_partition *partition)
{
	if (!partition->queue ||
		kafka_position_span(&partition->position) >= KAFKA_SPAN_MAX)
		return DRY;
	rd_kafka_message_t *message = partition->ahead;
	partition->ahead = NULL;
	if (!message && !(message = rd_kafka_consume_queue(partition->queue, 0)))
		return DRY;
	struct kafka_record *record = NULL;
	if (message->err)
		kafka_note_error(
			reader->kafka, message->err, rd_kafka_message_errstr(message));
	else
		record = kafka_record_of(message, partition->stream);
	rd_kafka_message_destroy(message);
	return record ? look_at(reader, partition, record) : PASSED;
}

static bool is_lane_full(const struct kafka_reader *reader, const struct kafka_lane *lane)
{
	const struct kafka_reader_plan *plan = &reader->plan;
	return (plan->lane_window && lane->in_hand >= plan->lane_window) ||
	       (plan->lane_window_bytes &&
		       lane->in_hand_bytes >= plan->lane_window_bytes);
}

/* False: none of the lane's partitions has a record now. */
static bool take_from_lane(struct kafka_reader *reader, struct kafka_lane *lane)
{
	struct kafka_partition *first = lane->turn ? lane->turn : lane->partitions;
	struct kafka_partition *partition = first;
	unsigned reads = 0;
	if (!first || is_lane_full(reader, lane))
		return false;
	do {
		struct kafka_partition *next = partition->next ? partition->next
							       : lane->partitions;
		enum outcome outcome;
		do
			outcome = take_from(reader, partition);
		while (outcome == PASSED && ++reads < READS_A_TAKE);
		/* The taker may have closed the reader. */
		if (outcome != DRY) {
			if (!reader->is_closed)
				lane->turn = outcome == GIVEN ? next : partition;
			return true;
		}
		partition = next;
	} while (partition != first);
	return false;
}

/* Smooth weighted turns among the lanes that aren't dry. */
static struct kafka_lane *next_lane(struct kafka_reader *reader)
{
	struct kafka_lane *best = NULL;
	int total = 0;
	for (size_t i = 0; i < reader->lane_count; i++) {
		struct kafka_lane *lane = &reader->lanes[i];
		if (lane->is_dry)
			continue;
		total += (int)lane->weight;
		lane->credit += (int)lane->weight;
		if (!best || lane->credit > best->credit)
			best = lane;
	}
	if (best)
		best->credit -= total;
	return best;
}

/* It had no use for its turn: as if nobody had been asked. */
static void undo_turn(struct kafka_reader *reader, struct kafka_lane *dry)
{
	for (size_t i = 0; i < reader->lane_count; i++) {
		struct kafka_lane *lane = &reader->lanes[i];
		if (lane->is_dry)
			continue;
		lane->credit -= (int)lane->weight;
		dry->credit += (int)lane->weight;
	}
	dry->is_dry = true;
}

/* The queue's length counts signs of librdkafka's own as well. */
static bool has_records(const struct kafka_lane *lane)
{
	struct kafka_partition *partition = lane->partitions;
	for (; partition; partition = partition->next) {
		if (!partition->ahead && partition->queue)
			partition->ahead = rd_kafka_consume_queue(partition->queue, 0);
		if (partition->ahead)
			return true;
	}
	return false;
}

/* The lanes' first records come one lane after the other; whose come first must not have
 * all turns. */
static bool has_begun(struct kafka_reader *reader)
{
	size_t i = 0;
	if (!reader->begin_ms)
		return true;
	while (i < reader->lane_count && has_records(&reader->lanes[i]))
		i++;
	if (i < reader->lane_count && clock_monotonic_ms() < reader->begin_ms)
		return false;
	reader->begin_ms = 0;
	return true;
}

void kafka_reader_take(struct kafka_reader *reader)
{
	struct kafka_lane *lane;
	if (!has_begun(reader))
		return;
	for (size_t i = 0; i < reader->lane_count; i++)
		reader->lanes[i].is_dry = false;
	for (unsigned takes = 0; may_take(reader); takes++) {
		if (takes == TAKES_A_TURN) {
			kafka_client_ring(reader->client);
			return;
		}
		if (!(lane = next_lane(reader)))
			return;
		if (!take_from_lane(reader, lane) && !reader->is_closed)
			undo_turn(reader, lane);
	}
}
