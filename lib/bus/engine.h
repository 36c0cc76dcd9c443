/* SPDX-License-Identifier: MIT
 *
 * What an engine gives: one const record of functions, each as the bus_ function of the
 * same name in bus.h says. An engine embeds these structs as the first members of its
 * own. */
#ifndef LIB_BUS_ENGINE_H
#define LIB_BUS_ENGINE_H

#include "lib/bus/bus.h"

struct bus {
	const struct bus_engine *engine;
};

struct bus_reader {
	struct bus *bus;
};

struct bus_follower {
	struct bus *bus;
};

struct bus_browser {
	struct bus *bus;
};

struct bus_engine {
	const char *name; /* before the colon of bus_options.where */
	/* `where` without the name and the colon. */
	struct bus *(*open)(const struct bus_options *options, const char *where,
		struct loop *loop, struct fault *fault);
	void (*close)(struct bus *bus);
	bool (*is_healthy)(struct bus *bus, struct fault *why);
	unsigned (*losses)(struct bus *bus, struct fault *ret_last);
	void (*publish)(struct bus *bus, const struct bus_record *record,
		bus_published *published, void *with);
	struct bus_reader *(*subscribe)(struct bus *bus, const struct bus_subscription *s,
		bus_taken *taken, void *with, struct fault *fault);
	void (*settle)(struct bus_delivery *delivery);
	void (*give_back)(struct bus_delivery *delivery, int64_t due_ms);
	void (*pause)(struct bus_reader *reader);
	void (*unsubscribe)(struct bus_reader *reader);
	struct bus_follower *(*follow)(struct bus *bus, const char *topic,
		const struct bus_follow_calls *calls, void *with, struct fault *fault);
	void (*unfollow)(struct bus_follower *follower);
	struct bus_browser *(*browse)(struct bus *bus, const struct bus_range *range,
		bus_seen *seen, void *with, struct fault *fault);
	void (*unbrowse)(struct bus_browser *browser);
	void (*list)(struct bus *bus, const char *prefix, bus_listed *listed, void *with);
};

extern const struct bus_engine local_engine, kafka_engine;

/* The row of `topics` that keeps `topic`; NULL: kept for ever, not compacted. */
const struct bus_topic *bus_topic_find(const struct bus_topic *topics, const char *topic);
/* Letters, digits, '.', '_', '-', 1 to 200 characters, not "." or "..": fit for a file
 * name and for Kafka. FAULT_PERMANENT otherwise. */
bool bus_topic_check(const char *topic, struct fault *fault);

#define BUS_VALUE_CEILING ((size_t)64 << 20)

#endif
