/* SPDX-License-Identifier: MIT */
#include "services/sender/destination.h"

#include <math.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"
#include "lib/metrics.h"
#include "services/sender/line.h"

#define SWEEP_MS    60000
#define REMEMBER_MS 3600000 /* failures, after the rest that they brought */

static void share_turns(struct destination *destination)
{
	for (size_t lane = 0; lane < LANES; lane++)
		destination->turns[lane] = lane_weight(lane);
}

static struct parcel *next_parcel(struct destination *destination)
{
	for (int round = 0; round < 2; round++) {
		for (size_t lane = 0; lane < LANES; lane++) {
			struct parcel *parcel = TAILQ_FIRST(&destination->queues[lane]);
			if (!parcel || !destination->turns[lane])
				continue;
			destination->turns[lane]--;
			TAILQ_REMOVE(&destination->queues[lane], parcel, entry);
			destination->queued--;
			return parcel;
		}
		share_turns(destination);
	}
	return NULL;
}

/* Begins to count anew once a second. */
static void turn_count(struct destination *destination)
{
	int64_t now_ms = clock_monotonic_ms();
	int64_t elapsed_ms = now_ms - destination->counted_ms;
	if (elapsed_ms < 1000)
		return;
	destination->rate = elapsed_ms < 2000
				    ? destination->done * 1000 / (size_t)elapsed_ms
				    : 0;
	destination->done = 0;
	destination->counted_ms = now_ms;
}

static size_t rate_of(const struct destination *destination, int64_t now_ms)
{
	int64_t elapsed_ms = now_ms - destination->counted_ms;
	if (elapsed_ms >= 2000)
		return 0;
	size_t rate = destination->done * 1000 /
		      (size_t)(elapsed_ms > 100 ? elapsed_ms : 100);
	return rate > destination->rate ? rate : destination->rate;
}

void destination_finish(struct destination *destination, struct parcel *parcel,
	const struct connection_facts *facts)
{
	destination->parcels--;
	destination->bytes -= parcel->mail.size_bytes;
	turn_count(destination);
	destination->done += facts != NULL;
	parcel->done(parcel, facts);
}

struct parcel *destination_take(struct destination *destination)
{
	struct parcel *parcel;
	while ((parcel = next_parcel(destination))) {
		if (parcel->may_go(parcel))
			return parcel;
		destination_finish(destination, parcel, NULL);
	}
	return NULL;
}

void destination_put_back(struct destination *destination, struct parcel *parcel)
{
	TAILQ_INSERT_HEAD(&destination->queues[parcel->lane], parcel, entry);
	destination->queued++;
}

/* Unix ms, for the bus. */
static int64_t put_off(struct destination *destination, size_t lane, size_t size_bytes)
{
	return clock_unix_ms() + rest_put_off(&destination->rest,
					 &destination->owner->waiting[lane], size_bytes,
					 clock_monotonic_ms(), arc4random());
}

/* Everybody who waits gets that answer. */
static void flush(struct destination *destination, enum client_outcome outcome,
	const struct reply *why)
{
	struct parcel *parcel;
	size_t left = destination->queued; /* `done` may submit anew */
	while (left-- && (parcel = next_parcel(destination))) {
		for (size_t i = 0; i < parcel->mail.recipient_count; i++) {
			struct client_recipient *recipient = &parcel->mail.recipients[i];
			if (recipient->outcome != CLIENT_PENDING)
				continue;
			recipient->outcome = outcome;
			recipient->reply = *why;
		}
		if (outcome == CLIENT_DEFERRED)
			parcel->put_off =
				(struct put_off){ put_off(destination, parcel->lane,
							  parcel->mail.size_bytes),
					destination->rest.crowd };
		destination_finish(destination, parcel, NULL);
	}
}

void destination_failed(
	struct destination *destination, const struct reply *why, bool is_final)
{
	if (is_final) {
		flush(destination, CLIENT_BOUNCED, why);
		return;
	}
	/* Connections that were opened together fail together: that is one failure. */
	if (destination->rest.until_ms > clock_monotonic_ms())
		return;
	metric_add(destination->owner->metrics.failed, 1);
	rest_begin(&destination->rest, destination->queued, why, clock_monotonic_ms(),
		arc4random());
}

void destination_worked(struct destination *destination)
{
	rest_end(&destination->rest);
}

bool destination_puts_off(struct destination *destination, size_t lane, size_t size_bytes,
	struct put_off *ret_put_off, struct reply *ret_why)
{
	struct rest *rest = &destination->rest;
	bool is_tried = rest->until_ms <= clock_monotonic_ms() && !destination->queued;
	if (destination->line_count || !rest->failures || is_tried)
		return false;
	rest->untried++;
	*ret_put_off = (struct put_off){ put_off(destination, lane, size_bytes), 0 };
	*ret_why = rest->why;
	return true;
}

/* Grows with the queue (KumoMTA's formula): one message opens one connection, 64 open
 * three quarters of the limit. After a failure a single one shows whether it's back. */
static size_t wanted_lines(const struct destination *destination)
{
	unsigned limit =
		destination->owner->options.dial.pool->connections_per_destination;
	size_t waiting = destination->queued + destination->busy_count;
	if (destination->rest.failures)
		return destination->rest.until_ms <= clock_monotonic_ms() ? 1 : 0;
	return (size_t)ceil(limit * (1 - exp(-0.023 * (double)waiting)));
}

static void open_lines(struct destination *destination)
{
	while (destination->queued > destination->dial_count &&
		destination->line_count + destination->dial_count <
			wanted_lines(destination))
		if (!line_open(destination))
			return;
}

void destination_dispatch(struct destination *destination)
{
	struct line *line;
	while (destination->queued && (line = TAILQ_FIRST(&destination->idle)))
		line_use(line);
	open_lines(destination);
	/* Where others still work, a failure shows a limit of the server, not its
	 * absence: the queue waits for them. */
	if (destination->queued && !destination->line_count && !destination->dial_count &&
		!destination->is_starved)
		flush(destination, CLIENT_DEFERRED, &destination->rest.why);
}

struct destination_load destination_load(const struct destination *destination)
{
	struct destination_load load = { .parcels = destination->parcels,
		.bytes = destination->bytes };
	int64_t now_ms = clock_monotonic_ms();
	load.per_second = rate_of(destination, now_ms);
	for (size_t lane = 0; lane < LANES; lane++) {
		const struct parcel *oldest = TAILQ_FIRST(&destination->queues[lane]);
		if (oldest && now_ms - oldest->queued_ms > load.waited_ms)
			load.waited_ms = now_ms - oldest->queued_ms;
	}
	return load;
}

void destination_submit(struct destination *destination, struct parcel *parcel)
{
	TAILQ_INSERT_TAIL(&destination->queues[parcel->lane], parcel, entry);
	destination->queued++;
	turn_count(destination);
	destination->parcels++;
	destination->bytes += parcel->mail.size_bytes;
	parcel->queued_ms = clock_monotonic_ms();
	destination_dispatch(destination);
}

static struct destination *destination_new(
	struct destinations *destinations, struct route *route)
{
	struct destination *destination = NEW(struct destination);
	*destination = (struct destination){ .owner = destinations, .route = route };
	for (size_t lane = 0; lane < LANES; lane++)
		TAILQ_INIT(&destination->queues[lane]);
	share_turns(destination);
	TAILQ_INIT(&destination->lines);
	TAILQ_INIT(&destination->idle);
	TAILQ_INIT(&destination->dials);
	return destination;
}

static void destination_free(struct destination *destination)
{
	line_free_all(destination);
	if (destination->is_starved)
		TAILQ_REMOVE(&destination->owner->starved, destination, starving);
	route_release(destination->route);
	free(destination);
}

struct destination *destination_of(struct destinations *destinations, struct route *route)
{
	struct destination *destination = table_get(
		destinations->table, slice_of(route->key));
	if (!destination) {
		destination = destination_new(destinations, route_hold(route));
		table_put(destinations->table, slice_of(route->key), destination);
		return destination;
	}
	/* The newest has its hosts in a random order of its own. */
	route_hold(route);
	route_release(destination->route);
	destination->route = route;
	return destination;
}

static bool is_worth_keeping(const struct destination *destination, int64_t now_ms)
{
	return destination->parcels || destination->line_count ||
	       destination->dial_count ||
	       (destination->rest.failures &&
		       destination->rest.until_ms > now_ms - REMEMBER_MS);
}

static void on_sweep(void *with)
{
	struct destinations *destinations = with;
	struct table *kept = table_new();
	size_t cursor = 0;
	struct slice key;
	void *value;
	int64_t now_ms = clock_monotonic_ms();
	while (table_next(destinations->table, &cursor, &key, &value)) {
		if (is_worth_keeping(value, now_ms))
			table_put(kept, key, value);
		else
			destination_free(value);
	}
	table_free(destinations->table);
	destinations->table = kept;
	timer_start(destinations->sweep, SWEEP_MS);
}

static void open_metrics(struct destinations *destinations)
{
	destinations->metrics.connections = metric_gauge("postern_sender_connections",
		NULL, "Connections to destinations that are open or being opened.");
	destinations->metrics.opened = metric_counter("postern_sender_connections_total",
		NULL, "Connections to destinations that were begun.");
	destinations->metrics.failed = metric_counter("postern_sender_rests_total", NULL,
		"Times that a destination could not be reached and was left alone for a "
		"while.");
}

struct destinations *destinations_open(const struct destinations_options *options)
{
	struct destinations *destinations = NEW(struct destinations);
	*destinations = (struct destinations){ .options = *options };
	for (size_t lane = 0; lane < LANES; lane++)
		destinations->waiting[lane].pace = options->returns;
	destinations->table = table_new();
	open_metrics(destinations);
	TAILQ_INIT(&destinations->idle);
	TAILQ_INIT(&destinations->starved);
	destinations->sweep = timer_new(
		options->dial.connection.loop, on_sweep, destinations);
	timer_start(destinations->sweep, SWEEP_MS);
	return destinations;
}

void destinations_close(struct destinations *destinations)
{
	if (!destinations)
		return;
	size_t cursor = 0;
	struct slice key;
	void *destination;
	while (table_next(destinations->table, &cursor, &key, &destination))
		destination_free(destination);
	table_free(destinations->table);
	timer_free(destinations->sweep);
	free(destinations);
}

void destination_give_back(struct destination *destination, size_t count)
{
	for (size_t lane = LANES; lane-- > 0;) {
		struct parcel *parcel;
		while (count &&
			(parcel = TAILQ_LAST(&destination->queues[lane], parcels))) {
			TAILQ_REMOVE(&destination->queues[lane], parcel, entry);
			destination->queued--;
			count--;
			destination_finish(destination, parcel, NULL);
		}
	}
}

void destinations_each(struct destinations *destinations,
	void (*seen)(void *with, struct destination *destination), void *with)
{
	size_t cursor = 0;
	struct slice key;
	void *destination;
	while (table_next(destinations->table, &cursor, &key, &destination))
		seen(with, destination);
}

static void recall(void *with, struct destination *destination)
{
	struct line *line;
	(void)with;
	destination_give_back(destination, destination->queued);
	while ((line = TAILQ_FIRST(&destination->idle)))
		line_quit(line);
}

void destinations_recall(struct destinations *destinations)
{
	destinations_each(destinations, recall, NULL);
}
