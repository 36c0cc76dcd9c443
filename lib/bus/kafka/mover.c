/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/mover.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bus/kafka/publish.h"
#include "lib/bus/kafka/reader.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"

enum {
	LANE_WINDOW = 1024, /* enough for what is due within the last second */
	LANE_BYTES = 4 << 20,
	/* Processes that live for less don't make the group share its topics anew. */
	START_MS = 1000,
	AGAIN_MS = 1000,
	TOPIC_MAX = 200,
};

/* The last waits are held in memory: the first topic's records are all due within the
 * second delay. */
static const struct {
	const char *topic;
	int64_t delay_ms;
} delays[] = {
	{ KAFKA_OWN_PREFIX "0s", 0 },
	{ KAFKA_OWN_PREFIX "1s", 1000 },
	{ KAFKA_OWN_PREFIX "5s", 5000 },
	{ KAFKA_OWN_PREFIX "30s", 30000 },
	{ KAFKA_OWN_PREFIX "2m", 120000 },
	{ KAFKA_OWN_PREFIX "10m", 600000 },
	{ KAFKA_OWN_PREFIX "1h", 3600000 },
};

enum { DELAYS = sizeof(delays) / sizeof(*delays) };

/* A record in a mover's hands. */
struct moving {
	struct moving *previous, *next;
	struct kafka_mover *mover;       /* NULL: closed meanwhile */
	struct kafka_delivery *delivery; /* NULL: it is another member's now */
	int64_t ready_ms;
	bool is_published; /* is being; it isn't in the list */
	bool is_refused;   /* where it belongs to */
};

struct kafka_mover {
	struct kafka *kafka;
	struct kafka_reader *reader;
	struct timer *timer;
	struct moving *waiting; /* in the order in which they are ready */
	struct moving *last;
	struct moving *published;
};

void kafka_publish_due(struct kafka *kafka, const struct kafka_publication *publication)
{
	struct kafka_publication moved = *publication;
	int64_t now_ms = clock_unix_ms();
	int64_t wait_ms = publication->marks.due_ms - now_ms;
	if (wait_ms <= 0) {
		moved.marks.due_ms = 0;
		kafka_publish(kafka, &moved);
		return;
	}
	if (kafka->mover_start)
		timer_start(kafka->mover_start, 0);
	size_t i = DELAYS - 1;
	while (delays[i].delay_ms > wait_ms)
		i--;
	moved.topic = delays[i].topic;
	moved.marks.topic = slice_of(publication->topic);
	if (!moved.marks.published_ms)
		moved.marks.published_ms = now_ms;
	kafka_publish(kafka, &moved);
}

static void unlink_moving(struct kafka_mover *mover, struct moving *moving)
{
	struct moving **first = moving->is_published ? &mover->published
						     : &mover->waiting;
	*(moving->previous ? &moving->previous->next : first) = moving->next;
	if (moving->next)
		moving->next->previous = moving->previous;
	else if (!moving->is_published)
		mover->last = moving->previous;
	moving->previous = moving->next = NULL;
}

static void wait_for(struct kafka_mover *mover, struct moving *moving)
{
	struct moving *before = mover->last;
	while (before && before->ready_ms > moving->ready_ms)
		before = before->previous;
	moving->is_published = false;
	moving->previous = before;
	moving->next = before ? before->next : mover->waiting;
	*(before ? &before->next : &mover->waiting) = moving;
	*(moving->next ? &moving->next->previous : &mover->last) = moving;
	timer_start(mover->timer, mover->waiting->ready_ms - clock_unix_ms());
}

/* It must not be lost, nor hold up those behind it for ever. */
static void refuse(struct moving *moving, const char *why)
{
	if (!moving->is_refused)
		kafka_note_loss(moving->mover->kafka,
			"a record that is due goes to topic " KAFKA_REFUSED ": %s", why);
	moving->is_refused = true;
}

static void moved(void *with, const struct fault *fault)
{
	struct moving *moving = with;
	struct kafka_mover *mover = moving->mover;
	struct kafka_delivery *delivery = moving->delivery;
	if (mover)
		unlink_moving(mover, moving);
	if (mover && delivery && fault) {
		if (fault->kind == FAULT_PERMANENT)
			refuse(moving, fault->text);
		moving->ready_ms = clock_unix_ms() + AGAIN_MS;
		wait_for(mover, moving);
		return;
	}
	free(moving);
	if (mover && delivery)
		kafka_reader_end(delivery, true);
}

static void move(struct kafka_mover *mover, struct moving *moving)
{
	struct kafka_record *record = moving->delivery->record;
	char topic[TOPIC_MAX + 1];
	struct kafka_publication publication = { .topic = topic,
		.key = record->key,
		.value = record->value,
		.marks = { .attempt = record->marks.attempt,
			.published_ms = kafka_record_published_ms(record),
			.due_ms = record->marks.due_ms,
			.group = record->marks.group },
		.published = moved,
		.with = moving,
		.is_own = true };
	unlink_moving(mover, moving);
	moving->is_published = true;
	moving->next = mover->published;
	if (moving->next)
		moving->next->previous = moving;
	mover->published = moving;
	if (moving->is_refused) {
		publication.topic = KAFKA_REFUSED;
		publication.marks.topic = record->marks.topic;
		kafka_publish(mover->kafka, &publication);
		return;
	}
	memcpy(topic, record->marks.topic.data, record->marks.topic.size);
	topic[record->marks.topic.size] = '\0';
	kafka_publish_due(mover->kafka, &publication);
}

static void move_ready(void *with)
{
	struct kafka_mover *mover = with;
	int64_t now_ms = clock_unix_ms();
	while (mover->waiting && mover->waiting->ready_ms <= now_ms)
		move(mover, mover->waiting);
	if (mover->waiting)
		timer_start(mover->timer, mover->waiting->ready_ms - now_ms);
}

static int64_t ready_ms_of(const struct kafka_delivery *delivery)
{
	const struct kafka_record *record = delivery->record;
	size_t i = 0;
	while (i < DELAYS - 1 && strcmp(delays[i].topic, delivery->delivery.topic) != 0)
		i++;
	int64_t ready_ms = record->stamp_ms + delays[i].delay_ms;
	/* The end of the wait is all that counts for the shortest. */
	return i == 0 || ready_ms > record->marks.due_ms ? record->marks.due_ms
							 : ready_ms;
}

static void taken(void *with, struct bus_delivery *bus_delivery)
{
	struct kafka_mover *mover = with;
	struct kafka_delivery *delivery = (struct kafka_delivery *)bus_delivery;
	const struct kafka_marks *marks = &delivery->record->marks;
	struct moving *moving = NEW(struct moving);
	moving->mover = mover;
	moving->delivery = delivery;
	if (marks->topic.size == 0 || marks->topic.size > TOPIC_MAX)
		refuse(moving, "it doesn't say where it belongs to");
	else
		moving->ready_ms = ready_ms_of(delivery);
	wait_for(mover, moving);
}

/* Whoever has the partition now takes it again. */
static void dropped(void *with, struct bus_delivery *bus_delivery)
{
	struct kafka_mover *mover = with;
	struct kafka_delivery *delivery = (struct kafka_delivery *)bus_delivery;
	for (struct moving *moving = mover->published; moving; moving = moving->next)
		if (moving->delivery == delivery)
			moving->delivery = NULL;
	for (struct moving *moving = mover->waiting; moving; moving = moving->next)
		if (moving->delivery == delivery) {
			unlink_moving(mover, moving);
			free(moving);
			return;
		}
}

static bool is_at_work(void *with)
{
	const struct kafka_mover *mover = with;
	return mover->published != NULL;
}

static void open_mover(void *with)
{
	struct kafka *kafka = with;
	struct fault fault;
	struct bus_source sources[DELAYS + 1] = { 0 };
	if (kafka->mover)
		return;
	for (size_t i = 0; i < DELAYS; i++)
		sources[i] = (struct bus_source){ delays[i].topic, 1 };
	struct bus_subscription subscription = {
		.group = "postern.mover", .sources = sources, .window = UINT_MAX
	};
	struct kafka_mover *mover = NEW(struct kafka_mover);
	mover->kafka = kafka;
	mover->reader = kafka_reader_open(kafka,
		&(struct kafka_reader_plan){ .subscription = &subscription,
			.taken = taken,
			.with = mover,
			.lane_window = LANE_WINDOW,
			.lane_window_bytes = LANE_BYTES,
			.dropped = dropped,
			.is_at_work = is_at_work },
		&fault);
	if (!mover->reader) {
		free(mover);
		timer_start(kafka->mover_start, AGAIN_MS);
		return;
	}
	mover->timer = timer_new(kafka->loop, move_ready, mover);
	kafka->mover = mover;
}

void kafka_mover_start(struct kafka *kafka)
{
	if (kafka->mover_start)
		return;
	kafka->mover_start = timer_new(kafka->loop, open_mover, kafka);
	timer_start(kafka->mover_start, START_MS);
}

void kafka_mover_close(struct kafka *kafka)
{
	struct kafka_mover *mover = kafka->mover;
	timer_free(kafka->mover_start);
	kafka->mover_start = NULL;
	if (!mover)
		return;
	kafka_reader_close(mover->reader);
	while (mover->waiting) {
		struct moving *moving = mover->waiting;
		unlink_moving(mover, moving);
		free(moving);
	}
	for (struct moving *moving = mover->published; moving; moving = moving->next)
		moving->mover = NULL;
	timer_free(mover->timer);
	free(mover);
}
