/* SPDX-License-Identifier: MIT */
#include "cli/notice.h"

#include <limits.h>
#include <unistd.h>

#include "cli/control.h"
#include "lib/clock.h"
#include "lib/mail.h"
#include "lib/topics.h"

Postern__Event *notice_new(
	struct arena *arena, const Postern__Mail *mail, Postern__EventKind kind)
{
	char host[HOST_NAME_MAX + 1] = "";
	gethostname(host, HOST_NAME_MAX);
	Postern__Event *event = ARENA_NEW(arena, Postern__Event);
	postern__event__init(event);
	event->version = RECORD_VERSION;
	event->message_id = mail->id;
	event->kind = kind;
	event->time_us = clock_unix_us();
	event->service = (char *)"posternctl";
	event->instance = arena_string(arena, slice_of(host));
	event->app = mail->app;
	event->lane = mail->lane;
	event->pool = mail->pool;
	event->by = (char *)operator_name(arena);
	return event;
}

void notice_begin(
	struct session *session, struct arena *arena, const Postern__Event *event)
{
	session_begin(session, &(struct bus_record){ .topic = TOPIC_EVENTS,
				       .key = slice_of(event->message_id),
				       .value = record_encode(arena, &event->base) });
}
