/* SPDX-License-Identifier: MIT
 *
 * A bus keeps topics. A topic keeps records. A group takes every record of a topic at
 * least once, shared among its members. One thread drives a bus through its loop; every
 * callback runs there, never inside the call that caused it. Two engines stand behind it,
 * one const record each: local (SQLite 3 files in a folder) and kafka (librdkafka). */
#ifndef LIB_BUS_BUS_H
#define LIB_BUS_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/fault.h"
#include "lib/slice.h"

struct bus;
struct loop;

/* How a topic, or a family of topics, is kept. Lists end with a name of NULL. */
struct bus_topic {
	const char *name; /* "mail.events"; with a final '*' all that begin so */
	bool compacted;   /* keeps the newest value of each key for ever */
	bool is_searched; /* by key, as a compacted one always is */
	/* Kafka: so many bytes of the key choose the partition, 0 = all. What agrees in
	 * them is written in one request. */
	size_t key_prefix;
	bool is_work; /* for groups to take: not one untaken record may be dropped */
	/* 0 = no bound. The local engine never drops a record that a group it knows has
	 * not settled. Kafka does (it is what retention means there), so that bytes don't
	 * bound work there. */
	int64_t retention_ms;
	int64_t retention_bytes;
};

struct bus_options {
	const char *where; /* "local:FOLDER" or "kafka:HOST:PORT[,HOST:PORT…]" */
	const char
		*instance; /* names this member in its groups; unique among the living */
	const struct bus_topic *topics; /* borrowed for the life of the bus */
	size_t value_ceiling;           /* largest value in bytes; 0 = 64 MiB */
	/* Kafka: a publish that isn't durable by then is FAULT_TEMPORARY; 0 = 15 s. */
	int64_t publish_timeout_ms;
};

/* FAULT_PERMANENT: `where` can't be understood or used. An absent broker is no fault
 * here: it shows in bus_is_healthy() and in what is published. */
struct bus *bus_open(
	const struct bus_options *options, struct loop *loop, struct fault *fault);
/* Readers, followers and browsers must be closed before. Publishes not yet reported are
 * never reported. */
void bus_close(struct bus *bus);
/* Did the engine's store or broker answer lately? `why` as FAULT_TEMPORARY otherwise. */
bool bus_is_healthy(struct bus *bus, struct fault *why);
/* Records that were found damaged, or gone before they were taken, and members that were
 * shut out of their group, since the last call: how many, and what is to be said of the
 * last. The bus works on. */
unsigned bus_losses(struct bus *bus, struct fault *ret_last);

struct bus_record {
	const char *topic;
	struct slice key;   /* app and shard; in a compacted topic the object's name */
	struct slice value; /* in a compacted topic, empty means deleted */
	/* More of the value: its end, and the bulk of a large one. Whoever passes on the
	 * end of the value that it took says of which delivery, still in hand: no client
	 * waits then, and the local engine stores it no second time. */
	struct slice body;
	const struct bus_delivery *of;
	int64_t due_ms; /* not handed to anyone before this time (Unix ms); 0 = at once */
	bool can_wait;  /* no mail waits for it: a moment may pass before it is written */
};

/* Exactly once per record. fault == NULL: durable, it survives every kill from here on.
 * fault set: not durable as far as we know; it may yet appear, so the caller may publish
 * it again under the same message id. FAULT_TEMPORARY goes away by itself (full disk,
 * absent broker); FAULT_PERMANENT: this record can never be published (too large, bad
 * topic name). */
typedef void bus_published(void *with, const struct fault *fault);
/* Copies what it needs before it returns. */
void bus_publish(struct bus *bus, const struct bus_record *record,
	bus_published *published, void *with);

struct bus_source {
	const char *topic;
	unsigned weight; /* turns while several have records; 0 ends a list */
};

struct bus_subscription {
	const char *group;
	const struct bus_source *sources;
	/* Records in hand at most, 0 = 1; on the local engine a sixteenth more, of apps
	 * that have nothing in hand. */
	unsigned window;
	/* Likewise in bytes, 0 = no bound; one record larger than this is still taken. */
	size_t window_bytes;
};

/* A record in hand. Owned by the taker until it settles or returns it, in any order. If
 * the process dies first, another member is given it. */
struct bus_delivery {
	const char *topic;
	struct slice key, value;
	int64_t published_ms; /* Unix ms */
	unsigned attempt; /* 1 at first; grows with bus_return() and, where the engine can
			   * know it (local), with the death of a member that had it */
	struct bus_reader *reader; /* whose it is; NULL while browsing */
};

typedef void bus_taken(void *with, struct bus_delivery *delivery);
struct bus_reader *bus_subscribe(struct bus *bus,
	const struct bus_subscription *subscription, bus_taken *taken, void *with,
	struct fault *fault);
/* Done with it: the group is never given it again. Ends the delivery. */
void bus_settle(struct bus_delivery *delivery);
/* Not done: some member of the group is given it again, not before due_ms, with attempt
 * + 1. Ends the delivery. Never loses it: if the engine can't note the return, the
 * delivery stays taken and is redelivered when this member leaves. */
void bus_return(struct bus_delivery *delivery, int64_t due_ms);
/* Takes nothing new; what is in hand may still be settled. */
void bus_pause(struct bus_reader *reader);
/* What is still in hand is given to others at once; its deliveries are gone and must not
 * be touched any more. */
void bus_unsubscribe(struct bus_reader *reader);

struct bus_follow_calls {
	/* value empty: the key was deleted. Both are borrowed for the call. */
	void (*changed)(void *with, struct slice key, struct slice value);
	/* Once, after the newest value of every key that there was has been given. */
	void (*caught_up)(void *with); /* NULL: none */
};
/* Compacted topic: first the newest value of every key, then every change, for ever. */
struct bus_follower *bus_follow(struct bus *bus, const char *topic,
	const struct bus_follow_calls *calls, void *with, struct fault *fault);
void bus_unfollow(struct bus_follower *follower);

struct bus_range {
	const char *topic;
	/* By publishing time (on Kafka of what waited for a due time: by when it was
	 * due), both inclusive; to_ms 0 = up to now. */
	int64_t from_ms, to_ms;
	struct slice key; /* only this key; empty = all */
	bool newest_first;
	uint64_t limit; /* ends it, live or not; 0 = none */
	bool live;      /* after the end go on with new records until closed */
};
/* `delivery` is borrowed for the call and is neither settled nor returned; NULL = that
 * was all (not with `live`), after which the browser may be closed. fault set: cut short.
 */
typedef void bus_seen(
	void *with, const struct bus_delivery *delivery, const struct fault *fault);
/* Reads along without a group. */
struct bus_browser *bus_browse(struct bus *bus, const struct bus_range *range,
	bus_seen *seen, void *with, struct fault *fault);
void bus_unbrowse(struct bus_browser *browser);

/* Names of the existing topics that begin with `prefix`, one call each, then NULL. */
typedef void bus_listed(void *with, const char *topic, const struct fault *fault);
void bus_list(struct bus *bus, const char *prefix, bus_listed *listed, void *with);

#endif
