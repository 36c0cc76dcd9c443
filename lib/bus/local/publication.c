/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/publication.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bus/local/reader.h"
#include "lib/memory.h"
#include "lib/table.h"

#define KEY_CEILING 4096

struct publication *publication_of(struct parcel *parcel)
{
	return (void *)((char *)parcel - offsetof(struct publication, parcel));
}

void publication_discard(struct parcel *parcel)
{
	struct publication *publication = publication_of(parcel);
	body_let_go(publication->bus, publication->file);
	free(publication->bytes);
	free(publication);
}

static void report(struct parcel *parcel)
{
	struct publication *publication = publication_of(parcel);
	bool has_failed = publication->fault.kind != FAULT_NONE;
	publication->published(
		publication->with, has_failed ? &publication->fault : NULL);
	publication_discard(parcel);
}

static bool check_record(
	const struct local_bus *bus, const struct bus_record *record, struct fault *fault)
{
	if (!bus_topic_check(record->topic, fault))
		return false;
	if (record->key.size > KEY_CEILING)
		return fault_permanent(fault, "a key of %zu bytes; %d are allowed",
			record->key.size, KEY_CEILING);
	size_t size = record->value.size + record->body.size;
	if (size > bus->value_ceiling)
		return fault_permanent(fault, "a value of %zu bytes; %zu are allowed",
			size, bus->value_ceiling);
	return true;
}

static struct slice put(char **at, struct slice bytes)
{
	struct slice copy = { *at, bytes.size };
	if (bytes.size)
		memcpy(*at, bytes.data, bytes.size);
	*at += bytes.size;
	return copy;
}

/* Where the body lies already, if it is the one of a delivery in hand. */
static void find_place(struct local_bus *bus, const struct bus_record *record,
	struct publication *publication)
{
	const struct bus_delivery *of = record->of;
	if (!of || !of->reader || of->reader->bus != &bus->base ||
		local_is_compacted(bus, record->topic))
		return;
	const struct stored *stored = &((const struct local_delivery *)of)->stored;
	const char *end = of->value.data + of->value.size;
	if (!stored->file || record->body.size != (size_t)stored->body.size ||
		record->body.data + record->body.size != end)
		return;
	publication->place = stored->body;
	publication->file = stored->file;
	body_hold(bus, stored->file);
}

static void copy_record(struct publication *publication, const struct bus_record *record)
{
	size_t own = publication->file ? 0 : record->body.size;
	char *at = memory_new(record->key.size + record->value.size + own + 1);
	publication->bytes = at;
	publication->due_ms = record->due_ms;
	publication->goes_on = record->of != NULL;
	publication->key = put(&at, record->key);
	publication->app = table_hash(local_app_of(record->key));
	publication->value = put(&at, record->value);
	publication->body = record->body;
	if (!publication->file)
		publication->body = put(&at, record->body);
}

struct publication *publication_new(struct local_bus *bus,
	const struct bus_record *record, bus_published *published, void *with)
{
	struct publication *publication = NEW(struct publication);
	*publication = (struct publication){ .parcel = { .owner = bus,
						     .open = report,
						     .discard = publication_discard },
		.bus = bus,
		.published = published,
		.with = with };
	if (!check_record(bus, record, &publication->fault))
		return publication;
	find_place(bus, record, publication);
	copy_record(publication, record);
	return publication;
}
