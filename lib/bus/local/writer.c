/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bus/local/keeper.h"
#include "lib/bus/local/queue.h"
#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/memory.h"
#include "lib/thread.h"

/* In trouble, the store is probed this often, so that health returns without publishers.
 */
#define PROBE_MS 1000
/* So often a record may go ahead of other apps'. Each costs a commit. */
#define HURRY_US 20000
/* Smaller bodies stay in their record. */
#define BODY_MIN_BYTES 4096
/* A publisher's first bodies go with their records: one as short-lived as posternctl
 * should not leave a file for each of its messages. */
#define LARGE_INLINE 16

/* Publishes to one topic, on a thread of its own. While it has others' records in hand
 * (bodies to sync, a sync under way, more to gather) a second one, `prompt`, commits what
 * comes of an app that has none. */
struct local_writer {
	struct local_writer *next;
	struct local_bus *bus;
	char *topic;
	bool is_compacted;
	pthread_t thread;
	pthread_cond_t wake;
	/* Guarded by the bus's lock. */
	struct queue queue;
	struct local_writer *prompt; /* NULL until it is wanted */
	int64_t hurry_us;            /* when it may be given another app's */
	bool is_closing;
	/* The thread's. */
	bool is_open;
	unsigned large; /* records so far, up to LARGE_INLINE */
	struct body_writer bodies;
	struct bell bell;
	struct database records;
	struct trouble trouble;
};

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

/* The body where it is to lie: where it does already, in the writer's file, or else with
 * the rest of its record. */
static bool place_body(
	struct local_writer *writer, struct publication *publication, struct fault *fault)
{
	struct slice *body = &publication->body, *value = &publication->value;
	bool is_large = body->size >= BODY_MIN_BYTES && value->size;
	if (publication->file)
		return true;
	if (is_large && !writer->is_compacted && writer->large++ >= LARGE_INLINE)
		return body_append(
			writer->bus, &writer->bodies, *body, &publication->place, fault);
	*value = (struct slice){ value->data, value->size + body->size };
	*body = (struct slice){ 0 };
	return true;
}

/* Before the records that refer to them, and without the lock of the records: others
 * commit meanwhile. */
static bool write_bodies(
	struct local_writer *writer, struct parcel *batch, struct fault *fault)
{
	bool has_new = false;
	body_writer_turn(writer->bus, &writer->bodies);
	for (struct parcel *parcel = batch; parcel; parcel = parcel->next) {
		struct publication *publication = publication_of(parcel);
		if (!place_body(writer, publication, fault))
			return false;
		has_new |= publication->place.file && !publication->file;
	}
	return !has_new || body_sync(writer->bus, &writer->bodies, fault);
}

static bool insert(struct local_writer *writer, const struct publication *publication,
	struct fault *fault)
{
	const struct body_place *body = &publication->place;
	if (writer->is_compacted &&
		!database_run(&writer->records, fault,
			"DELETE FROM record WHERE key = ?1", "b", publication->key))
		return false;
	return database_run(&writer->records, fault,
		"INSERT INTO record (time, due, " STORED_COLUMNS ")"
		" VALUES (?1, ?2, ?3, ?4, nullif(?5, 0), ?6, ?7)",
		"iibbiii", clock_unix_ms(), publication->due_ms, publication->key,
		publication->value, body->file, body->at, body->size);
}

static bool write_batch(
	struct local_writer *writer, struct parcel *batch, struct fault *fault)
{
	bool is_good = write_bodies(writer, batch, fault) &&
		       database_begin(&writer->records, fault);
	if (!is_good)
		return false;
	for (struct parcel *parcel = batch; parcel && is_good; parcel = parcel->next)
		is_good = insert(writer, publication_of(parcel), fault);
	if (!is_good) {
		database_rollback(&writer->records);
		return false;
	}
	/* What that broken rule settled too early must be noted before it is lost here.
	 */
	if (IS_BROKEN("settle_early"))
		usleep(20000);
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

/* What comes from here on waits for the next commit. */
static struct parcel *take_batch(struct local_writer *writer)
{
	pthread_mutex_lock(&writer->bus->lock);
	struct parcel *batch = queue_take(&writer->queue);
	pthread_mutex_unlock(&writer->bus->lock);
	return batch;
}

static void batch_done(struct local_writer *writer, struct parcel *batch)
{
	size_t count = 0;
	for (struct parcel *parcel = batch; parcel; parcel = parcel->next)
		count++;
	pthread_mutex_lock(&writer->bus->lock);
	queue_done(&writer->queue, count);
	pthread_mutex_unlock(&writer->bus->lock);
	outbox_send(writer->bus->outbox, batch);
}

static void commit_queue(struct local_writer *writer)
{
	struct fault fault = { 0 };
	bool is_good = writer->is_open || writer_open(writer, &fault);
	struct parcel *batch = take_batch(writer);
	is_good = is_good && write_batch(writer, batch, &fault) &&
		  show_batch(writer, &fault);
	for (struct parcel *parcel = batch; parcel && !is_good; parcel = parcel->next)
		publication_of(parcel)->fault = fault;
	if (is_good)
		keeper_look(writer->bus, writer->topic, &writer->records);
	trouble_report(writer->bus, &writer->trouble, is_good ? NULL : &fault);
	batch_done(writer, batch);
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
	const struct queue *queue = &writer->queue;
	if (!queue->first)
		local_wait(bus, &writer->wake,
			writer->trouble.is_on ? clock_unix_ms() + PROBE_MS : 0);
	while (queue->first && !writer->is_closing &&
		queue_due_us(queue) > clock_monotonic_us())
		local_wait_us(bus, &writer->wake, queue_due_us(queue));
}

static void *write_on(void *with)
{
	struct local_writer *writer = with;
	struct local_bus *bus = writer->bus;
	pthread_mutex_lock(&bus->lock);
	while (!writer->is_closing) {
		wait_for_work(writer);
		bool has_work = writer->queue.first != NULL;
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
	body_writer_close(bus, &writer->bodies);
	return NULL;
}

static struct local_writer *writer_new(
	struct local_bus *bus, const char *topic, const char *name)
{
	struct local_writer *writer = NEW(struct local_writer);
	*writer = (struct local_writer){ .bus = bus,
		.topic = memory_string(slice_of(topic)),
		.bell.fd = -1,
		.is_compacted = local_is_compacted(bus, topic) };
	queue_init(&writer->queue);
	pthread_cond_init(&writer->wake, NULL);
	trouble_join(bus, &writer->trouble);
	thread_start(&writer->thread, name, write_on, writer);
	return writer;
}

static struct local_writer *find_writer(struct local_bus *bus, const char *topic)
{
	for (struct local_writer *writer = bus->writers; writer; writer = writer->next)
		if (strcmp(writer->topic, topic) == 0)
			return writer;
	struct local_writer *writer = writer_new(bus, topic, "bus write");
	writer->next = bus->writers;
	bus->writers = writer;
	keeper_add(bus, topic);
	return writer;
}

/* An app's records keep their order, and those of a compacted topic too. */
static bool goes_ahead(struct local_writer *writer, uint64_t app, bool can_wait)
{
	int64_t now_us = clock_monotonic_us();
	pthread_mutex_lock(&writer->bus->lock);
	const struct queue *ahead = writer->prompt ? &writer->prompt->queue : NULL;
	bool goes = ahead && queue_holds(ahead, app);
	if (!goes && !can_wait && !writer->is_compacted && writer->hurry_us <= now_us &&
		!queue_is_free(&writer->queue) && !queue_knows(&writer->queue, app) &&
		(!ahead || ahead->waiting.count < FEW_APPS)) {
		goes = true;
		writer->hurry_us = now_us + HURRY_US;
	}
	pthread_mutex_unlock(&writer->bus->lock);
	return goes;
}

static struct local_writer *prompt_of(struct local_writer *writer)
{
	if (writer->prompt)
		return writer->prompt;
	struct local_writer *prompt = writer_new(
		writer->bus, writer->topic, "bus write now");
	pthread_mutex_lock(&writer->bus->lock);
	writer->prompt = prompt;
	pthread_mutex_unlock(&writer->bus->lock);
	return prompt;
}

void local_publish(struct bus *base, const struct bus_record *record,
	bus_published *published, void *with)
{
	struct local_bus *bus = (struct local_bus *)base;
	struct publication *publication = publication_new(bus, record, published, with);
	if (publication->fault.kind) {
		outbox_send(bus->outbox, &publication->parcel);
		return;
	}
	struct local_writer *writer = find_writer(bus, record->topic);
	if (goes_ahead(writer, publication->app, record->can_wait))
		writer = prompt_of(writer);
	pthread_mutex_lock(&bus->lock);
	if (queue_add(&writer->queue, publication, record->can_wait))
		pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&bus->lock);
}

static void writer_end(struct local_writer *writer)
{
	struct local_bus *bus = writer->bus;
	pthread_mutex_lock(&bus->lock);
	writer->is_closing = true;
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&bus->lock);
	pthread_join(writer->thread, NULL);
	for (struct parcel *parcel = writer->queue.first; parcel;) {
		struct parcel *next = parcel->next;
		publication_discard(parcel);
		parcel = next;
	}
	trouble_leave(bus, &writer->trouble);
	pthread_cond_destroy(&writer->wake);
	free(writer->topic);
	free(writer);
}

void local_writers_close(struct local_bus *bus)
{
	while (bus->writers) {
		struct local_writer *writer = bus->writers;
		bus->writers = writer->next;
		if (writer->prompt)
			writer_end(writer->prompt);
		writer_end(writer);
	}
}
