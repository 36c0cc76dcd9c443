/* SPDX-License-Identifier: MIT
 *
 * Protobuf messages as JSON, by their descriptors: fields under their names in proto/,
 * enums as their last words ("delivered"), bytes as hexadecimal. What is empty or 0 is
 * left out. Not for control objects, which have secrets: those are rendered by kind. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

#include "lib/arena.h"

/* A new reference. */
json_t *json_of_message(struct arena *arena, const ProtobufCMessage *message);
/* "delivered" of POSTERN__EVENT_KIND__EVENT_DELIVERED; "?" for a number without name. */
const char *enum_word(
	struct arena *arena, const ProtobufCEnumDescriptor *type, int value);
/* The reverse. False: no such word. */
bool enum_parse(const ProtobufCEnumDescriptor *type, const char *word, int *ret_value);
/* "accepted, cleared, …", without the value 0. */
const char *enum_words(struct arena *arena, const ProtobufCEnumDescriptor *type);
/* On one line of ASCII, and drops the reference. */
void json_print_line(json_t *value, FILE *out);

#endif
