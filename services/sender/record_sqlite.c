/* SPDX-License-Identifier: MIT
 *
 * The delivery record as a table in a file (SQLite 3, WAL, synchronous=FULL). A thread of
 * its own has the database: it answers all questions that wait, then commits all entries
 * that wait in one transaction, so that one fsync serves many messages. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"
#include "lib/thread.h"
#include "services/sender/delivery_table.h"
#include "services/sender/record_engine.h"

#define PRUNE_MS 60000
/* A disk that is full for a moment must not cost duplicates; one that stays so must not
 * stop the mail. */
#define AGAIN_MS    100
#define PATIENCE_MS 30000

/* A question or entries on their way to the thread and back. */
struct request {
	struct request *next;
	struct arena *arena;
	struct slice message;
	size_t count;
	struct record_entry *entries; /* a question leaves the notes empty at first */
	record_told *told;            /* a question; otherwise `written` */
	record_written *written;
	void *with;
	struct fault fault; /* FAULT_NONE: it went well */
};

struct requests {
	struct request *first, **end;
};

struct thread_record {
	struct record record;
	struct loop *loop;
	char *path;
	int claims; /* file whose byte locks are the claims */
	int64_t keep_ms;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t has_asked;
	struct requests asked, done;
	bool is_closing, must_rest;   /* entries were put back */
	int bell;                     /* eventfd: something is done */
	struct watch *watch;          /* of the bell, the loop's own */
	struct delivery_table *table; /* the thread's own */
	int64_t prune_ms;             /* monotonic: next time */
	int64_t trouble_ms; /* monotonic: entries can't be written since; 0 = can */
};

static void push(struct requests *requests, struct request *request)
{
	request->next = NULL;
	*requests->end = request;
	requests->end = &request->next;
}

static struct request *take_all(struct requests *requests)
{
	struct request *first = requests->first;
	requests->first = NULL;
	requests->end = &requests->first;
	return first;
}

static void find(struct thread_record *thread, struct request *request)
{
	for (size_t i = 0; i < request->count; i++) {
		struct record_entry *entry = &request->entries[i];
		if (!delivery_table_find(thread->table, request->message,
			    entry->recipient, request->arena, &entry->note,
			    &request->fault))
			return;
	}
}

static bool note_all(
	struct thread_record *thread, struct request *first, struct fault *fault)
{
	for (struct request *r = first; r; r = r->next)
		for (size_t i = 0; i < r->count; i++)
			if (!delivery_table_note(thread->table, r->message,
				    r->entries[i].recipient, r->entries[i].note, fault))
				return false;
	return true;
}

/* False: to be tried again. */
static bool write_all(struct thread_record *thread, struct request *first)
{
	struct fault fault = { 0 };
	if (delivery_table_begin(thread->table, &fault) &&
		note_all(thread, first, &fault) &&
		delivery_table_end(thread->table, &fault)) {
		thread->trouble_ms = 0;
		return true;
	}
	delivery_table_rollback(thread->table);
	int64_t now_ms = clock_monotonic_ms();
	if (!thread->trouble_ms)
		thread->trouble_ms = now_ms;
	if (now_ms - thread->trouble_ms < PATIENCE_MS)
		return false;
	for (struct request *r = first; r; r = r->next)
		r->fault = fault;
	return true;
}

/* A part at a time: nobody's delivery waits for the sweeping. */
static void prune(struct thread_record *thread)
{
	int64_t now_ms = clock_monotonic_ms();
	if (now_ms < thread->prune_ms)
		return;
	bool has_more = delivery_table_prune(
		thread->table, clock_unix_ms() - thread->keep_ms);
	thread->prune_ms = now_ms + (has_more ? 100 : PRUNE_MS);
}

static void answer(struct request *request)
{
	const struct fault *fault = request->fault.kind ? &request->fault : NULL;
	if (!request->told) {
		request->written(request->with, fault);
		return;
	}
	struct slice *notes = ARENA_ARRAY(
		request->arena, struct slice, request->count + 1);
	for (size_t i = 0; i < request->count; i++)
		notes[i] = request->entries[i].note;
	request->told(request->with, notes, fault);
}

static void on_bell(void *with, unsigned what)
{
	(void)what;
	struct thread_record *thread = with;
	uint64_t rings;
	(void)!read(thread->bell, &rings, sizeof(rings));
	pthread_mutex_lock(&thread->lock);
	struct request *request = take_all(&thread->done);
	pthread_mutex_unlock(&thread->lock);
	while (request) {
		struct request *next = request->next;
		answer(request);
		arena_free(request->arena);
		request = next;
	}
}

static void hand_back(struct thread_record *thread, struct request *first)
{
	uint64_t one = 1;
	if (!first)
		return;
	pthread_mutex_lock(&thread->lock);
	for (struct request *next; first; first = next) {
		next = first->next;
		push(&thread->done, first);
	}
	pthread_mutex_unlock(&thread->lock);
	(void)!write(thread->bell, &one, sizeof(one));
}

/* In front of what came meanwhile. */
static void put_back(
	struct thread_record *thread, struct request *first, struct request **end)
{
	pthread_mutex_lock(&thread->lock);
	*end = thread->asked.first;
	if (!thread->asked.first)
		thread->asked.end = end;
	thread->asked.first = first;
	thread->must_rest = true;
	pthread_mutex_unlock(&thread->lock);
}

/* All questions first: they must not wait for the commit. */
static void work(struct thread_record *thread, struct request *first)
{
	struct request *writes = NULL, **end = &writes, *next;
	struct requests found = { NULL, &found.first };
	for (; first; first = next) {
		next = first->next;
		if (first->told) {
			find(thread, first);
			push(&found, first);
		} else {
			*end = first;
			end = &first->next;
		}
	}
	*end = NULL;
	hand_back(thread, found.first);
	if (writes && !write_all(thread, writes))
		put_back(thread, writes, end);
	else
		hand_back(thread, writes);
}

static void wait_until(struct thread_record *thread, int64_t after_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	int64_t end_ns = until.tv_nsec + after_ms % 1000 * 1000000;
	until.tv_sec += after_ms / 1000 + end_ns / 1000000000;
	until.tv_nsec = end_ns % 1000000000;
	pthread_cond_timedwait(&thread->has_asked, &thread->lock, &until);
}

static void *run(void *with)
{
	struct thread_record *thread = with;
	pthread_mutex_lock(&thread->lock);
	while (!thread->is_closing) {
		if (!thread->asked.first)
			wait_until(thread, PRUNE_MS);
		else if (thread->must_rest)
			wait_until(thread, AGAIN_MS);
		struct request *first = take_all(&thread->asked);
		thread->must_rest = false;
		pthread_mutex_unlock(&thread->lock);
		work(thread, first);
		prune(thread);
		pthread_mutex_lock(&thread->lock);
	}
	pthread_mutex_unlock(&thread->lock);
	return NULL;
}

static void free_all(struct requests *requests)
{
	for (struct request *request = take_all(requests), *next; request;
		request = next) {
		next = request->next;
		arena_free(request->arena);
	}
}

static void sqlite_close_record(struct record *record)
{
	struct thread_record *thread = (struct thread_record *)record;
	if (thread->thread) {
		pthread_mutex_lock(&thread->lock);
		thread->is_closing = true;
		pthread_cond_signal(&thread->has_asked);
		pthread_mutex_unlock(&thread->lock);
		pthread_join(thread->thread, NULL);
	}
	free_all(&thread->asked);
	free_all(&thread->done);
	delivery_table_close(thread->table);
	watch_free(thread->watch);
	if (thread->bell >= 0)
		close(thread->bell);
	if (thread->claims >= 0)
		close(thread->claims);
	pthread_cond_destroy(&thread->has_asked);
	pthread_mutex_destroy(&thread->lock);
	free(thread->path);
	free(thread);
}

static bool open_claims(struct thread_record *thread, struct fault *fault)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s.claims", thread->path);
	thread->claims = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return thread->claims >= 0 ||
	       fault_permanent(fault, "%s: %s", path, strerror(errno));
}

static struct record *sqlite_open_record(struct loop *loop,
	const struct record_options *options, const char *where, struct fault *fault)
{
	if (!*where) {
		fault_permanent(fault, "delivery record: sqlite: needs a file");
		return NULL;
	}
	struct thread_record *thread = NEW(struct thread_record);
	*thread = (struct thread_record){ .record = { &sqlite_record },
		.keep_ms = options->keep_ms,
		.claims = -1,
		.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
	thread->path = memory_string(slice_of(where));
	thread->asked.end = &thread->asked.first;
	thread->done.end = &thread->done.first;
	pthread_mutex_init(&thread->lock, NULL);
	pthread_cond_init(&thread->has_asked, NULL);
	thread->table = delivery_table_open(where, fault);
	if (!thread->table || !open_claims(thread, fault)) {
		sqlite_close_record(&thread->record);
		return NULL;
	}
	thread->watch = watch_new(loop, thread->bell, LOOP_READ, on_bell, thread);
	thread_start(&thread->thread, "record", run, thread);
	return &thread->record;
}

static void submit(struct thread_record *thread, struct request request,
	struct slice message, const struct record_entry *entries)
{
	struct arena *arena = arena_new();
	struct request *copy = ARENA_NEW(arena, struct request);
	*copy = request;
	copy->arena = arena;
	copy->message = arena_copy(arena, message);
	copy->entries = ARENA_ARRAY(arena, struct record_entry, request.count + 1);
	for (size_t i = 0; i < request.count; i++)
		copy->entries[i] = (struct record_entry){
			arena_copy(arena, entries[i].recipient),
			arena_copy(arena, entries[i].note),
		};
	pthread_mutex_lock(&thread->lock);
	push(&thread->asked, copy);
	pthread_cond_signal(&thread->has_asked);
	pthread_mutex_unlock(&thread->lock);
}

static void sqlite_ask(struct record *record, struct slice message,
	const struct slice *recipients, size_t count, record_told *told, void *with)
{
	struct record_entry *entries = NEW_ARRAY(struct record_entry, count + 1);
	for (size_t i = 0; i < count; i++)
		entries[i].recipient = recipients[i];
	submit((struct thread_record *)record,
		(struct request){ .count = count, .told = told, .with = with }, message,
		entries);
	free(entries);
}

static void sqlite_write(struct record *record, struct slice message,
	const struct record_entry *entries, size_t count, record_written *written,
	void *with)
{
	submit((struct thread_record *)record,
		(struct request){ .count = count, .written = written, .with = with },
		message, entries);
}

/* A claim is a lock on one byte of an empty file, at a place that the message id gives:
 * it ends with the process, needs no fsync and leaves nothing behind. */
static bool lock_byte(struct record *record, struct slice message, short type)
{
	struct thread_record *thread = (struct thread_record *)record;
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	for (size_t i = 0; i < message.size; i++)
		hash = (hash ^ (unsigned char)message.data[i]) * 1099511628211u;
	struct flock lock = { .l_type = type,
		.l_whence = SEEK_SET,
		.l_len = 1,
		.l_start = (off_t)(hash >> 2) };
	return fcntl(thread->claims, F_OFD_SETLK, &lock) == 0 ||
	       (errno != EAGAIN && errno != EACCES);
}

static bool sqlite_claim(struct record *record, struct slice message)
{
	return lock_byte(record, message, F_WRLCK);
}

static void sqlite_release(struct record *record, struct slice message)
{
	lock_byte(record, message, F_UNLCK);
}

const struct record_engine sqlite_record = {
	.name = "sqlite",
	.open = sqlite_open_record,
	.close = sqlite_close_record,
	.ask = sqlite_ask,
	.write = sqlite_write,
	.claim = sqlite_claim,
	.release = sqlite_release,
};
