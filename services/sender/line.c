/* SPDX-License-Identifier: MIT */
#include "services/sender/line.h"

#include <stdlib.h>

#include "lib/memory.h"
#include "lib/metrics.h"

static void count_connection(struct destinations *destinations, int by)
{
	destinations->connection_count += (size_t)by;
	metric_set(destinations->metrics.connections,
		(int64_t)destinations->connection_count);
	if (by > 0)
		metric_add(destinations->metrics.opened, 1);
}

/* A connection has ended: whoever waits for one has his turn. */
static void feed_starved(struct destinations *destinations)
{
	struct destination *destination;
	while (destinations->connection_count < destinations->options.connections &&
		(destination = TAILQ_FIRST(&destinations->starved))) {
		TAILQ_REMOVE(&destinations->starved, destination, starving);
		destination->is_starved = false;
		destination_dispatch(destination);
	}
}

static void set_idle(struct line *line, bool is_idle)
{
	struct destination *destination = line->destination;
	struct destinations *destinations = destination->owner;
	if (line->is_idle == is_idle)
		return;
	line->is_idle = is_idle;
	if (is_idle) {
		TAILQ_INSERT_HEAD(&destination->idle, line, idle);
		TAILQ_INSERT_TAIL(&destinations->idle, line, idle_of_all);
		destination->busy_count--;
	} else {
		TAILQ_REMOVE(&destination->idle, line, idle);
		TAILQ_REMOVE(&destinations->idle, line, idle_of_all);
		destination->busy_count++;
	}
}

static void give(struct line *line, struct parcel *parcel)
{
	line->parcel = parcel;
	set_idle(line, false);
	connection_deliver(line->connection, &parcel->mail);
}

static void rest(struct line *line)
{
	set_idle(line, true);
	/* Others wait for a connection, and this one isn't needed. */
	if (!TAILQ_EMPTY(&line->destination->owner->starved))
		line_quit(line);
}

static void on_idle(void *with)
{
	struct line *line = with;
	struct destination *destination = line->destination;
	unsigned most = destination->owner->options.dial.pool->messages_per_connection;
	line->has_worked = true;
	destination_worked(destination);
	if (connection_message_count(line->connection) >= most) {
		connection_quit(line->connection);
		return;
	}
	struct parcel *parcel = destination_take(destination);
	if (parcel)
		give(line, parcel);
	else
		rest(line);
}

static bool is_untried(const struct client_mail *mail)
{
	for (size_t i = 0; i < mail->recipient_count; i++)
		if (mail->recipients[i].outcome == CLIENT_UNTRIED)
			return true;
	return false;
}

/* The server had closed the connection while it was idle: the parcel takes the next. */
static void try_again(struct destination *destination, struct parcel *parcel)
{
	for (size_t i = 0; i < parcel->mail.recipient_count; i++)
		if (parcel->mail.recipients[i].outcome == CLIENT_UNTRIED)
			parcel->mail.recipients[i].outcome = CLIENT_PENDING;
	destination_put_back(destination, parcel);
}

static void on_done(void *with)
{
	struct line *line = with;
	struct parcel *parcel = line->parcel;
	line->parcel = NULL;
	if (is_untried(&parcel->mail))
		try_again(line->destination, parcel);
	else
		destination_finish(
			line->destination, parcel, connection_facts(line->connection));
}

static void line_remove(struct line *line)
{
	struct destination *destination = line->destination;
	set_idle(line, false);
	destination->busy_count--;
	destination->line_count--;
	TAILQ_REMOVE(&destination->lines, line, entry);
	count_connection(destination->owner, -1);
	free(line);
}

static void on_closed(void *with, const struct reply *why)
{
	struct line *line = with;
	struct destination *destination = line->destination;
	struct destinations *destinations = destination->owner;
	/* One that was not needed any more, and so was closed, is no failure. */
	bool has_failed = why && !line->has_worked && !line->is_idle;
	line_remove(line);
	if (has_failed)
		destination_failed(destination, why, false);
	destination_dispatch(destination);
	feed_starved(destinations);
}

static const struct connection_calls calls_of_line = { on_idle, on_done, on_closed };

static void calling_remove(struct calling *calling)
{
	TAILQ_REMOVE(&calling->destination->dials, calling, entry);
	calling->destination->dial_count--;
	free(calling);
}

static void on_ready(void *with, struct connection *connection)
{
	struct calling *calling = with;
	struct destination *destination = calling->destination;
	calling_remove(calling);
	struct line *line = NEW(struct line);
	*line = (struct line){ .destination = destination, .connection = connection };
	connection_adopt(connection, &calls_of_line, line);
	TAILQ_INSERT_TAIL(&destination->lines, line, entry);
	destination->line_count++;
	destination->busy_count++;
	struct parcel *parcel = destination_take(destination);
	if (parcel)
		give(line, parcel);
	else
		rest(line);
}

static void on_failed(void *with, const struct reply *why, bool is_final)
{
	struct calling *calling = with;
	struct destination *destination = calling->destination;
	struct destinations *destinations = destination->owner;
	calling_remove(calling);
	count_connection(destinations, -1);
	destination_failed(destination, why, is_final);
	destination_dispatch(destination);
	feed_starved(destinations);
}

static const struct dial_calls calls_of_dial = { on_ready, on_failed };

bool line_open(struct destination *destination)
{
	struct destinations *destinations = destination->owner;
	if (destinations->connection_count >= destinations->options.connections) {
		if (!destination->is_starved)
			TAILQ_INSERT_TAIL(&destinations->starved, destination, starving);
		destination->is_starved = true;
		struct line *longest_idle = TAILQ_FIRST(&destinations->idle);
		if (longest_idle)
			line_quit(longest_idle);
		return false;
	}
	struct calling *calling = NEW(struct calling);
	calling->destination = destination;
	TAILQ_INSERT_TAIL(&destination->dials, calling, entry);
	destination->dial_count++;
	count_connection(destinations, 1);
	calling->dial = dial_start(
		&destinations->options.dial, destination->route, &calls_of_dial, calling);
	return true;
}

void line_use(struct line *line)
{
	struct destination *destination = line->destination;
	if (!connection_is_alive(line->connection))
		return;
	struct parcel *parcel = destination_take(destination);
	if (parcel)
		give(line, parcel);
}

void line_quit(struct line *line)
{
	set_idle(line, false);
	connection_quit(line->connection);
}

void line_free_all(struct destination *destination)
{
	while (!TAILQ_EMPTY(&destination->lines)) {
		struct line *line = TAILQ_FIRST(&destination->lines);
		connection_free(line->connection);
		line_remove(line);
	}
	while (!TAILQ_EMPTY(&destination->dials)) {
		struct calling *calling = TAILQ_FIRST(&destination->dials);
		dial_free(calling->dial);
		count_connection(destination->owner, -1);
		calling_remove(calling);
	}
}
