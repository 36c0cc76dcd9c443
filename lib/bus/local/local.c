/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bus/local/keeper.h"
#include "lib/chaos.h"
#include "lib/memory.h"

void local_wait(struct local_bus *bus, pthread_cond_t *wake, int64_t at_ms)
{
	if (at_ms == 0) {
		pthread_cond_wait(wake, &bus->lock);
		return;
	}
	/* The clock of due times: if it is set, the wait follows. */
	struct timespec at = { at_ms / 1000, at_ms % 1000 * 1000000L };
	pthread_cond_timedwait(wake, &bus->lock, &at);
}

void local_wait_us(struct local_bus *bus, pthread_cond_t *wake, int64_t at_us)
{
	struct timespec at = { at_us / 1000000, at_us % 1000000 * 1000L };
	pthread_cond_clockwait(wake, &bus->lock, CLOCK_MONOTONIC, &at);
}

struct topic_place local_place(
	const struct local_bus *bus, const char *topic, const struct bell *bell)
{
	const struct bus_topic *rules = bus_topic_find(bus->topics, topic);
	return (struct topic_place){ bus->folder, topic,
		rules && (rules->compacted || rules->is_searched), bell };
}

struct slice local_app_of(struct slice key)
{
	const char *end = key.size ? memchr(key.data, '/', key.size) : NULL;
	return slice_head(key, end ? (size_t)(end - key.data) : key.size);
}

bool local_is_compacted(const struct local_bus *bus, const char *topic)
{
	const struct bus_topic *rules = bus_topic_find(bus->topics, topic);
	return rules && rules->compacted;
}

/* O_EXCL, for closing a second descriptor of a database in use would drop SQLite's locks.
 */
void local_create_file(const char *folder, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat facts;
	if (fd < 0)
		return;
	if (geteuid() == 0 && stat(folder, &facts) == 0)
		(void)!fchown(fd, facts.st_uid, facts.st_gid);
	close(fd);
}

bool local_sync_folder(const char *folder, struct fault *fault)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_synced = fd >= 0 && fsync(fd) == 0;
	if (!is_synced)
		fault_temporary(fault, "%s: %s", folder, strerror(errno));
	if (fd >= 0)
		close(fd);
	return is_synced;
}

void trouble_join(struct local_bus *bus, struct trouble *trouble)
{
	pthread_mutex_lock(&bus->lock);
	trouble->next = bus->troubles;
	bus->troubles = trouble;
	pthread_mutex_unlock(&bus->lock);
}

void trouble_report(
	struct local_bus *bus, struct trouble *trouble, const struct fault *fault)
{
	pthread_mutex_lock(&bus->lock);
	trouble->is_on = fault != NULL;
	if (fault)
		trouble->fault = *fault;
	pthread_mutex_unlock(&bus->lock);
}

void trouble_leave(struct local_bus *bus, struct trouble *trouble)
{
	pthread_mutex_lock(&bus->lock);
	struct trouble **at = &bus->troubles;
	while (*at != trouble)
		at = &(*at)->next;
	*at = trouble->next;
	pthread_mutex_unlock(&bus->lock);
}

static bool local_is_healthy(struct bus *base, struct fault *why)
{
	struct local_bus *bus = (struct local_bus *)base;
	bool is_healthy = true;
	pthread_mutex_lock(&bus->lock);
	for (struct trouble *trouble = bus->troubles; trouble; trouble = trouble->next)
		if (trouble->is_on)
			is_healthy = fault_temporary(why, "%s", trouble->fault.text);
	pthread_mutex_unlock(&bus->lock);
	return is_healthy;
}

/* The folder's own name must be on disk before anything in it can be durable, and whoever
 * made it may have died before it was. Others' parents may be closed to us. */
static void sync_parent(const char *folder)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/..", folder);
	local_sync_folder(path, NULL);
}

static bool make_folder(const char *folder, struct fault *fault)
{
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return fault_permanent(
			fault, "bus folder %s: %s", folder, strerror(errno));
	KILL_POINT("local.folder_made");
	sync_parent(folder);
	struct stat facts;
	if (stat(folder, &facts) < 0 || !S_ISDIR(facts.st_mode))
		return fault_permanent(fault, "bus folder %s is not a folder", folder);
	if (access(folder, R_OK | W_OK | X_OK) < 0)
		return fault_permanent(
			fault, "bus folder %s: %s", folder, strerror(errno));
	return true;
}

static struct bus *local_open(const struct bus_options *options, const char *where,
	struct loop *loop, struct fault *fault)
{
	if (!make_folder(where, fault))
		return NULL;
	/* Counting memory takes a lock at each allocation. Refused once SQLite is in use.
	 */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	struct local_bus *bus = NEW(struct local_bus);
	*bus = (struct local_bus){ .base.engine = &local_engine,
		.topics = options->topics,
		.value_ceiling = options->value_ceiling ? options->value_ceiling
							: BUS_VALUE_CEILING };
	pthread_mutex_init(&bus->lock, NULL);
	bus->tower = bell_tower_open(bus, fault);
	if (!bus->tower) {
		free(bus);
		return NULL;
	}
	bus->folder = memory_string(slice_of(where));
	bus->outbox = outbox_new(loop);
	return &bus->base;
}

static void local_close(struct bus *base)
{
	struct local_bus *bus = (struct local_bus *)base;
	local_writers_close(bus);
	keeper_close(bus);
	bell_tower_close(bus->tower);
	outbox_free(bus->outbox);
	pthread_mutex_destroy(&bus->lock);
	free(bus->folder);
	free(bus);
}

void local_note_loss(
	struct local_bus *bus, const char *topic, int64_t id, const char *what)
{
	pthread_mutex_lock(&bus->lock);
	snprintf(bus->loss, sizeof(bus->loss), "topic %.200s: record %lld %s", topic,
		(long long)id, what);
	bus->losses++;
	pthread_mutex_unlock(&bus->lock);
}

static unsigned local_losses(struct bus *base, struct fault *ret_last)
{
	struct local_bus *bus = (struct local_bus *)base;
	pthread_mutex_lock(&bus->lock);
	unsigned losses = bus->losses;
	bus->losses = 0;
	if (losses)
		fault_permanent(ret_last, "%s", bus->loss);
	pthread_mutex_unlock(&bus->lock);
	return losses;
}

struct listed {
	struct parcel parcel;
	bus_listed *listed;
	void *with;
	char *topic; /* NULL at the end */
	struct fault fault;
};

static void discard_listed(struct parcel *parcel)
{
	struct listed *listed = (struct listed *)parcel;
	free(listed->topic);
	free(listed);
}

static void report_listed(struct parcel *parcel)
{
	struct listed *listed = (struct listed *)parcel;
	bool has_failed = listed->fault.kind != FAULT_NONE;
	listed->listed(listed->with, listed->topic, has_failed ? &listed->fault : NULL);
	discard_listed(parcel);
}

static struct listed *listed_new(struct bus *bus, bus_listed *call, void *with)
{
	struct listed *listed = NEW(struct listed);
	*listed = (struct listed){ .parcel = { .owner = bus,
					   .open = report_listed,
					   .discard = discard_listed },
		.listed = call,
		.with = with };
	return listed;
}

struct slice local_topic_of(const char *file)
{
	size_t size = strlen(file);
	bool is_topic = size > 3 && strcmp(file + size - 3, ".db") == 0;
	return (struct slice){ file, is_topic ? size - 3 : 0 };
}

static void local_list(struct bus *base, const char *prefix, bus_listed *call, void *with)
{
	struct local_bus *bus = (struct local_bus *)base;
	struct listed *end = listed_new(base, call, with);
	DIR *folder = opendir(bus->folder);
	if (!folder)
		fault_temporary(&end->fault, "%s: %s", bus->folder, strerror(errno));
	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		struct slice topic = local_topic_of(entry->d_name);
		if (topic.size < strlen(prefix) || topic.size == 0 ||
			strncmp(topic.data, prefix, strlen(prefix)) != 0)
			continue;
		struct listed *listed = listed_new(base, call, with);
		listed->topic = memory_string(topic);
		outbox_send(bus->outbox, &listed->parcel);
	}
	if (folder)
		closedir(folder);
	outbox_send(bus->outbox, &end->parcel);
}

const struct bus_engine local_engine = {
	.name = "local",
	.open = local_open,
	.close = local_close,
	.is_healthy = local_is_healthy,
	.losses = local_losses,
	.publish = local_publish,
	.subscribe = local_subscribe,
	.settle = local_settle,
	.give_back = local_give_back,
	.pause = local_pause,
	.unsubscribe = local_unsubscribe,
	.follow = local_follow,
	.unfollow = local_unfollow,
	.browse = local_browse,
	.unbrowse = local_unbrowse,
	.list = local_list,
};
