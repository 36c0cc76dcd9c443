/* SPDX-License-Identifier: MIT
 *
 * The local engine: a folder of SQLite files that several processes share. Per topic
 * TOPIC.db holds the records, TOPIC.groups who has taken and settled what, TOPIC.bell
 * wakes the others. Every subscription, follower, browser and published topic has a
 * thread of its own that does the disk work; the loop's thread only passes parcels. */
#ifndef LIB_BUS_LOCAL_LOCAL_H
#define LIB_BUS_LOCAL_LOCAL_H

#include <pthread.h>

#include "lib/bus/engine.h"
#include "lib/bus/local/bell.h"
#include "lib/bus/local/outbox.h"

struct body_file;
struct keeper;
struct topic_place;
struct local_writer;

/* Why one of the bus's threads can't work just now. Embedded in its owner. */
struct trouble {
	struct trouble *next;
	bool is_on;
	struct fault fault;
};

struct local_bus {
	struct bus base;
	char *folder;
	const struct bus_topic *topics;
	size_t value_ceiling;
	/* Guards every list of the bus and the mailboxes of all its threads; held for
	 * moments, never across disk work. */
	pthread_mutex_t lock;
	struct trouble *troubles;
	struct outbox *outbox;
	struct bell_tower *tower;
	struct local_writer *writers;
	struct keeper *keeper;
	struct body_file *bodies; /* open ones */
	unsigned losses;          /* not yet asked for, and the last of them */
	char loss[256];
};

/* For bus_losses(); from any thread, without the lock. */
void local_note_loss(
	struct local_bus *bus, const char *topic, int64_t id, const char *what);

/* `lock` held. Returns at once if `at_ms` (Unix ms) has passed; 0 = no deadline. */
void local_wait(struct local_bus *bus, pthread_cond_t *wake, int64_t at_ms);
/* Likewise, but by the monotonic clock, which nobody sets. */
void local_wait_us(struct local_bus *bus, pthread_cond_t *wake, int64_t at_us);

/* `bell` is the topic's. */
struct topic_place local_place(
	const struct local_bus *bus, const char *topic, const struct bell *bell);

/* The part of a key before the first '/': the app, whose records wait for each other. */
struct slice local_app_of(struct slice key);
bool local_is_compacted(const struct local_bus *bus, const char *topic);

/* Makes a file of the bus where there is none: private, and where root makes it
 * (posternctl) it still belongs to whom the folder belongs. Opening it tells if that
 * failed. */
void local_create_file(const char *folder, const char *path);

/* The topic of a file TOPIC.db; empty for any other. */
struct slice local_topic_of(const char *file);
/* Makes durable what names the folder has. */
bool local_sync_folder(const char *folder, struct fault *fault);

/* From the owner's thread; `fault` NULL: it works again. */
void trouble_join(struct local_bus *bus, struct trouble *trouble);
void trouble_report(
	struct local_bus *bus, struct trouble *trouble, const struct fault *fault);
void trouble_leave(struct local_bus *bus, struct trouble *trouble);

/* How the engine's record is made up; each as bus.h says of its bus_ function. */
void local_publish(struct bus *bus, const struct bus_record *record,
	bus_published *published, void *with);
struct bus_reader *local_subscribe(struct bus *bus, const struct bus_subscription *s,
	bus_taken *taken, void *with, struct fault *fault);
void local_settle(struct bus_delivery *delivery);
void local_give_back(struct bus_delivery *delivery, int64_t due_ms);
void local_pause(struct bus_reader *reader);
void local_unsubscribe(struct bus_reader *reader);
struct bus_follower *local_follow(struct bus *bus, const char *topic,
	const struct bus_follow_calls *calls, void *with, struct fault *fault);
void local_unfollow(struct bus_follower *follower);
struct bus_browser *local_browse(struct bus *bus, const struct bus_range *range,
	bus_seen *seen, void *with, struct fault *fault);
void local_unbrowse(struct bus_browser *browser);
void local_writers_close(struct local_bus *bus);

#endif
