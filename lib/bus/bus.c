/* SPDX-License-Identifier: MIT */
#include "lib/bus/bus.h"

#include <string.h>

#include "lib/bus/engine.h"

static const struct bus_engine *const engines[] = { &local_engine, &kafka_engine };

struct bus *bus_open(
	const struct bus_options *options, struct loop *loop, struct fault *fault)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++) {
		size_t length = strlen(engines[i]->name);
		if (strncmp(options->where, engines[i]->name, length) == 0 &&
			options->where[length] == ':' && options->where[length + 1])
			return engines[i]->open(
				options, options->where + length + 1, loop, fault);
	}
	fault_permanent(fault, "bus \"%s\" is neither local:FOLDER nor kafka:HOST:PORT",
		options->where);
	return NULL;
}

void bus_close(struct bus *bus)
{
	if (bus)
		bus->engine->close(bus);
}

bool bus_is_healthy(struct bus *bus, struct fault *why)
{
	return bus->engine->is_healthy(bus, why);
}

unsigned bus_losses(struct bus *bus, struct fault *ret_last)
{
	return bus->engine->losses(bus, ret_last);
}

void bus_publish(struct bus *bus, const struct bus_record *record,
	bus_published *published, void *with)
{
	bus->engine->publish(bus, record, published, with);
}

struct bus_reader *bus_subscribe(struct bus *bus,
	const struct bus_subscription *subscription, bus_taken *taken, void *with,
	struct fault *fault)
{
	return bus->engine->subscribe(bus, subscription, taken, with, fault);
}

void bus_settle(struct bus_delivery *delivery)
{
	delivery->reader->bus->engine->settle(delivery);
}

void bus_return(struct bus_delivery *delivery, int64_t due_ms)
{
	delivery->reader->bus->engine->give_back(delivery, due_ms);
}

void bus_pause(struct bus_reader *reader)
{
	reader->bus->engine->pause(reader);
}

void bus_unsubscribe(struct bus_reader *reader)
{
	if (reader)
		reader->bus->engine->unsubscribe(reader);
}

struct bus_follower *bus_follow(struct bus *bus, const char *topic,
	const struct bus_follow_calls *calls, void *with, struct fault *fault)
{
	return bus->engine->follow(bus, topic, calls, with, fault);
}

void bus_unfollow(struct bus_follower *follower)
{
	if (follower)
		follower->bus->engine->unfollow(follower);
}

struct bus_browser *bus_browse(struct bus *bus, const struct bus_range *range,
	bus_seen *seen, void *with, struct fault *fault)
{
	return bus->engine->browse(bus, range, seen, with, fault);
}

void bus_unbrowse(struct bus_browser *browser)
{
	if (browser)
		browser->bus->engine->unbrowse(browser);
}

void bus_list(struct bus *bus, const char *prefix, bus_listed *listed, void *with)
{
	bus->engine->list(bus, prefix, listed, with);
}
