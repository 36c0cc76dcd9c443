/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/list.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

enum { ASK_MS = 5000 };

struct listing {
	struct kafka_errand errand;
	struct listing *previous, *next;
	rd_kafka_t *rk;
	char *prefix;
	bus_listed *listed;
	void *with;
	rd_kafka_resp_err_t err;
	char **names;
	size_t count;
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_listed(const struct listing *listing, const char *name)
{
	return strncmp(name, listing->prefix, strlen(listing->prefix)) == 0 &&
	       strncmp(name, "__", 2) != 0 &&
	       strncmp(name, KAFKA_OWN_PREFIX, strlen(KAFKA_OWN_PREFIX)) != 0;
}

static void run_listing(struct kafka_errand *errand)
{
	struct listing *listing = (struct listing *)errand;
	const struct rd_kafka_metadata *metadata;
	listing->err = rd_kafka_metadata(listing->rk, 1, NULL, &metadata, ASK_MS);
	if (listing->err)
		return;
	listing->names = NEW_ARRAY(char *, (size_t)metadata->topic_cnt + 1);
	for (int i = 0; i < metadata->topic_cnt; i++) {
		const char *name = metadata->topics[i].topic;
		if (is_listed(listing, name))
			listing->names[listing->count++] = memory_string(slice_of(name));
	}
	qsort(listing->names, listing->count, sizeof(*listing->names), compare);
	rd_kafka_metadata_destroy(metadata);
}

static void end_listing(struct kafka_errand *errand)
{
	struct listing *listing = (struct listing *)errand;
	struct kafka *kafka = errand->owner;
	struct fault fault;
	if (kafka) {
		*(listing->previous ? &listing->previous->next
				    : &kafka->lists) = listing->next;
		if (listing->next)
			listing->next->previous = listing->previous;
		for (size_t i = 0; i < listing->count; i++)
			listing->listed(listing->with, listing->names[i], NULL);
		if (listing->err)
			fault_temporary(&fault, "Kafka metadata: %s",
				rd_kafka_err2str(listing->err));
		listing->listed(listing->with, NULL, listing->err ? &fault : NULL);
	}
	for (size_t i = 0; i < listing->count; i++)
		free(listing->names[i]);
	free(listing->names);
	free(listing->prefix);
	free(listing);
}

void kafka_list(struct bus *bus, const char *prefix, bus_listed *listed, void *with)
{
	struct kafka *kafka = (struct kafka *)bus;
	struct listing *listing = NEW(struct listing);
	*listing = (struct listing){
		.errand = { .run = run_listing, .done = end_listing, .owner = kafka },
		.next = kafka->lists,
		.rk = kafka->producer->rk,
		.prefix = memory_string(slice_of(prefix)),
		.listed = listed,
		.with = with,
		.err = RD_KAFKA_RESP_ERR__TIMED_OUT,
	};
	if (listing->next)
		listing->next->previous = listing;
	kafka->lists = listing;
	kafka_errands_add(kafka->errands, &listing->errand);
}

void kafka_lists_close(struct kafka *kafka)
{
	for (struct listing *listing = kafka->lists; listing; listing = listing->next)
		listing->errand.owner = NULL;
}
