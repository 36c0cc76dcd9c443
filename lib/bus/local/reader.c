/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/reader.h"

#include <stdlib.h>

#include "lib/bus/local/keeper.h"
#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/memory.h"
#include "lib/thread.h"

/* How long the end of a delivery waits to be noted with others'. */
#define NOTE_US 25000

/* That part of the window the other sources leave to the weightiest, and that much there
 * is beyond it for apps that have nothing in hand: what comes there finds room, however
 * long the work on the rest takes. */
#define PART_OF_TOP       8
#define PART_OF_NEWCOMERS 16

/* That the source may still take, of whatever app or else of newcomers too. */
static size_t room_of_source(const struct local_reader *reader,
	const struct source *source, bool is_for_newcomers)
{
	bool is_top = source->weight == reader->top_weight;
	size_t most = reader->window, held = 0;
	if (!is_top)
		most -= reader->window / PART_OF_TOP;
	if (is_for_newcomers)
		most += reader->window / PART_OF_NEWCOMERS;
	for (size_t i = 0; i < reader->source_count; i++) {
		const struct source *other = &reader->sources[i];
		if (is_top || other->weight < reader->top_weight)
			held += other->held + other->quota;
	}
	return held < most ? most - held : 0;
}

static size_t room_for_newcomers(
	const struct local_reader *reader, const struct source *source)
{
	size_t most = reader->blocked ? 0 : reader->window / PART_OF_NEWCOMERS;
	size_t room = room_of_source(reader, source, true);
	return room < most ? room : most;
}

/* Smooth weighted turns: every source that may have records gains its weight, the richest
 * takes the turn and pays what all have gained. */
static struct source *next_source(struct local_reader *reader)
{
	struct source *best = NULL;
	int64_t total = 0;
	for (size_t i = 0; i < reader->source_count; i++) {
		struct source *source = &reader->sources[i];
		if (!room_of_source(reader, source, false))
			continue;
		if (!source->may_have || source->retry_ms) {
			source->credit = 0;
			continue;
		}
		source->credit += source->weight;
		total += source->weight;
		if (!best || source->credit > best->credit)
			best = source;
	}
	if (best)
		best->credit -= total;
	return best;
}

static size_t room_of(const struct local_reader *reader)
{
	if (reader->held >= reader->window ||
		(reader->held && reader->held_bytes >= reader->window_bytes))
		return 0;
	size_t room = reader->window - reader->held;
	return room < CLAIMS_AT_ONCE ? room : CLAIMS_AT_ONCE;
}

static void share_out_quotas(struct local_reader *reader)
{
	size_t room = room_of(reader);
	/* A large record waits for bytes to come free: smaller ones of other sources must
	 * not take them for ever. */
	if (reader->blocked && room > 0) {
		reader->blocked->quota = 1;
		return;
	}
	for (struct source *source; room > 0 && (source = next_source(reader)); room--)
		source->quota++;
}

/* What has ended goes to its source. The bus's lock is held. */
static void collect(struct local_reader *reader)
{
	struct local_delivery *delivery = reader->ended;
	reader->ended = NULL;
	reader->last_ended = &reader->ended;
	reader->ended_count = 0;
	while (delivery) {
		struct local_delivery *next = delivery->next;
		reader->held--;
		reader->held_bytes -= delivery->size;
		delivery->source->held--;
		reader->crowd.in_hand[delivery->place]--;
		delivery->next = NULL;
		*delivery->source->last_ended = delivery;
		delivery->source->last_ended = &delivery->next;
		delivery = next;
	}
	for (size_t i = 0; i < reader->source_count; i++) {
		struct source *source = &reader->sources[i];
		if (source->ear.rang)
			source->has_news = source->may_have = true;
		source->ear.rang = false;
	}
}

static bool is_past(int64_t at_ms, int64_t now_ms)
{
	return at_ms && at_ms <= now_ms;
}

/* What became due by time alone. */
static void look_at_clock(struct local_reader *reader)
{
	int64_t now_ms = clock_unix_ms();
	for (size_t i = 0; i < reader->source_count; i++) {
		struct source *source = &reader->sources[i];
		if (is_past(source->retry_ms, now_ms))
			source->retry_ms = 0;
		if (is_past(source->next_due_ms, now_ms))
			source->may_have = true;
		if (source->is_open && is_past(source->peers_ms, now_ms))
			source_check_peers(source);
	}
}

/* One round over the sources; true if another may find more. */
static bool work(struct local_reader *reader, bool is_paused)
{
	look_at_clock(reader);
	if (!is_paused)
		share_out_quotas(reader);
	bool has_moved = false;
	for (size_t i = 0; i < reader->source_count; i++) {
		struct source *source = &reader->sources[i];
		source->room = is_paused ? 0 : room_for_newcomers(reader, source);
		if (!source->retry_ms &&
			(source->quota || source->ended ||
				(source->has_news && !is_paused) || !source->is_open))
			has_moved |= source_work(source) && source->has_moved;
	}
	return has_moved;
}

static void sooner(int64_t *at_ms, int64_t candidate_ms)
{
	if (candidate_ms && (!*at_ms || candidate_ms < *at_ms))
		*at_ms = candidate_ms;
}

static int64_t next_wake_ms(const struct local_reader *reader, bool is_paused)
{
	int64_t at_ms = 0;
	bool has_room = !is_paused && room_of(reader) > 0;
	for (size_t i = 0; i < reader->source_count; i++) {
		const struct source *source = &reader->sources[i];
		sooner(&at_ms, source->retry_ms);
		if (!source->retry_ms && has_room)
			sooner(&at_ms, source->next_due_ms);
		if (!source->retry_ms)
			sooner(&at_ms, source->peers_ms);
	}
	return at_ms;
}

static bool has_mail(const struct local_reader *reader)
{
	bool has = reader->is_closing ||
		   (reader->ended && reader->note_us <= clock_monotonic_us());
	for (size_t i = 0; i < reader->source_count; i++)
		has |= reader->sources[i].ear.rang;
	return has;
}

/* The lock is held, and let go of meanwhile. */
static void wait_for_mail(struct local_reader *reader, int64_t at_ms)
{
	while (!has_mail(reader) && !is_past(at_ms, clock_unix_ms())) {
		if (reader->ended)
			local_wait_us(reader->bus, &reader->wake, reader->note_us);
		else
			local_wait(reader->bus, &reader->wake, at_ms);
	}
}

static void *read_on(void *with)
{
	struct local_reader *reader = with;
	struct local_bus *bus = reader->bus;
	pthread_mutex_lock(&bus->lock);
	while (!reader->is_closing) {
		bool is_paused = reader->is_paused;
		collect(reader);
		pthread_mutex_unlock(&bus->lock);
		bool may_have_more = work(reader, is_paused);
		int64_t at_ms = next_wake_ms(reader, is_paused);
		pthread_mutex_lock(&bus->lock);
		if (!may_have_more)
			wait_for_mail(reader, at_ms);
	}
	collect(reader);
	pthread_mutex_unlock(&bus->lock);
	for (size_t i = 0; i < reader->source_count; i++)
		source_leave(&reader->sources[i]);
	member_leave(&reader->member);
	return NULL;
}

static bool check_subscription(
	const struct bus_subscription *s, size_t *ret_count, struct fault *fault)
{
	if (!s->group || !*s->group)
		return fault_permanent(fault, "a subscription needs the name of a group");
	size_t count = 0;
	for (; s->sources[count].weight; count++)
		if (!bus_topic_check(s->sources[count].topic, fault))
			return false;
	*ret_count = count;
	return count > 0 || fault_permanent(fault, "a subscription needs a source");
}

struct bus_reader *local_subscribe(struct bus *base, const struct bus_subscription *s,
	bus_taken *taken, void *with, struct fault *fault)
{
	struct local_bus *bus = (struct local_bus *)base;
	size_t count = 0;
	if (!check_subscription(s, &count, fault))
		return NULL;
	struct local_reader *reader = NEW(struct local_reader);
	*reader = (struct local_reader){ .base.bus = base,
		.bus = bus,
		.taken = taken,
		.with = with,
		.group = memory_string(slice_of(s->group)),
		.window = s->window ? s->window : 1,
		.window_bytes = s->window_bytes ? s->window_bytes : SIZE_MAX,
		.member.fd = -1,
		.source_count = count,
		.sources = NEW_ARRAY(struct source, count) };
	reader->last_ended = &reader->ended;
	pthread_cond_init(&reader->wake, NULL);
	for (size_t i = 0; i < count; i++) {
		struct source *source = &reader->sources[i];
		*source = (struct source){ .reader = reader,
			.topic = memory_string(slice_of(s->sources[i].topic)),
			.weight = s->sources[i].weight,
			.bell.fd = -1,
			.may_have = true };
		source->last_ended = &source->ended;
		if (source->weight > reader->top_weight)
			reader->top_weight = source->weight;
		trouble_join(bus, &source->trouble);
		keeper_add(bus, source->topic);
	}
	thread_start(&reader->thread, "bus read", read_on, reader);
	return &reader->base;
}

/* Others could take it at once, or soon. */
static bool is_wanted(const struct local_delivery *delivery)
{
	return delivery->end != DELIVERY_SETTLED &&
	       delivery->due_ms <= clock_unix_ms() + NOTE_US / 1000;
}

/* One transaction for many that are settled or put off: nobody waits for them, unless
 * half of the window does. */
void reader_end(struct local_delivery *delivery)
{
	struct local_reader *reader = delivery->source->reader;
	delivery->next = NULL;
	pthread_mutex_lock(&reader->bus->lock);
	bool is_first = !reader->ended;
	*reader->last_ended = delivery;
	reader->last_ended = &delivery->next;
	if (is_first)
		reader->note_us = clock_monotonic_us() + NOTE_US;
	/* The broken rule would rarely show if its settlements waited. */
	bool is_urgent = is_wanted(delivery) || IS_BROKEN("settle_early") ||
			 ++reader->ended_count * 2 >= reader->window;
	if (is_urgent)
		reader->note_us = 0;
	if (is_first || is_urgent)
		pthread_cond_signal(&reader->wake);
	pthread_mutex_unlock(&reader->bus->lock);
}

static void end(struct bus_delivery *base, enum delivery_end how, int64_t due_ms)
{
	struct local_delivery *delivery = (struct local_delivery *)base;
	*delivery->link = delivery->next;
	if (delivery->next)
		delivery->next->link = delivery->link;
	delivery_empty(delivery);
	delivery->end = how;
	delivery->due_ms = due_ms;
	reader_end(delivery);
}

void local_settle(struct bus_delivery *delivery)
{
	end(delivery, DELIVERY_SETTLED, 0);
}

void local_give_back(struct bus_delivery *delivery, int64_t due_ms)
{
	end(delivery, DELIVERY_RETURNED, due_ms);
}

void local_pause(struct bus_reader *base)
{
	struct local_reader *reader = (struct local_reader *)base;
	pthread_mutex_lock(&reader->bus->lock);
	reader->is_paused = true;
	pthread_mutex_unlock(&reader->bus->lock);
	outbox_purge(reader->bus->outbox, reader);
}

static void free_list(struct local_delivery *delivery)
{
	while (delivery) {
		struct local_delivery *next = delivery->next;
		delivery_free(delivery);
		delivery = next;
	}
}

void local_unsubscribe(struct bus_reader *base)
{
	struct local_reader *reader = (struct local_reader *)base;
	pthread_mutex_lock(&reader->bus->lock);
	reader->is_closing = true;
	pthread_cond_signal(&reader->wake);
	pthread_mutex_unlock(&reader->bus->lock);
	pthread_join(reader->thread, NULL);
	outbox_purge(reader->bus->outbox, reader);
	free_list(reader->in_hand);
	free_list(reader->ended);
	for (size_t i = 0; i < reader->source_count; i++) {
		trouble_leave(reader->bus, &reader->sources[i].trouble);
		free(reader->sources[i].topic);
	}
	pthread_cond_destroy(&reader->wake);
	free(reader->sources);
	free(reader->group);
	free(reader);
}
