/* SPDX-License-Identifier: MIT */
#include "cli/event_text.h"

#include "cli/json.h"
#include "cli/quantity.h"
#include "lib/printable.h"

/* Appends "separator text", or only the text at the front; nothing where it is empty. */
static const char *add(
	struct arena *arena, const char *line, const char *separator, const char *text)
{
	if (!text || !*text)
		return line;
	return arena_printf(arena, "%s%s%s", line, *line ? separator : "", text);
}

static const char *reply_text(struct arena *arena, const Postern__Reply *reply)
{
	if (!reply || !reply->code)
		return "";
	const char *line = arena_printf(arena, "%u", reply->code);
	line = add(arena, line, " ", reply->enhanced);
	return add(arena, line, " ", reply->text);
}

static const char *route_text(struct arena *arena, const Postern__Route *route)
{
	if (!route)
		return "";
	const char *line = add(arena, "", "", route->mx);
	if (*route->address)
		line = add(arena, line, " ", arena_printf(arena, "[%s]", route->address));
	if (*route->source)
		line = add(
			arena, line, " ", arena_printf(arena, "from %s", route->source));
	line = add(
		arena, line, ", ", *route->tls_version ? route->tls_version : "no TLS");
	line = add(arena, line, " ", route->tls_cipher);
	return add(arena, line, ", ", route->certificate);
}

static const char *finding_text(struct arena *arena, const Postern__Finding *finding)
{
	const char *line = add(arena, finding->check, " ", finding->name);
	if (finding->count > 1)
		line = arena_printf(arena, "%s ×%u", line, finding->count);
	if (finding->score != 0)
		line = arena_printf(arena, "%s score %.1f", line, finding->score);
	if (*finding->evidence)
		line = arena_printf(arena, "%s (%s)", line, finding->evidence);
	if (*finding->part)
		line = arena_printf(arena, "%s in %s", line, finding->part);
	return line;
}

static const char *verdict_text(struct arena *arena, const Postern__Event *event)
{
	const Postern__Verdict *verdict = event->verdict;
	if (!verdict)
		return "";
	/* The event's own reason is often the verdict's. */
	bool is_told = slice_equal(slice_of(event->reason), slice_of(verdict->reason));
	const char *line = is_told ? "" : verdict->reason;
	for (size_t i = 0; i < verdict->n_findings; i++)
		line = add(arena, line, "; ", finding_text(arena, verdict->findings[i]));
	return line;
}

static const char *accepted_text(struct arena *arena, const Postern__Accepted *accepted)
{
	if (!accepted)
		return "";
	const char *line = "";
	if (*accepted->client_address)
		line = arena_printf(arena, "from %s", accepted->client_address);
	if (*accepted->credential)
		line = arena_printf(
			arena, "%s with credential %s", line, accepted->credential);
	return line;
}

static const char *signatures_text(struct arena *arena, const Postern__Event *event)
{
	const char *line = "";
	for (size_t i = 0; i < event->n_signatures; i++)
		line = add(arena, line, "; ", event->signatures[i]);
	return line;
}

const char *event_word(struct arena *arena, const Postern__Event *event)
{
	return enum_word(arena, &postern__event_kind__descriptor, (int)event->kind);
}

const char *event_text(struct arena *arena, const Postern__Event *event)
{
	const char *line = event_word(arena, event);
	if (*event->recipient)
		line = arena_printf(arena, "%s %s%s", line,
			event->kind == POSTERN__EVENT_KIND__EVENT_DELIVERED ? "to "
									    : "for ",
			event->recipient);
	line = add(arena, line, " ", accepted_text(arena, event->accepted));
	line = add(arena, line, " by ", event->by);
	line = add(arena, line, ": ", event->reason);
	line = add(arena, line, "; ", verdict_text(arena, event));
	line = add(arena, line, ": ", reply_text(arena, event->reply));
	line = add(arena, line, "; ", route_text(arena, event->route));
	line = add(arena, line, ": ", signatures_text(arena, event));
	if (event->due_us)
		line = arena_printf(arena, "%s; next try %s", line,
			moment_print(arena, event->due_us));
	if (event->attempt > 1)
		line = arena_printf(arena, "%s; attempt %u", line, event->attempt);
	return printable_string(arena, line);
}
