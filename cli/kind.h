/* SPDX-License-Identifier: MIT
 *
 * A kind of control object: one file in kinds/, ending in `const struct kind
 * <file>_kind`. Its table of fields drives reading, printing, listing and comparing: a
 * new field is one row. */
#ifndef CLI_KIND_H
#define CLI_KIND_H

#include <stddef.h>

#include "cli/value.h"
#include "proto/control.pb-c.h"

#define FIELD_MOST 32 /* fields of one mapping */

struct field {
	const char *name;          /* the key in YAML; NULL ends a table */
	const struct value *value; /* of a text or number, or of each in a list of such */
	const struct field *fields; /* of a mapping, or of each in a list of such */
	const ProtobufCMessageDescriptor *message; /* of that mapping */
	size_t offset;
	size_t count_offset; /* of a list; 0: not a list */
	bool is_required;
	const char *refers; /* kind of the object that is named, or whose domain is */
	const char *usual;  /* text that YAML leaves out */
};

struct kind {
	const char *name, *plural;
	Postern__Object__KindCase number;
	const ProtobufCMessageDescriptor *message;
	const struct field *fields;
	/* Names of fields that stand in a list of objects; ends with NULL. */
	const char *const *columns;
	/* Fills in what the document left out, from the object that is there (or NULL).
	 * NULL: nothing to do. */
	void (*complete)(Postern__Object *object, const Postern__Object *former);
	bool is_made_elsewhere; /* not by apply */
};

/* Rows of a table of fields of `type`. */
#define VALUE(type, field, key, v) \
	.name = (key), .value = &(v), .offset = offsetof(type, field)
#define VALUES(type, field, key, v) \
	VALUE(type, field, key, v), .count_offset = offsetof(type, n_##field)
#define MAPPING(type, field, key, table, descriptor)                       \
	.name = (key), .fields = (table), .offset = offsetof(type, field), \
	.message = &(descriptor)
#define MAPPINGS(type, field, key, table, descriptor) \
	MAPPING(type, field, key, table, descriptor), \
		.count_offset = offsetof(type, n_##field)

/* Written by tools/registry; ends with NULL. */
extern const struct kind *const kind_registry[];

/* By its name or plural; NULL if there is none. */
const struct kind *kind_find(const char *name);
const struct kind *kind_of(const Postern__Object *object);
/* "app, domain, …": those that can be applied, or all. */
const char *kind_names(struct arena *arena, bool only_applied);

const struct field *field_find(const struct field *fields, const char *name);
const char *field_names(struct arena *arena, const struct field *fields);
/* The message of the kind in the object. */
ProtobufCMessage *object_body(const Postern__Object *object);
/* A new object of that kind with an empty body. */
Postern__Object *object_new(struct arena *arena, const struct kind *kind);
/* A new message; all in the arena. */
void *message_new(struct arena *arena, const ProtobufCMessageDescriptor *type);

#endif
