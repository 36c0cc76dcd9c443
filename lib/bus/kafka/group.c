/* SPDX-License-Identifier: MIT
 *
 * What the group gives a member and takes away, and how far it has come.
 *
 * Assignment is eager: for each change every member gives up all partitions and is given
 * some again. So that no record is in two hands, a member gives up only after what it has
 * in hand is settled, within a limit, for the whole group waits meanwhile. What is in
 * hand longer stays in hand, and if the partition comes back is not given out again. */
#include "lib/bus/kafka/reader.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bus/kafka/survey.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"

enum {
	GIVE_UP_MS = 5000, /* how long the group is made to wait */
	COMMIT_MS = 100,   /* between two commits */
	ASK_MS = 5000,     /* for committed offsets */
	ASK_AGAIN_MS = 500,
	FIND_MS = 1000, /* for the oldest offsets */
	BEGIN_MS = 250, /* until a lane that is empty is no longer waited for: twice
			 * fetch.wait.max.ms and some */
};

static struct kafka_lane *find_lane(struct kafka_reader *reader, const char *topic)
{
	for (size_t i = 0; i < reader->lane_count; i++)
		if (strcmp(reader->lanes[i].topic, topic) == 0)
			return &reader->lanes[i];
	return NULL;
}

static struct kafka_partition *partition_of(
	struct kafka_reader *reader, struct kafka_lane *lane, int32_t number)
{
	struct kafka_partition **place = &lane->partitions;
	while (*place && (*place)->number < number)
		place = &(*place)->next;
	if (*place && (*place)->number == number)
		return *place;
	struct kafka_partition *partition = NEW(struct kafka_partition);
	*partition = (struct kafka_partition){ .next = *place,
		.lane = lane,
		.stream = reader->streams++,
		.number = number,
		.committed = -1 };
	kafka_position_init(&partition->position, -1);
	*place = partition;
	return partition;
}

void kafka_partition_drop(struct kafka_partition *partition)
{
	struct kafka_partition **place = &partition->lane->partitions;
	while (*place != partition)
		place = &(*place)->next;
	*place = partition->next;
	if (partition->lane->turn == partition)
		partition->lane->turn = NULL;
	kafka_position_done(&partition->position);
	free(partition);
}

/* Commits. */

static bool is_behind(const struct kafka_partition *partition)
{
	return partition->is_assigned && partition->position.base >= 0 &&
	       partition->position.base != partition->committed;
}

void kafka_group_commit(void *with)
{
	struct kafka_reader *reader = with;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
	for (size_t i = 0; i < reader->lane_count; i++) {
		struct kafka_lane *lane = &reader->lanes[i];
		for (struct kafka_partition *partition = lane->partitions; partition;
			partition = partition->next) {
			if (!is_behind(partition))
				continue;
			rd_kafka_topic_partition_list_add(
				list, lane->topic, partition->number)
				->offset = partition->position.base;
			partition->committed = partition->position.base;
		}
	}
	if (list->cnt && reader->client) {
		rd_kafka_commit(reader->client->rk, list, 1);
		reader->commit_ms = clock_monotonic_ms();
	}
	rd_kafka_topic_partition_list_destroy(list);
}

static void commit_soon(struct kafka_reader *reader)
{
	if (!timer_is_running(reader->commit))
		timer_start(reader->commit,
			reader->commit_ms + COMMIT_MS - clock_monotonic_ms());
}

void kafka_group_committed(void *with, rd_kafka_resp_err_t err)
{
	struct kafka_reader *reader = with;
	if (!err) {
		kafka_note_answer(reader->kafka);
		return;
	}
	/* All that are ours are committed again; the others aren't ours any more. */
	for (size_t i = 0; i < reader->lane_count; i++)
		for (struct kafka_partition *partition = reader->lanes[i].partitions;
			partition; partition = partition->next)
			partition->committed = -1;
	if (!timer_is_running(reader->commit))
		timer_start(reader->commit, 10 * COMMIT_MS);
}

/* Giving up. */

static void release(struct kafka_partition *partition)
{
	if (partition->queue) {
		rd_kafka_queue_io_event_enable(partition->queue, -1, NULL, 0);
		rd_kafka_queue_destroy(partition->queue);
	}
	if (partition->ahead)
		rd_kafka_message_destroy(partition->ahead);
	partition->queue = NULL;
	partition->ahead = NULL;
	partition->is_assigned = false;
}

static void drop_deliveries(struct kafka_reader *reader)
{
	while (reader->deliveries) {
		struct kafka_delivery *delivery = reader->deliveries;
		reader->plan.dropped(reader->plan.with, &delivery->delivery);
		kafka_reader_end(delivery, false);
	}
}

static void forget_offer(struct kafka_reader *reader)
{
	if (reader->offered)
		rd_kafka_topic_partition_list_destroy(reader->offered);
	reader->offered = NULL;
}

void kafka_group_lose(struct kafka_reader *reader)
{
	reader->membership = KAFKA_OUTSIDE;
	if (reader->asking)
		reader->asking->owner = NULL;
	reader->asking = NULL;
	forget_offer(reader);
	timer_stop(reader->step);
	if (reader->plan.dropped)
		drop_deliveries(reader);
	for (size_t i = 0; i < reader->lane_count; i++) {
		struct kafka_lane *lane = &reader->lanes[i];
		struct kafka_partition *next = lane->partitions, *partition;
		while ((partition = next)) {
			next = partition->next;
			release(partition);
			/* What is left tells what not to give out again. */
			if (partition->in_hand == 0)
				kafka_partition_drop(partition);
		}
	}
}

/* Would whoever is given the partitions next do anything again? A mover hands over what
 * it has in hand, unless it is just at it; what it has done with already may lie behind
 * an earlier record that is not yet due, which is for a second at most. */
static bool must_wait(const struct kafka_reader *reader)
{
	bool is_mover = reader->plan.dropped;
	if (is_mover && reader->plan.is_at_work(reader->plan.with))
		return true;
	for (size_t i = 0; i < reader->lane_count; i++)
		for (struct kafka_partition *partition = reader->lanes[i].partitions;
			partition; partition = partition->next) {
			size_t handed_over = is_mover ? partition->in_hand : 0;
			if (partition->is_assigned &&
				kafka_position_span(&partition->position) > handed_over)
				return true;
		}
	return false;
}

static void give_up(struct kafka_reader *reader)
{
	kafka_group_commit(reader);
	kafka_group_lose(reader);
	rd_kafka_assign(reader->client->rk, NULL);
}

static void begin_giving_up(struct kafka_reader *reader)
{
	reader->membership = KAFKA_GIVING_UP;
	reader->give_up_ms = clock_monotonic_ms() + GIVE_UP_MS;
	kafka_group_step(reader);
}

void kafka_group_settled(struct kafka_reader *reader, struct kafka_partition *partition)
{
	if (is_behind(partition))
		commit_soon(reader);
	if (!partition->is_assigned && partition->in_hand == 0)
		kafka_partition_drop(partition);
	if (reader->membership == KAFKA_GIVING_UP)
		timer_start(reader->step, 0);
}

/* Being given some. */

struct asking {
	struct kafka_errand errand;
	rd_kafka_t *rk;
	rd_kafka_topic_partition_list_t *partitions;
	rd_kafka_resp_err_t err;
};

/* Where the group has been nowhere yet it begins with the oldest record. librdkafka finds
 * that out too, but waits for half a second if it doesn't know the leader; on the other
 * hand it alone notices that a leader is dead and another one has taken over. */
static void find_offsets(struct asking *asking)
{
	rd_kafka_topic_partition_list_t *all = asking->partitions;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
	for (int i = 0; i < all->cnt; i++)
		if (all->elems[i].offset < 0)
			rd_kafka_topic_partition_list_add(
				list, all->elems[i].topic, all->elems[i].partition);
	if (list->cnt)
		kafka_offsets_at(asking->rk, list, RD_KAFKA_OFFSET_BEGINNING, FIND_MS);
	for (int i = 0; i < list->cnt; i++) {
		const rd_kafka_topic_partition_t *found = &list->elems[i];
		rd_kafka_topic_partition_list_find(all, found->topic, found->partition)
			->offset = found->err || found->offset < 0
					   ? RD_KAFKA_OFFSET_BEGINNING
					   : found->offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
}

static void run_asking(struct kafka_errand *errand)
{
	struct asking *asking = (struct asking *)errand;
	asking->err = rd_kafka_committed(asking->rk, asking->partitions, ASK_MS);
	for (int i = 0; i < asking->partitions->cnt && !asking->err; i++)
		asking->err = asking->partitions->elems[i].err;
	if (!asking->err)
		find_offsets(asking);
}

/* Sets where to go on reading. */
static void begin_partition(
	struct kafka_reader *reader, rd_kafka_topic_partition_t *assigned)
{
	struct kafka_lane *lane = find_lane(reader, assigned->topic);
	if (!lane)
		return;
	struct kafka_partition *partition = partition_of(
		reader, lane, assigned->partition);
	struct kafka_position *position = &partition->position;
	int64_t offset = assigned->offset >= 0 ? assigned->offset : -1;
	if (position->next >= 0)
		kafka_position_skip(position, offset);
	else
		kafka_position_init(position, offset);
	partition->committed = offset;
	partition->is_assigned = true;
	partition->queue = rd_kafka_queue_get_partition(
		reader->client->rk, lane->topic, partition->number);
	/* Its records stay in it until it is asked. */
	rd_kafka_queue_forward(partition->queue, NULL);
	kafka_client_attach(reader->client, partition->queue);
	assigned->offset = position->next >= 0 ? position->next
					       : RD_KAFKA_OFFSET_BEGINNING;
}

static void begin(
	struct kafka_reader *reader, rd_kafka_topic_partition_list_t *partitions)
{
	for (int i = 0; i < partitions->cnt; i++)
		begin_partition(reader, &partitions->elems[i]);
	rd_kafka_assign(reader->client->rk, partitions);
	reader->membership = KAFKA_ASSIGNED;
	reader->begin_ms = clock_monotonic_ms() + BEGIN_MS;
	timer_start(reader->step, BEGIN_MS);
}

static void end_asking(struct kafka_errand *errand)
{
	struct asking *asking = (struct asking *)errand;
	struct kafka_reader *reader = errand->owner;
	if (reader) {
		reader->asking = NULL;
		if (!asking->err) {
			begin(reader, asking->partitions);
		} else {
			kafka_note_error(reader->kafka, asking->err, NULL);
			reader->offered = rd_kafka_topic_partition_list_copy(
				asking->partitions);
			timer_start(reader->step, ASK_AGAIN_MS);
		}
	}
	rd_kafka_topic_partition_list_destroy(asking->partitions);
	free(asking);
}

/* librdkafka would look the offsets up itself, but not tell which: then nobody could see
 * that retention has taken records that the group had not been given. */
static void ask(
	struct kafka_reader *reader, const rd_kafka_topic_partition_list_t *partitions)
{
	struct asking *asking = NEW(struct asking);
	*asking = (struct asking){
		.errand = { .run = run_asking, .done = end_asking, .owner = reader },
		.rk = reader->client->rk,
		.partitions = rd_kafka_topic_partition_list_copy(partitions),
		.err = RD_KAFKA_RESP_ERR__TIMED_OUT,
	};
	reader->asking = &asking->errand;
	kafka_errands_add(reader->kafka->errands, &asking->errand);
}

static void go_on_giving_up(struct kafka_reader *reader)
{
	int64_t left_ms = reader->give_up_ms - clock_monotonic_ms();
	if (left_ms <= 0 || !must_wait(reader))
		give_up(reader);
	else
		timer_start(reader->step, left_ms);
}

void kafka_group_step(void *with)
{
	struct kafka_reader *reader = with;
	if (reader->membership == KAFKA_GIVING_UP) {
		go_on_giving_up(reader);
	} else if (reader->membership == KAFKA_ASSIGNED) {
		kafka_client_ring(reader->client);
	} else if (reader->offered) {
		ask(reader, reader->offered);
		forget_offer(reader);
	}
}

void kafka_group_rebalanced(void *with, rd_kafka_resp_err_t what,
	const rd_kafka_topic_partition_list_t *partitions)
{
	struct kafka_reader *reader = with;
	reader->client->is_joining = false;
	if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		reader->membership = KAFKA_OFFERED;
		ask(reader, partitions);
	} else if (what == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS &&
		   reader->membership == KAFKA_ASSIGNED &&
		   !rd_kafka_assignment_lost(reader->client->rk)) {
		begin_giving_up(reader);
	} else {
		kafka_group_lose(reader);
		rd_kafka_assign(reader->client->rk, NULL);
	}
}
