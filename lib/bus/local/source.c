/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "lib/bus/local/keeper.h"
#include "lib/bus/local/reader.h"
#include "lib/clock.h"
#include "lib/memory.h"

#define RETRY_MS      1000
#define PEER_CHECK_MS 300
/* A record that can't be read is tried again after this long. */
#define UNREADABLE_MS 60000
/* Time in one transaction for admitting a backlog. */
#define ADMIT_MS 50

struct haul {
	struct claim claims[CLAIMS_AT_ONCE];
	size_t count;
	bool is_left;      /* more is ready than was taken */
	bool has_promoted; /* some have become ready by their due time */
};

void delivery_empty(struct local_delivery *delivery)
{
	free(delivery->stored.bytes);
	body_let_go(delivery->source->reader->bus, delivery->stored.file);
	delivery->stored = (struct stored){ 0 };
}

void delivery_free(struct local_delivery *delivery)
{
	delivery_empty(delivery);
	free(delivery);
}

static void source_close(struct source *source)
{
	database_close(&source->records);
	database_close(&source->groups);
	if (source->has_ear)
		ear_close(source->reader->bus, &source->ear);
	source->has_ear = false;
	bell_close(&source->bell);
	source->is_open = false;
}

static bool source_open(struct source *source, struct fault *fault)
{
	struct local_reader *reader = source->reader;
	struct topic_place place = local_place(reader->bus, source->topic, &source->bell);
	source->ear.wake = &reader->wake;
	source->group = (struct group){ .groups = &source->groups,
		.records = &source->records };
	if (reader->member.fd < 0 &&
		!member_join(&reader->member, reader->bus->folder, fault))
		return false;
	if (!bell_open(&source->bell, place.folder, place.topic, fault))
		return false;
	source->has_ear = ear_open(reader->bus, &source->ear, &source->bell, fault);
	source->is_open =
		source->has_ear &&
		database_open(&source->records, &place, DATABASE_RECORDS_READER, fault) &&
		database_open(&source->groups, &place, DATABASE_GROUPS, fault) &&
		group_open(&source->group, slice_of(reader->group), fault);
	source->group.member = reader->member.number;
	if (!source->is_open)
		source_close(source);
	source->peers_ms = 1; /* members may have died while nobody was there */
	source->may_have = source->has_news = true;
	return source->is_open;
}

/* Everything is opened anew next time: the file may have been replaced, the disk changed.
 */
static bool rest(struct source *source, const struct fault *fault)
{
	trouble_report(source->reader->bus, &source->trouble, fault);
	source_close(source);
	source->retry_ms = clock_unix_ms() + RETRY_MS;
	source->quota = 0;
	if (source->reader->blocked == source)
		source->reader->blocked = NULL;
	return false;
}

static bool note_ended(struct source *source, bool *ret_is_returned, struct fault *fault)
{
	for (struct local_delivery *d = source->ended; d; d = d->next) {
		bool is_settled = d->end == DELIVERY_SETTLED;
		if (is_settled ? !group_settle(&source->group, d->id, fault)
			       : !group_put_off(&source->group, d->id, d->due_ms,
					 d->end == DELIVERY_RETURNED, fault))
			return false;
		*ret_is_returned |= !is_settled;
	}
	return true;
}

static void forget_ended(struct source *source)
{
	while (source->ended) {
		struct local_delivery *next = source->ended->next;
		delivery_free(source->ended);
		source->ended = next;
	}
	source->last_ended = &source->ended;
}

static bool admit(struct source *source, struct fault *fault)
{
	int64_t until_ms = clock_monotonic_ms() + ADMIT_MS;
	bool has_more = true;
	while (has_more && clock_monotonic_ms() < until_ms)
		if (!group_admit(&source->group, &has_more, fault))
			return false;
	source->has_news = has_more;
	return true;
}

static bool exchange(struct source *source, struct haul *haul, struct fault *fault)
{
	struct local_reader *reader = source->reader;
	struct claim_bounds bounds = { .records = source->quota,
		.newcomers = source->room,
		.crowd = &reader->crowd,
		.may_exceed = reader->held == 0 };
	if (reader->held_bytes < reader->window_bytes)
		bounds.bytes = reader->window_bytes - reader->held_bytes;
	bool is_returned = false;
	bool is_good = group_refresh(&source->group, fault) &&
		       note_ended(source, &is_returned, fault) &&
		       (!source->has_news || admit(source, fault)) &&
		       group_promote(&source->group, clock_unix_ms(), &haul->has_promoted,
			       fault) &&
		       ((!bounds.records && !bounds.newcomers) ||
			       group_claim(&source->group, &bounds, haul->claims,
				       &haul->count, &haul->is_left, fault)) &&
		       group_next_due(&source->group, &source->next_due_ms, fault);
	if (!is_good) {
		database_rollback(&source->groups);
		return false;
	}
	if (!database_commit(&source->groups, fault))
		return false;
	forget_ended(source);
	/* Another member may be the one that has room for it, or must know the time. */
	if (is_returned)
		bell_ring(&source->bell);
	return true;
}

/* In the loop, when the reader is paused or closed; the latter frees it again. */
static void take_back(struct parcel *parcel)
{
	struct local_delivery *delivery =
		(void *)((char *)parcel - offsetof(struct local_delivery, parcel));
	delivery->end = DELIVERY_UNSEEN;
	reader_end(delivery);
}

/* In the loop. */
static void hand_over(struct parcel *parcel)
{
	struct local_delivery *delivery =
		(void *)((char *)parcel - offsetof(struct local_delivery, parcel));
	struct local_reader *reader = delivery->source->reader;
	if (reader->is_paused) {
		take_back(parcel);
		return;
	}
	delivery->next = reader->in_hand;
	if (delivery->next)
		delivery->next->link = &delivery->next;
	delivery->link = &reader->in_hand;
	reader->in_hand = delivery;
	reader->taken(reader->with, &delivery->base);
}

/* False: it could not be read, or is gone. A record with columns missing is delivered
 * empty: the taker can't decode it and puts it where damaged records go. */
static bool read_record(struct source *source, struct local_delivery *delivery,
	bool *ret_is_done, struct fault *fault)
{
	sqlite3_stmt *row = database_query(&source->records, fault,
		"SELECT time, " STORED_COLUMNS " FROM record WHERE id = ?1", "i",
		delivery->id);
	if (!row || !database_row(&source->records, row, ret_is_done, fault))
		return false;
	delivery->base.published_ms = sqlite3_column_int64(row, 0);
	bool is_read = stored_read(source->reader->bus, row, 1, &delivery->stored, fault);
	delivery->base.key = delivery->stored.key;
	delivery->base.value = delivery->stored.value;
	sqlite3_reset(row);
	return is_read;
}

/* For the loop; newcomers, of apps that have nothing in hand while others have, go first.
 */
struct parcels {
	struct parcel *prompt, **last_prompt, *first, **last;
};

/* What can't be read now is put off, or is settled if it is gone. */
static bool deliver(struct source *source, const struct claim *claim,
	struct parcels *parcels, struct fault *fault)
{
	struct local_reader *reader = source->reader;
	struct local_delivery *delivery = NEW(struct local_delivery);
	delivery->base = (struct bus_delivery){
		.topic = source->topic, .attempt = claim->attempt, .reader = &reader->base
	};
	delivery->parcel = (struct parcel){
		.owner = reader, .open = hand_over, .discard = take_back
	};
	delivery->source = source;
	delivery->id = claim->id;
	delivery->size = claim->size;
	delivery->place = claim->place;
	bool is_gone = false;
	if (read_record(source, delivery, &is_gone, fault)) {
		if (delivery->stored.is_cut)
			local_note_loss(reader->bus, source->topic, claim->id,
				"has lost bytes of its body");
		bool is_newcomer = reader->held && !reader->crowd.in_hand[claim->place];
		struct parcel ***last = is_newcomer ? &parcels->last_prompt
						    : &parcels->last;
		reader->crowd.in_hand[claim->place]++;
		reader->held++;
		source->held++;
		reader->held_bytes += claim->size;
		**last = &delivery->parcel;
		*last = &delivery->parcel.next;
		return true;
	}
	if (is_gone)
		local_note_loss(reader->bus, source->topic, claim->id,
			"was gone before it was taken");
	delivery->end = is_gone ? DELIVERY_SETTLED : DELIVERY_UNSEEN;
	delivery->due_ms = clock_unix_ms() + UNREADABLE_MS;
	*source->last_ended = delivery;
	source->last_ended = &delivery->next;
	return is_gone;
}

/* They are ours by now, whatever fails. One transaction, for each takes and lets go of
 * locks; and the loop wakes once. */
static bool deliver_all(
	struct source *source, const struct haul *haul, struct fault *fault)
{
	bool is_good = true;
	struct parcels parcels = { 0 };
	parcels.last_prompt = &parcels.prompt;
	parcels.last = &parcels.first;
	if (haul->count == 0)
		return true;
	database_run(&source->records, NULL, "BEGIN", "");
	for (size_t i = 0; i < haul->count; i++)
		is_good &= deliver(source, &haul->claims[i], &parcels, fault);
	database_run(&source->records, NULL, "COMMIT", "");
	outbox_send_promptly(source->reader->bus->outbox, parcels.prompt);
	outbox_send(source->reader->bus->outbox, parcels.first);
	return is_good;
}

static bool look_for_peers(struct source *source, struct fault *fault)
{
	int64_t peer;
	if (!group_next_peer(&source->group, 0, &peer, fault))
		return false;
	if (!peer)
		source->peers_ms = 0;
	else if (!source->peers_ms)
		source->peers_ms = clock_unix_ms() + PEER_CHECK_MS;
	return true;
}

static bool work(struct source *source, struct haul *haul, struct fault *fault)
{
	bool has_work = source->ended != NULL;
	if (!database_is_in_place(&source->records, fault) ||
		!database_is_in_place(&source->groups, fault))
		return false;
	if (!has_work &&
		!group_has_work(&source->group, clock_unix_ms(), &has_work, fault))
		return false;
	if (!has_work) {
		source->has_news = false;
		return group_next_due(&source->group, &source->next_due_ms, fault);
	}
	if (!database_begin(&source->groups, fault) || !exchange(source, haul, fault))
		return false;
	keeper_look(source->reader->bus, source->topic, &source->groups);
	return true;
}

/* What the round has told about the next one. */
static void learn(struct source *source, const struct haul *haul, bool is_new)
{
	struct local_reader *reader = source->reader;
	if (source->quota)
		source->may_have = haul->is_left || source->has_news;
	else
		source->may_have |= haul->has_promoted;
	source->has_moved = haul->count > 0 || source->has_news || haul->has_promoted ||
			    is_new || (source->quota && !source->may_have);
	if (source->quota && haul->count == 0 && haul->is_left)
		reader->blocked = source;
	else if (reader->blocked == source)
		reader->blocked = NULL;
	source->quota = 0;
	source->retry_ms = 0;
}

bool source_work(struct source *source)
{
	struct fault fault = { 0 };
	struct haul haul = { .count = 0 };
	bool is_new = !source->is_open;
	if ((is_new && !source_open(source, &fault)) || !work(source, &haul, &fault))
		return rest(source, &fault);
	learn(source, &haul, is_new);
	bool is_good = deliver_all(source, &haul, &fault);
	if (!look_for_peers(source, &fault))
		return rest(source, &fault);
	trouble_report(source->reader->bus, &source->trouble, is_good ? NULL : &fault);
	return true;
}

static bool release_dead(
	struct source *source, bool *ret_has_released, struct fault *fault)
{
	for (int64_t peer = 0;;) {
		if (!group_next_peer(&source->group, peer, &peer, fault))
			return false;
		if (!peer)
			return true;
		if (member_is_alive(&source->reader->member, peer))
			continue;
		if (!database_begin(&source->groups, fault))
			return false;
		if (!group_release(&source->group, peer, true, fault)) {
			database_rollback(&source->groups);
			return false;
		}
		if (!database_commit(&source->groups, fault))
			return false;
		*ret_has_released = true;
	}
}

void source_check_peers(struct source *source)
{
	struct fault fault;
	bool has_released = false;
	source->peers_ms = 0;
	if (!release_dead(source, &has_released, &fault) ||
		!look_for_peers(source, &fault))
		rest(source, &fault);
	if (!has_released)
		return;
	source->may_have = true;
	bell_ring(&source->bell);
}

void source_leave(struct source *source)
{
	if (source->is_open && database_begin(&source->groups, NULL)) {
		bool is_returned = false;
		bool is_good = note_ended(source, &is_returned, NULL) &&
			       group_release(
				       &source->group, source->group.member, false, NULL);
		if (!is_good)
			database_rollback(&source->groups);
		else if (database_commit(&source->groups, NULL))
			bell_ring(&source->bell);
	}
	forget_ended(source);
	source_close(source);
}
