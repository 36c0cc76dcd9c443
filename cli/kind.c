/* SPDX-License-Identifier: MIT */
#include "cli/kind.h"

#include <string.h>

#include "lib/mail.h"

const struct kind *kind_find(const char *name)
{
	for (const struct kind *const *kind = kind_registry; *kind; kind++)
		if (strcmp((*kind)->name, name) == 0 ||
			strcmp((*kind)->plural, name) == 0)
			return *kind;
	return NULL;
}

const struct kind *kind_of(const Postern__Object *object)
{
	for (const struct kind *const *kind = kind_registry; *kind; kind++)
		if ((*kind)->number == object->kind_case)
			return *kind;
	return NULL;
}

const char *kind_names(struct arena *arena, bool only_applied)
{
	const char *names = "";
	for (const struct kind *const *kind = kind_registry; *kind; kind++)
		if (!only_applied || !(*kind)->is_made_elsewhere)
			names = arena_printf(arena, "%s%s%s", names, *names ? ", " : "",
				(*kind)->name);
	return names;
}

const struct field *field_find(const struct field *fields, const char *name)
{
	for (; fields->name; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

const char *field_names(struct arena *arena, const struct field *fields)
{
	const char *names = fields->name;
	for (fields++; fields->name; fields++)
		names = arena_printf(arena, "%s, %s", names, fields->name);
	return names;
}

ProtobufCMessage *object_body(const Postern__Object *object)
{
	/* The members of a union of pointers. */
	return &object->app->base;
}

void *message_new(struct arena *arena, const ProtobufCMessageDescriptor *type)
{
	void *message = arena_alloc(arena, type->sizeof_message);
	type->message_init(message);
	return message;
}

Postern__Object *object_new(struct arena *arena, const struct kind *kind)
{
	Postern__Object *object = message_new(arena, &postern__object__descriptor);
	object->version = RECORD_VERSION;
	object->kind_case = kind->number;
	object->app = message_new(arena, kind->message);
	return object;
}
