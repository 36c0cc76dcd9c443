/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/walk.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/memory.h"

#define RETRY_MS      1000
#define BATCH_RECORDS 256
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

static struct sighting *read_row(sqlite3_stmt *row)
{
	struct sighting *sighting = NEW(struct sighting);
	struct slice key = column_slice(row, 2), value = column_slice(row, 3);
	sighting->kind = SIGHTING_RECORD;
	sighting->time_ms = sqlite3_column_int64(row, 1);
	sighting->bytes = memory_new(key.size + value.size);
	if (key.size)
		memcpy(sighting->bytes, key.data, key.size);
	if (value.size)
		memcpy(sighting->bytes + key.size, value.data, value.size);
	sighting->key = (struct slice){ sighting->bytes, key.size };
	sighting->value = (struct slice){ sighting->bytes + key.size, value.size };
	return sighting;
}

/* Sent only after the statement is reset: waiting for the loop must not pin the WAL. */
enum walk_result walk_send_rows(struct walk *walk, sqlite3_stmt *rows,
	bool (*has_passed)(struct walk *walk, int64_t id, struct sighting *sighting),
	struct fault *fault)
{
	struct sighting *batch[BATCH_RECORDS];
	size_t count = 0, bytes = 0;
	bool is_done = false, is_full = false;
	while (!is_full && database_row(&walk->records, rows, &is_done, fault)) {
		struct sighting *sighting = read_row(rows);
		if (!has_passed(walk, sqlite3_column_int64(rows, 0), sighting)) {
			discard(&sighting->parcel);
			continue;
		}
		batch[count++] = sighting;
		bytes += cost(sighting);
		is_full = count == BATCH_RECORDS || bytes >= BATCH_BYTES;
	}
	sqlite3_reset(rows);
	for (size_t i = 0; i < count; i++)
		send(walk, batch[i]);
	if (is_full)
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
	struct topic_place place = { walk->bus->folder, walk->topic, &walk->bell };
	walk->ear.wake = &walk->wake;
	if (!bell_open(&walk->bell, place.folder, place.topic, fault))
		return false;
	walk->is_open = ear_open(walk->bus, &walk->ear, &walk->bell, fault);
	if (walk->is_open &&
		database_open(&walk->records, &place, DATABASE_RECORDS_READER, fault))
		return true;
	close_files(walk);
	return false;
}

static enum walk_result step(struct walk *walk)
{
	struct fault fault = { 0 };
	enum walk_result result = WALK_OVER;
	if (walk->is_open || walk->plan->may_create || has_files(walk))
		result = walk->is_open || open_files(walk, &fault)
				 ? walk->plan->step(walk, &fault)
				 : WALK_FAILED;
	if (result == WALK_OVER || (result == WALK_FAILED && !walk->plan->is_stubborn)) {
		walk_send(walk, SIGHTING_END, &fault);
		result = WALK_OVER;
	}
	if (walk->plan->is_stubborn)
		trouble_report(
			walk->bus, &walk->trouble, result == WALK_FAILED ? &fault : NULL);
	if (result == WALK_FAILED)
		close_files(walk);
	return result;
}

static void *walk_on(void *with)
{
	struct walk *walk = with;
	struct local_bus *bus = walk->bus;
	pthread_mutex_lock(&bus->lock);
	while (!walk->is_closing) {
		walk->ear.rang = false;
		pthread_mutex_unlock(&bus->lock);
		enum walk_result result = step(walk);
		int64_t at_ms = result == WALK_FAILED ? clock_unix_ms() + RETRY_MS
						      : INT64_MAX;
		pthread_mutex_lock(&bus->lock);
		while (result != WALK_ON && !walk->is_closing &&
			(result == WALK_OVER || !walk->ear.rang) &&
			clock_unix_ms() < at_ms)
			local_wait(bus, &walk->wake, result == WALK_FAILED ? at_ms : 0);
	}
	pthread_mutex_unlock(&bus->lock);
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
	local_thread_start(&walk->thread, walk_on, walk);
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
