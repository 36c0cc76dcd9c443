/* SPDX-License-Identifier: MIT */
#include "cli/control.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mail.h"
#include "lib/topics.h"

const char *operator_name(struct arena *arena)
{
	static const char *const variables[] = { "SUDO_USER", "USER", "LOGNAME" };
	const char *name = NULL;
	for (size_t i = 0; i < 3 && (!name || !*name); i++)
		name = getenv(variables[i]);
	char host[HOST_NAME_MAX + 1] = "";
	gethostname(host, HOST_NAME_MAX);
	if (name && *name)
		return arena_printf(arena, "%s@%s", name, host);
	return arena_printf(arena, "uid%u@%s", (unsigned)getuid(), host);
}

void control_begin(struct session *session, struct arena *arena, Postern__Object *object)
{
	object->by = (char *)operator_name(arena);
	object->written_us = clock_unix_us();
	session_begin(session, &(struct bus_record){ .topic = TOPIC_CONTROL,
				       .key = object_key(arena, object),
				       .value = record_encode(arena, &object->base) });
}

bool control_put(struct session *session, struct arena *arena, Postern__Object *object,
	struct fault *fault)
{
	control_begin(session, arena, object);
	return session_wait(session, 0, fault);
}

bool control_delete(struct session *session, struct slice key, struct fault *fault)
{
	return session_publish(session,
		&(struct bus_record){ .topic = TOPIC_CONTROL, .key = key }, fault);
}

Postern__Object *object_copy(struct arena *arena, const Postern__Object *object)
{
	Postern__Object *copy = object_decode(
		arena, record_encode(arena, &object->base), NULL);
	assert(copy); /* it was decoded before */
	return copy;
}
