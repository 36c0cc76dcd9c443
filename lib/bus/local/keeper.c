/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/keeper.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bus/local/bodies.h"
#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/memory.h"
#include "lib/thread.h"

/* Each time a WAL has grown by so much it is copied into the database; from that size on
 * writers and readers are held up for a moment so that it begins anew, else it could grow
 * for ever. */
#define CHECKPOINT_BYTES WAL_BYTES(16 << 20)
#define RESTART_BYTES    WAL_BYTES(48 << 20)
#define RETRY_MS         1000
/* Between two checkpoints, however fast a WAL grows. */
#define BREATH_MS    50
#define SWEEP_MS     60000
#define SWEEP_MIN_MS 250

struct keeper {
	struct local_bus *bus;
	pthread_t thread;
	pthread_cond_t wake;
	/* Guarded by the bus's lock. */
	struct kept *first;
	bool is_closing;
	/* The thread's. */
	int64_t bodies_ms; /* when to look for bodies that nobody needs */
	struct trouble trouble;
};

static void kept_close(struct kept *kept)
{
	database_close(&kept->records);
	database_close(&kept->groups);
	bell_close(&kept->bell);
	kept->is_open = false;
}

static bool open_groups(
	struct kept *kept, const struct topic_place *place, struct fault *fault)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s.groups", place->folder, place->topic);
	return kept->groups.handle || access(path, F_OK) < 0 ||
	       database_open(&kept->groups, place, DATABASE_GROUPS, fault);
}

static bool kept_open(struct kept *kept, struct fault *fault)
{
	struct topic_place place = local_place(kept->bus, kept->topic, &kept->bell);
	if (kept->is_open)
		return open_groups(kept, &place, fault);
	kept->is_open = bell_open(&kept->bell, place.folder, place.topic, fault) &&
			database_open(
				&kept->records, &place, DATABASE_RECORDS_READER, fault) &&
			open_groups(kept, &place, fault);
	return kept->is_open;
}

static bool checkpoint(struct database *database, struct fault *fault)
{
	if (!database->handle)
		return true;
	if (!database_checkpoint(database, SQLITE_CHECKPOINT_PASSIVE, fault))
		return false;
	KILL_POINT("local.in_checkpoint");
	if (database->wal_bytes < RESTART_BYTES)
		return true;
	/* Once more what came meanwhile, so that little is left while all are held up. */
	if (!database_checkpoint(database, SQLITE_CHECKPOINT_PASSIVE, fault) ||
		!database_checkpoint(database, SQLITE_CHECKPOINT_RESTART, fault))
		return false;
	KILL_POINT("local.after_restart");
	return true;
}

static int64_t sweep_interval_ms(const struct bus_topic *rules)
{
	int64_t tenth = rules->retention_ms / 10;
	if (!rules->retention_ms || tenth > SWEEP_MS)
		return SWEEP_MS;
	return tenth > SWEEP_MIN_MS ? tenth : SWEEP_MIN_MS;
}

/* True if it wants to be called again at once. */
static bool tend(struct kept *kept, bool wants_checkpoint, bool wants_sweep)
{
	struct fault fault = { 0 };
	bool is_done = true;
	bool is_good = kept_open(kept, &fault) &&
		       (!wants_checkpoint ||
			       (checkpoint(&kept->records, &fault) &&
				       checkpoint(&kept->groups, &fault))) &&
		       (!wants_sweep || kept_sweep(kept, &is_done, &fault));
	trouble_report(kept->bus, &kept->trouble, is_good ? NULL : &fault);
	if (!is_good) {
		kept_close(kept);
		kept->sweep_ms = clock_unix_ms() + RETRY_MS;
		pthread_mutex_lock(&kept->bus->lock);
		kept->wants_checkpoint |= wants_checkpoint;
		pthread_mutex_unlock(&kept->bus->lock);
		return false;
	}
	if (wants_sweep)
		kept->sweep_ms =
			is_done ? clock_unix_ms() + sweep_interval_ms(kept->rules) : 1;
	if (is_done)
		kept_begin_anew(kept);
	return !is_done;
}

/* The lock is held, and let go of meanwhile. True if it wants to be called again soon. */
static bool look_after(struct kept *kept)
{
	bool is_time = kept->sweep_ms <= clock_unix_ms();
	if (kept->trouble.is_on && !is_time)
		return false;
	bool wants_checkpoint = kept->wants_checkpoint;
	/* A topic that has grown may have outgrown its size. */
	bool wants_sweep = kept->rules && (is_time || wants_checkpoint);
	if (!wants_checkpoint && !wants_sweep && !kept->trouble.is_on)
		return false;
	kept->wants_checkpoint = false;
	pthread_mutex_unlock(&kept->bus->lock);
	bool is_busy = tend(kept, wants_checkpoint, wants_sweep);
	pthread_mutex_lock(&kept->bus->lock);
	/* It may have been nudged meanwhile. */
	return is_busy || (kept->wants_checkpoint && !kept->trouble.is_on);
}

/* The lock is held, and let go of meanwhile: topics are only ever added, at the front. */
static bool look_after_all(struct keeper *keeper, int64_t *ret_wake_ms)
{
	bool is_busy = false;
	*ret_wake_ms = 0;
	for (struct kept *kept = keeper->first; kept && !keeper->is_closing;
		kept = kept->next) {
		is_busy |= look_after(kept);
		bool has_time = kept->rules || kept->trouble.is_on;
		if (has_time && (!*ret_wake_ms || kept->sweep_ms < *ret_wake_ms))
			*ret_wake_ms = kept->sweep_ms;
	}
	return is_busy;
}

/* The lock is held, and let go of meanwhile. */
static void look_after_bodies(struct keeper *keeper, int64_t *wake_ms)
{
	struct fault fault;
	if (keeper->bodies_ms <= clock_unix_ms()) {
		pthread_mutex_unlock(&keeper->bus->lock);
		bool is_good = bodies_sweep(keeper->bus, &fault);
		trouble_report(keeper->bus, &keeper->trouble, is_good ? NULL : &fault);
		keeper->bodies_ms = clock_unix_ms() + SWEEP_MS;
		pthread_mutex_lock(&keeper->bus->lock);
	}
	if (!*wake_ms || keeper->bodies_ms < *wake_ms)
		*wake_ms = keeper->bodies_ms;
}

static void *keep_on(void *with)
{
	struct keeper *keeper = with;
	struct local_bus *bus = keeper->bus;
	pthread_mutex_lock(&bus->lock);
	while (!keeper->is_closing) {
		int64_t wake_ms;
		bool is_busy = look_after_all(keeper, &wake_ms);
		look_after_bodies(keeper, &wake_ms);
		if (!is_busy && !keeper->is_closing)
			local_wait(bus, &keeper->wake, wake_ms);
		if (keeper->is_closing)
			break;
		pthread_mutex_unlock(&bus->lock);
		usleep(BREATH_MS * 1000);
		pthread_mutex_lock(&bus->lock);
	}
	pthread_mutex_unlock(&bus->lock);
	return NULL;
}

static struct keeper *keeper_start(struct local_bus *bus)
{
	struct keeper *keeper = NEW(struct keeper);
	keeper->bus = bus;
	keeper->bodies_ms = clock_unix_ms() + SWEEP_MS;
	pthread_cond_init(&keeper->wake, NULL);
	trouble_join(bus, &keeper->trouble);
	thread_start(&keeper->thread, "bus keep", keep_on, keeper);
	return keeper;
}

static struct kept *find(const struct keeper *keeper, const char *topic)
{
	struct kept *kept = keeper->first;
	while (kept && strcmp(kept->topic, topic) != 0)
		kept = kept->next;
	return kept;
}

void keeper_add(struct local_bus *bus, const char *topic)
{
	if (!bus->keeper)
		bus->keeper = keeper_start(bus);
	if (find(bus->keeper, topic))
		return;
	struct kept *kept = NEW(struct kept);
	const struct bus_topic *rules = bus_topic_find(bus->topics, topic);
	*kept = (struct kept){
		.bus = bus, .topic = memory_string(slice_of(topic)), .bell.fd = -1
	};
	kept_begin_anew(kept);
	if (rules &&
		(rules->compacted || rules->retention_ms || rules->retention_bytes)) {
		kept->rules = rules;
		kept->sweep_ms = clock_unix_ms() + sweep_interval_ms(rules);
	}
	trouble_join(bus, &kept->trouble);
	pthread_mutex_lock(&bus->lock);
	kept->next = bus->keeper->first;
	bus->keeper->first = kept;
	pthread_cond_signal(&bus->keeper->wake);
	pthread_mutex_unlock(&bus->lock);
}

void keeper_look(struct local_bus *bus, const char *topic, struct database *database)
{
	if (database->wal_bytes < database->looked_bytes)
		database->looked_bytes = 0;
	if (database->wal_bytes - database->looked_bytes < CHECKPOINT_BYTES)
		return;
	database->looked_bytes = database->wal_bytes;
	pthread_mutex_lock(&bus->lock);
	struct kept *kept = bus->keeper ? find(bus->keeper, topic) : NULL;
	if (kept && !kept->wants_checkpoint) {
		kept->wants_checkpoint = true;
		pthread_cond_signal(&bus->keeper->wake);
	}
	pthread_mutex_unlock(&bus->lock);
}

void keeper_checkpoint(struct database *database)
{
	if (database->handle && database->wal_bytes >= CHECKPOINT_BYTES)
		database_checkpoint(database, SQLITE_CHECKPOINT_PASSIVE, NULL);
}

void keeper_close(struct local_bus *bus)
{
	struct keeper *keeper = bus->keeper;
	if (!keeper)
		return;
	pthread_mutex_lock(&bus->lock);
	keeper->is_closing = true;
	pthread_cond_signal(&keeper->wake);
	pthread_mutex_unlock(&bus->lock);
	pthread_join(keeper->thread, NULL);
	while (keeper->first) {
		struct kept *kept = keeper->first;
		keeper->first = kept->next;
		kept_close(kept);
		trouble_leave(bus, &kept->trouble);
		free(kept->topic);
		free(kept);
	}
	trouble_leave(bus, &keeper->trouble);
	pthread_cond_destroy(&keeper->wake);
	free(keeper);
	bus->keeper = NULL;
}
