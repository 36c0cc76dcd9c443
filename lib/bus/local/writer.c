/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bus/local/keeper.h"
#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/memory.h"

/* What goes into one commit at most: everything that came while the last one's fsync ran,
 * within bounds that keep the write lock short. */
#define COMMIT_RECORDS 1000
#define COMMIT_BYTES   ((size_t)16 << 20)
#define KEY_CEILING    4096
/* In trouble, the store is probed this often, so that health returns without publishers.
 */
#define PROBE_MS  1000
#define GATHER_US 6000
/* How long records that can wait do so for others to share their sync. */
#define PATIENCE_US 10000

struct publication {
	struct parcel parcel;
	bus_published *published;
	void *with;
	struct slice key, value;
	int64_t due_ms;
	char *bytes; /* key and value */
	struct fault fault;
};

/* Publishes to one topic, on a thread of its own. */
struct local_writer {
	struct local_writer *next;
	struct local_bus *bus;
	char *topic;
	bool is_compacted;
	pthread_t thread;
	pthread_cond_t wake;
	/* Guarded by the bus's lock. */
	struct parcel *first, **last;
	int64_t commit_us; /* when the queue's patience ends (monotonic) */
	bool is_closing;
	/* The thread's. */
	bool is_open;
	int64_t last_us; /* when its last commit ended, if that was of several records */
	struct bell bell;
	struct database records;
	struct trouble trouble;
};

static struct publication *publication_of(struct parcel *parcel)
{
	return (void *)((char *)parcel - offsetof(struct publication, parcel));
}

static void discard_publication(struct parcel *parcel)
{
	struct publication *publication = publication_of(parcel);
	free(publication->bytes);
	free(publication);
}

static void report_publication(struct parcel *parcel)
{
	struct publication *publication = publication_of(parcel);
	bool has_failed = publication->fault.kind != FAULT_NONE;
	publication->published(
		publication->with, has_failed ? &publication->fault : NULL);
	discard_publication(parcel);
}

static bool writer_open(struct local_writer *writer, struct fault *fault)
{
	struct topic_place place = local_place(writer->bus, writer->topic, &writer->bell);
	if (!bell_open(&writer->bell, place.folder, place.topic, fault))
		return false;
	writer->is_open = database_open(
		&writer->records, &place, DATABASE_RECORDS, fault);
	if (!writer->is_open)
		bell_close(&writer->bell);
	return writer->is_open;
}

/* After any failure: the next commit finds out anew what is there. */
static void writer_close(struct local_writer *writer)
{
	database_close(&writer->records);
	bell_close(&writer->bell);
	writer->is_open = false;
}

static struct parcel *take_batch(struct local_writer *writer)
{
	pthread_mutex_lock(&writer->bus->lock);
	struct parcel *batch = writer->first, **end = &batch;
	size_t count = 0, bytes = 0;
	while (*end && count < COMMIT_RECORDS && bytes < COMMIT_BYTES) {
		bytes += publication_of(*end)->value.size;
		count++;
		end = &(*end)->next;
	}
	writer->first = *end;
	if (!writer->first)
		writer->last = &writer->first;
	*end = NULL;
	pthread_mutex_unlock(&writer->bus->lock);
	return batch;
}

static bool insert(struct local_writer *writer, const struct publication *publication,
	struct fault *fault)
{
	if (writer->is_compacted &&
		!database_run(&writer->records, fault,
			"DELETE FROM record WHERE key = ?1", "b", publication->key))
		return false;
	return database_run(&writer->records, fault,
		"INSERT INTO record (time, due, key, value) VALUES (?1, ?2, ?3, ?4)",
		"iibb", clock_unix_ms(), publication->due_ms, publication->key,
		publication->value);
}

static bool write_batch(
	struct local_writer *writer, struct parcel *batch, struct fault *fault)
{
	for (struct parcel *parcel = batch; parcel; parcel = parcel->next)
		if (!insert(writer, publication_of(parcel), fault)) {
			database_rollback(&writer->records);
			return false;
		}
	KILL_POINT("local.in_commit");
	return database_commit(&writer->records, fault);
}

/* Others may take a record from here on, before it is on disk. If a power cut takes it
 * away again, nobody was told that it is durable: whoever published it does so again, and
 * groups that have come further than the topic have it numbered on. */
static bool show_batch(struct local_writer *writer, struct fault *fault)
{
	KILL_POINT("local.before_ring");
	bell_ring(&writer->bell);
	KILL_POINT("local.before_sync");
	return database_sync(&writer->records, fault);
}

/* Just after a commit of several records more are on their way: with a moment's patience
 * one sync does for them all. An idle bus, or a lone publisher, never waits here. */
static void gather(const struct local_writer *writer)
{
	int64_t rest_us = writer->last_us + GATHER_US - clock_monotonic_us();
	if (rest_us > 0)
		usleep((useconds_t)rest_us);
}

/* The lock first, then the batch: what comes while we wait for the lock goes along. */
static void commit_queue(struct local_writer *writer)
{
	struct fault fault = { 0 };
	gather(writer);
	bool is_good = (writer->is_open || writer_open(writer, &fault)) &&
		       database_begin(&writer->records, &fault);
	struct parcel *batch = take_batch(writer);
	is_good = is_good && write_batch(writer, batch, &fault) &&
		  show_batch(writer, &fault);
	for (struct parcel *parcel = batch; parcel && !is_good; parcel = parcel->next)
		publication_of(parcel)->fault = fault;
	if (is_good)
		keeper_look(writer->bus, writer->topic, &writer->records);
	trouble_report(writer->bus, &writer->trouble, is_good ? NULL : &fault);
	writer->last_us = batch && batch->next ? clock_monotonic_us() : 0;
	outbox_send(writer->bus->outbox, batch);
	if (!is_good)
		writer_close(writer);
}

/* Writes, syncs and takes away again what a publisher's record might cost. */
static void probe(struct local_writer *writer)
{
	struct fault fault = { 0 };
	bool is_good = (writer->is_open || writer_open(writer, &fault)) &&
		       database_begin(&writer->records, &fault) &&
		       database_run(&writer->records, &fault,
			       "INSERT INTO record (time, due, key, value)"
			       " VALUES (0, 0, x'', zeroblob(65536))",
			       "") &&
		       database_run(&writer->records, &fault,
			       "DELETE FROM record WHERE id = last_insert_rowid()", "") &&
		       database_commit(&writer->records, &fault) &&
		       database_sync(&writer->records, &fault);
	trouble_report(writer->bus, &writer->trouble, is_good ? NULL : &fault);
	if (!is_good)
		writer_close(writer);
}

/* The lock is held, and let go of meanwhile. */
static void wait_for_work(struct local_writer *writer)
{
	struct local_bus *bus = writer->bus;
	if (!writer->first)
		local_wait(bus, &writer->wake,
			writer->trouble.is_on ? clock_unix_ms() + PROBE_MS : 0);
	while (writer->first && !writer->is_closing &&
		writer->commit_us > clock_monotonic_us())
		local_wait_us(bus, &writer->wake, writer->commit_us);
}

static void *write_on(void *with)
{
	struct local_writer *writer = with;
	struct local_bus *bus = writer->bus;
	pthread_mutex_lock(&bus->lock);
	while (!writer->is_closing) {
		wait_for_work(writer);
		bool has_work = writer->first != NULL;
		bool is_closing = writer->is_closing,
		     is_in_trouble = writer->trouble.is_on;
		pthread_mutex_unlock(&bus->lock);
		if (has_work)
			commit_queue(writer);
		else if (is_in_trouble && !is_closing)
			probe(writer);
		pthread_mutex_lock(&bus->lock);
	}
	pthread_mutex_unlock(&bus->lock);
	keeper_checkpoint(&writer->records);
	writer_close(writer);
	return NULL;
}

static struct local_writer *find_writer(struct local_bus *bus, const char *topic)
{
	for (struct local_writer *writer = bus->writers; writer; writer = writer->next)
		if (strcmp(writer->topic, topic) == 0)
			return writer;
	const struct bus_topic *kept = bus_topic_find(bus->topics, topic);
	struct local_writer *writer = NEW(struct local_writer);
	*writer = (struct local_writer){ .next = bus->writers,
		.bus = bus,
		.topic = memory_string(slice_of(topic)),
		.bell.fd = -1,
		.is_compacted = kept && kept->compacted };
	writer->last = &writer->first;
	pthread_cond_init(&writer->wake, NULL);
	trouble_join(bus, &writer->trouble);
	bus->writers = writer;
	keeper_add(bus, topic);
	local_thread_start(&writer->thread, write_on, writer);
	return writer;
}

static bool check_record(
	const struct local_bus *bus, const struct bus_record *record, struct fault *fault)
{
	if (!bus_topic_check(record->topic, fault))
		return false;
	if (record->key.size > KEY_CEILING)
		return fault_permanent(fault, "a key of %zu bytes; %d are allowed",
			record->key.size, KEY_CEILING);
	if (record->value.size > bus->value_ceiling)
		return fault_permanent(fault, "a value of %zu bytes; %zu are allowed",
			record->value.size, bus->value_ceiling);
	return true;
}

void local_publish(struct bus *base, const struct bus_record *record,
	bus_published *published, void *with)
{
	struct local_bus *bus = (struct local_bus *)base;
	struct publication *publication = NEW(struct publication);
	publication->parcel = (struct parcel){
		.owner = bus, .open = report_publication, .discard = discard_publication
	};
	publication->published = published;
	publication->with = with;
	publication->due_ms = record->due_ms;
	if (!check_record(bus, record, &publication->fault)) {
		outbox_send(bus->outbox, &publication->parcel);
		return;
	}
	publication->bytes = memory_new(record->key.size + record->value.size);
	publication->key = (struct slice){ publication->bytes, record->key.size };
	publication->value = (struct slice){ publication->bytes + record->key.size,
		record->value.size };
	if (record->key.size)
		memcpy(publication->bytes, record->key.data, record->key.size);
	if (record->value.size)
		memcpy(publication->bytes + record->key.size, record->value.data,
			record->value.size);
	struct local_writer *writer = find_writer(bus, record->topic);
	pthread_mutex_lock(&bus->lock);
	if (!record->can_wait)
		writer->commit_us = 0;
	else if (!writer->first)
		writer->commit_us = clock_monotonic_us() + PATIENCE_US;
	bool is_new = !writer->first || !record->can_wait;
	*writer->last = &publication->parcel;
	writer->last = &publication->parcel.next;
	if (is_new)
		pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&bus->lock);
}

void local_writers_close(struct local_bus *bus)
{
	while (bus->writers) {
		struct local_writer *writer = bus->writers;
		bus->writers = writer->next;
		pthread_mutex_lock(&bus->lock);
		writer->is_closing = true;
		pthread_cond_signal(&writer->wake);
		pthread_mutex_unlock(&bus->lock);
		pthread_join(writer->thread, NULL);
		for (struct parcel *parcel = writer->first; parcel;) {
			struct parcel *next = parcel->next;
			discard_publication(parcel);
			parcel = next;
		}
		trouble_leave(bus, &writer->trouble);
		pthread_cond_destroy(&writer->wake);
		free(writer->topic);
		free(writer);
	}
}
