/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/event_text.h"
#include "cli/fate.h"
#include "cli/json.h"
#include "cli/listing.h"
#include "cli/quantity.h"
#include "cli/session.h"
#include "lib/id.h"
#include "lib/mail.h"
#include "lib/printable.h"
#include "lib/topics.h"

/* The clock that minted the id may be ahead of the one that stamps the events. */
#define SKEW_MS 60000

struct trace {
	struct command *command;
	bool is_json, is_live;
	Postern__Event **events;
	size_t count, room;
	struct fate fate; /* of what came so far, for --follow */
	int64_t accepted_us;
};

static double ms_between(int64_t from_us, int64_t to_us)
{
	return (double)(to_us - from_us) / 1000;
}

static json_t *event_json(const struct trace *trace, const Postern__Event *event)
{
	json_t *value = json_of_message(trace->command->arena, &event->base);
	json_object_set_new(value, "since_accepted_ms",
		json_real(ms_between(trace->accepted_us, event->time_us)));
	if (event->started_us)
		json_object_set_new(value, "in_stage_ms",
			json_real(ms_between(event->started_us, event->time_us)));
	return value;
}

static const char *since_text(const struct trace *trace, const Postern__Event *event)
{
	return arena_printf(trace->command->arena, "%9.1f",
		ms_between(trace->accepted_us, event->time_us));
}

static const char *stage_text(const struct trace *trace, const Postern__Event *event)
{
	if (!event->started_us)
		return "";
	return arena_printf(trace->command->arena, "%8.1f",
		ms_between(event->started_us, event->time_us));
}

/* What a listing does at the end, --follow does line by line. */
static void print_live(struct trace *trace, const Postern__Event *event)
{
	FILE *out = trace->command->out;
	if (trace->is_json)
		json_print_line(event_json(trace, event), out);
	else
		fprintf(out, "%s  %8s  %-14s  %s\n", since_text(trace, event),
			stage_text(trace, event),
			printable_string(trace->command->arena, event->service),
			event_text(trace->command->arena, event));
	fflush(out);
	fate_add(&trace->fate, event);
	if (fate_is_settled(&trace->fate))
		session_stop(trace->command->session);
}

static void seen(void *with, const struct bus_delivery *delivery)
{
	struct trace *trace = with;
	struct arena *arena = trace->command->arena;
	Postern__Event *event = event_decode(arena, delivery->value, NULL);
	if (!event)
		return;
	if (event->kind == POSTERN__EVENT_KIND__EVENT_ACCEPTED)
		trace->accepted_us = event->time_us;
	if (trace->count == trace->room) {
		trace->room = trace->room ? trace->room * 2 : 32;
		Postern__Event **grown = ARENA_ARRAY(
			arena, Postern__Event *, trace->room);
		if (trace->count)
			memcpy(grown, trace->events, trace->count * sizeof(*grown));
		trace->events = grown;
	}
	trace->events[trace->count++] = event;
	if (trace->is_live)
		print_live(trace, event);
}

static int by_time(const void *a, const void *b)
{
	const Postern__Event *left = *(Postern__Event *const *)a;
	const Postern__Event *right = *(Postern__Event *const *)b;
	return (left->time_us > right->time_us) - (left->time_us < right->time_us);
}

static void print_head(const struct trace *trace, const Postern__Event *event)
{
	struct arena *arena = trace->command->arena;
	FILE *out = trace->command->out;
	const char *lane = lane_name(event->lane);
	fprintf(out, "%s  app %s, lane %s, %s\n", event->message_id,
		printable_string(arena, event->app), lane ? lane : "?",
		moment_print(arena, trace->accepted_us));
	const Postern__Accepted *accepted = event->accepted;
	if (accepted)
		fprintf(out, "from <%s>, header From %s, \"%s\", %llu bytes\n",
			printable_string(arena, accepted->from),
			printable_string(arena, accepted->header_from),
			printable_string(arena, accepted->subject),
			(unsigned long long)accepted->size_bytes);
}

static void print_way(const struct trace *trace)
{
	static const char *const titles[] = { "      +ms", "in stage", "STAGE",
		"WHAT HAPPENED", NULL };
	struct listing listing;
	listing_init(&listing, trace->command->arena, titles);
	for (size_t i = 0; i < trace->count; i++) {
		const Postern__Event *event = trace->events[i];
		LISTING_ADD(&listing, since_text(trace, event), stage_text(trace, event),
			event->service, event_text(trace->command->arena, event));
	}
	fputc('\n', trace->command->out);
	listing_print(&listing, trace->command->out);
}

static void print_fate(const struct trace *trace)
{
	static const char *const titles[] = { "RECIPIENT", "STATE", NULL };
	struct fate fate;
	fate_init(&fate, trace->command->arena);
	for (size_t i = 0; i < trace->count; i++)
		fate_add(&fate, trace->events[i]);
	if (!fate.count)
		return;
	struct listing listing;
	listing_init(&listing, trace->command->arena, titles);
	for (size_t i = 0; i < fate.count; i++)
		LISTING_ADD(
			&listing, fate.recipients[i].address, fate.recipients[i].state);
	fputc('\n', trace->command->out);
	listing_print(&listing, trace->command->out);
}

static const Postern__Event *first_telling(const struct trace *trace)
{
	for (size_t i = 0; i < trace->count; i++)
		if (trace->events[i]->accepted)
			return trace->events[i];
	return trace->events[0];
}

static void print(struct trace *trace)
{
	/* In the order in which it happened: topics order what was published. */
	qsort(trace->events, trace->count, sizeof(*trace->events), by_time);
	if (trace->is_json) {
		for (size_t i = 0; i < trace->count; i++)
			json_print_line(
				event_json(trace, trace->events[i]), trace->command->out);
		return;
	}
	print_head(trace, first_telling(trace));
	print_way(trace);
	print_fate(trace);
}

static enum status trace_message(struct command *command)
{
	struct slice id = slice_of(command->words[0]);
	if (!id_is_valid(id))
		return command_misused(command,
			"\"%s\" is no message id; it is in the reply to the end of the data, "
			"and in `posternctl events`",
			command->words[0]);
	struct trace trace = { .command = command,
		.is_json = command_option(command, "json"),
		.is_live = command_option(command, "follow"),
		.accepted_us = id_time_ms(id) * 1000 };
	fate_init(&trace.fate, command->arena);
	struct bus_range range = { .topic = TOPIC_EVENTS,
		.key = id,
		.from_ms = id_time_ms(id) - SKEW_MS,
		.live = trace.is_live };
	struct fault fault = { 0 };
	if (!command_session(command))
		return STATUS_FAILED;
	if (!session_browse(command->session, &range, seen, &trace, &fault))
		return command_failed(command, "%s", fault.text);
	if (!trace.count)
		return command_failed(command,
			"there are no events of message %s: was it accepted by this Postern, "
			"in the last 30 days?",
			command->words[0]);
	if (!trace.is_live)
		print(&trace);
	return STATUS_DONE;
}

static const struct option options[] = {
	{ "json", 0, NULL, "one event a line, as in proto/event.proto" },
	{ "follow", 0, NULL, "go on until every recipient has its final state" },
	{ 0 },
};

static const struct action actions[] = {
	{ NULL, "ID", 1, 1, NULL, options, trace_message },
};

const struct verb trace_verb = {
	.name = "trace",
	.summary = "show the way of one message",
	.help = "Each line has the milliseconds since the message was accepted, those it spent\n"
		"in the stage, the stage, and what happened; then the state of each "
		"recipient.\n",
	ACTIONS(actions),
};
