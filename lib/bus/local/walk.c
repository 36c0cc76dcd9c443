/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/walk.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/memory.h"
#include "lib/thread.h"

#define RETRY_MS      1000
#define BATCH_RECORDS 256
#define BATCH_SEEN    4096
/* A single larger record still goes. */
#define BATCH_BYTES     ((size_t)1 << 20)
#define UNDER_WAY_BYTES ((size_t)4 << 20)
/* What a sighting itself costs, so that empty ones are bounded too. */
#define SIGHTING_BYTES 512

static size_t cost(const struct sighting *sighting)
{
	return SIGHTING_BYTES + sighting->key.size + sighting->value.size;
}

static struct sighting *sighting_of(struct parcel *parcel)
{
	return (void *)((char *)parcel - offsetof(struct sighting, parcel));
}

static void discard(struct parcel *parcel)
{
	struct sighting *sighting = sighting_of(parcel);
	free(sighting->bytes);
	free(sighting);
}

static void show(struct parcel *parcel)
{
	struct sighting *sighting = sighting_of(parcel);
	struct walk *walk = sighting->walk;
	pthread_mutex_lock(&walk->bus->lock);
	walk->under_way -= cost(sighting);
	if (walk->under_way <= UNDER_WAY_BYTES / 2)
		pthread_cond_signal(&walk->wake);
	pthread_mutex_unlock(&walk->bus->lock);
	walk->plan->show(walk, sighting);
	discard(parcel);
}

static void send(struct walk *walk, struct sighting *sighting)
{
	struct local_bus *bus = walk->bus;
	sighting->walk = walk;
	sighting->parcel =
		(struct parcel){ .owner = walk, .open = show, .discard = discard };
	pthread_mutex_lock(&bus->lock);
	while (walk->under_way > UNDER_WAY_BYTES && !walk->is_closing)
		local_wait(bus, &walk->wake, 0);
	walk->under_way += cost(sighting);
	pthread_mutex_unlock(&bus->lock);
	outbox_send(bus->outbox, &sighting->parcel);
}

void walk_send(struct walk *walk, enum sighting_kind kind, const struct fault *fault)
{
	struct sighting *sighting = NEW(struct sighting);
	sighting->kind = kind;
	if (fault)
		sighting->fault = *fault;
	send(walk, sighting);
}

/* NULL: it can't be read. */
static struct sighting *sighting_new(
	struct walk *walk, sqlite3_stmt *row, struct fault *fault)
{
	struct stored stored;
	if (!stored_read(walk->bus, row, 2, &stored, fault))
		return NULL;
	body_let_go(walk->bus, stored.file);
	struct sighting *sighting = NEW(struct sighting);
	*sighting = (struct sighting){ .kind = SIGHTING_RECORD,
		.time_ms = sqlite3_column_int64(row, 1),
		.key = stored.key,
		.value = stored.value,
		.bytes = stored.bytes };
	return sighting;
}

/* Sent only after the statement is reset: waiting for the loop must not pin the WAL. */
enum walk_result walk_send_rows(struct walk *walk, sqlite3_stmt *rows,
	bool (*wants)(struct walk *walk, const struct walk_row *row), struct fault *fault)
{
	struct sighting *batch[BATCH_RECORDS];
	size_t count = 0, bytes = 0;
	bool is_done = false, is_full = false, is_good = true;
	for (int seen = 0; is_good && !is_full &&
			   database_row(&walk->records, rows, &is_done, fault);
		seen++) {
		struct walk_row row = { .id = sqlite3_column_int64(rows, 0),
			.time_ms = sqlite3_column_int64(rows, 1),
			.key = column_slice(rows, 2),
			.value = column_slice(rows, 3) };
		if (wants(walk, &row)) {
			batch[count] = sighting_new(walk, rows, fault);
			is_good = batch[count] != NULL;
			bytes += is_good ? cost(batch[count++]) : 0;
		}
		is_full = seen == BATCH_SEEN || count == BATCH_RECORDS ||
			  bytes >= BATCH_BYTES;
	}
	sqlite3_reset(rows);
	for (size_t i = 0; i < count; i++)
		send(walk, batch[i]);
	if (is_full && is_good)
		return WALK_ON;
	return is_done ? WALK_REST : WALK_FAILED;
}

static bool has_files(const struct walk *walk)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s.db", walk->bus->folder, walk->topic);
	return access(path, F_OK) == 0;
}

static void close_files(struct walk *walk)
{
	database_close(&walk->records);
	if (walk->is_open)
		ear_close(walk->bus, &walk->ear);
	walk->is_open = false;
	bell_close(&walk->bell);
}

static bool open_files(struct walk *walk, struct fault *fault)
{
	struct topic_place place = local_place(walk->bus, walk->topic, &walk->bell);
	walk->ear.wake = &walk->wake;
	if (!bell_open(&walk->bell, place.folder, place.topic, fault))
		return false;
	walk->is_open = ear_open(walk->bus, &walk->ear, &walk->bell, fault);
	walk->is_fresh = true;
	if (walk->is_open &&
		database_open(&walk->records, &place, DATABASE_RECORDS_READER, fault))
		return true;
	close_files(walk);
	return false;
}

static enum walk_result try_step(struct walk *walk, struct fault *fault)
{
	if (!walk->is_open && !walk->plan->may_create && !has_files(walk))
		return WALK_OVER;
	if (!walk->is_open && !open_files(walk, fault))
		return WALK_FAILED;
	if (!database_is_in_place(&walk->records, fault))
		return WALK_FAILED;
	return walk->plan->step(walk, fault);
}

static enum walk_result step(struct walk *walk)
{
	struct fault fault = { 0 };
	enum walk_result result = try_step(walk, &fault);
	if (walk->plan->is_stubborn)
		trouble_report(
			walk->bus, &walk->trouble, result == WALK_FAILED ? &fault : NULL);
	else if (result == WALK_FAILED)
		result = WALK_OVER;
	if (result == WALK_OVER)
		walk_send(walk, SIGHTING_END, &fault);
	if (result == WALK_FAILED)
		close_files(walk);
	return result;
}

/* The lock is held. */
static void rest(struct walk *walk, enum walk_result result)
{
	int64_t until_ms = result == WALK_FAILED ? clock_unix_ms() + RETRY_MS : 0;
	while (!walk->is_closing) {
		bool is_rung = result == WALK_REST && walk->ear.rang;
		bool is_time = until_ms && clock_unix_ms() >= until_ms;
		if (result == WALK_ON || is_rung || is_time)
			return;
		local_wait(walk->bus, &walk->wake, until_ms);
	}
}

static void *walk_on(void *with)
{
	struct walk *walk = with;
	pthread_mutex_lock(&walk->bus->lock);
	while (!walk->is_closing) {
		walk->ear.rang = false;
		pthread_mutex_unlock(&walk->bus->lock);
		enum walk_result result = step(walk);
		pthread_mutex_lock(&walk->bus->lock);
		rest(walk, result);
	}
	pthread_mutex_unlock(&walk->bus->lock);
	close_files(walk);
	return NULL;
}

void walk_start(struct walk *walk, struct local_bus *bus, const struct walk_plan *plan,
	const char *topic)
{
	walk->bus = bus;
	walk->plan = plan;
	walk->topic = memory_string(slice_of(topic));
	walk->bell.fd = -1;
	pthread_cond_init(&walk->wake, NULL);
	trouble_join(bus, &walk->trouble);
	thread_start(&walk->thread, "bus walk", walk_on, walk);
}

void walk_stop(struct walk *walk)
{
	pthread_mutex_lock(&walk->bus->lock);
	walk->is_closing = true;
	pthread_cond_signal(&walk->wake);
	pthread_mutex_unlock(&walk->bus->lock);
	pthread_join(walk->thread, NULL);
	outbox_purge(walk->bus->outbox, walk);
	trouble_leave(walk->bus, &walk->trouble);
	pthread_cond_destroy(&walk->wake);
	free(walk->topic);
}
