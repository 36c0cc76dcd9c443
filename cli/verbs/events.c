/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/command.h"
#include "cli/event_text.h"
#include "cli/json.h"
#include "cli/quantity.h"
#include "cli/session.h"
#include "lib/clock.h"
#include "lib/mail.h"
#include "lib/printable.h"
#include "lib/topics.h"

#define SINCE_DEFAULT "1h"

struct stream {
	struct command *command;
	const char *app;
	int kind; /* 0: all */
	uint64_t left;
	struct arena *arena; /* cleared after each event */
};

static void print(struct stream *stream, const Postern__Event *event)
{
	FILE *out = stream->command->out;
	struct arena *arena = stream->arena;
	if (command_option(stream->command, "json"))
		json_print_line(json_of_message(arena, &event->base), out);
	else
		fprintf(out, "%s  %s  %-12s  %-12s  %s\n",
			moment_print(arena, event->time_us),
			printable_string(arena, event->message_id),
			printable_string(arena, event->app),
			printable_string(arena, event->service),
			event_text(arena, event));
	if (command_option(stream->command, "follow"))
		fflush(out);
}

static void seen(void *with, const struct bus_delivery *delivery)
{
	struct stream *stream = with;
	arena_clear(stream->arena);
	const Postern__Event *event = event_decode(stream->arena, delivery->value, NULL);
	if (!event || (stream->kind && (int)event->kind != stream->kind) ||
		(stream->app && strcmp(stream->app, event->app) != 0))
		return;
	print(stream, event);
	if (--stream->left == 0)
		session_stop(stream->command->session);
}

/* False: what is wrong has been printed. */
static bool read_options(
	struct command *command, struct stream *stream, struct bus_range *range)
{
	const char *since = command_option(command, "since");
	const char *kind = command_option(command, "kind");
	const char *limit = command_option(command, "limit");
	int64_t since_us, now_us = clock_unix_us();
	range->live = command_option(command, "follow");
	if (!since)
		since = range->live ? "now" : SINCE_DEFAULT;
	if (!moment_parse_past(slice_of(since), now_us, &since_us))
		return command_misused(command, "--since \"%s\" is none of %s", since,
			       MOMENT_FORM),
		       false;
	range->from_ms = since_us / 1000;
	if (kind && !enum_parse(&postern__event_kind__descriptor, kind, &stream->kind))
		return command_misused(command, "--kind \"%s\" is none of %s", kind,
			       enum_words(
				       command->arena, &postern__event_kind__descriptor)),
		       false;
	if (limit && (!bytes_parse(slice_of(limit), &stream->left) || !stream->left))
		return command_misused(
			       command, "--limit \"%s\" is no number from 1", limit),
		       false;
	return true;
}

static enum status events(struct command *command)
{
	struct stream stream = { .command = command,
		.app = command_option(command, "app"),
		.left = UINT64_MAX };
	struct bus_range range = { .topic = TOPIC_EVENTS };
	if (!read_options(command, &stream, &range))
		return STATUS_USAGE;
	if (!command_session(command))
		return STATUS_FAILED;
	stream.arena = arena_new();
	struct fault fault = { 0 };
	bool is_good = session_browse(command->session, &range, seen, &stream, &fault);
	arena_free(stream.arena);
	return is_good ? STATUS_DONE : command_failed(command, "%s", fault.text);
}

static const struct option options[] = {
	{ "follow", 0, NULL, "go on with new ones until Ctrl-C" },
	{ "since", 0, "WHEN",
		MOMENT_FORM " ago; else " SINCE_DEFAULT ", with --follow now" },
	{ "app", 0, "NAME", "only of this app" },
	{ "kind", 0, "KIND", "only of this kind, such as held or delivered" },
	{ "limit", 0, "N", "end after so many" },
	{ "json", 0, NULL, "one event a line, as in proto/event.proto" },
	{ 0 },
};

static const struct action actions[] = {
	{ NULL, "", 0, 0, NULL, options, events },
};

const struct verb events_verb = {
	.name = "events",
	.summary = "show what happens to all messages",
	.help = "    posternctl events --follow --app shop\n"
		"    posternctl events --since 1d --kind bounced --json\n",
	ACTIONS(actions),
};
