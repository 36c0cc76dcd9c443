/* SPDX-License-Identifier: MIT */
#include "cli/render.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "lib/printable.h"

#define YAML_CEILING ((size_t)64 << 20)

/* The n-th element of a list, or the field itself. */
static void *element(const struct field *field, const void *message, size_t n)
{
	void *at = (char *)message + field->offset;
	return field->count_offset ? &(*(void ***)at)[n] : at;
}

static size_t count_of(const struct field *field, const void *message)
{
	if (field->count_offset)
		return *(const size_t *)((const char *)message + field->count_offset);
	if (field->fields)
		return *(void *const *)((const char *)message + field->offset) ? 1 : 0;
	return 1;
}

static const char *text_of(
	const struct field *field, struct arena *arena, const void *message, size_t n)
{
	return field->value->print(field->value, arena, element(field, message, n));
}

/* Set, or such that it must be written anyway. */
static bool is_told(const struct field *field, struct arena *arena, const void *message)
{
	if (!field->value || field->count_offset)
		return count_of(field, message);
	return field->is_required || *text_of(field, arena, message, 0);
}

/* --- YAML -----------------------------------------------------------------------------
 */

struct writer {
	struct arena *arena;
	struct buffer *out;
};

/* Every reader of YAML takes these for the same text. */
static bool is_plain(const char *text)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off",
		"null", "y", "n" };
	if (!isalpha((unsigned char)text[0]))
		return false;
	for (const char *at = text; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("._-/@+", *at))
			return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return false;
	return true;
}

static bool is_number_text(const char *text)
{
	return *text && strspn(text, "0123456789.") == strlen(text);
}

/* Quantities such as "25M" begin with a digit, and are no number to anybody. */
static bool is_quantity(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return digits && isalpha((unsigned char)text[digits]) &&
	       strspn(text, "0123456789kMGdhmsw") == strlen(text);
}

static void write_scalar(
	struct writer *writer, const struct field *field, const char *text)
{
	bool is_bare = is_plain(text) ||
		       (field->value->is_number && is_number_text(text)) ||
		       is_quantity(text);
	if (is_bare) {
		buffer_append(writer->out, slice_of(text));
		return;
	}
	buffer_append(writer->out, SLICE("\""));
	for (const char *at = printable_string(writer->arena, text); *at; at++) {
		if (*at == '"' || *at == '\\')
			buffer_append(writer->out, SLICE("\\"));
		buffer_append(writer->out, (struct slice){ at, 1 });
	}
	buffer_append(writer->out, SLICE("\""));
}

static void indent(struct writer *writer, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		buffer_append(writer->out, SLICE("  "));
}

static bool is_usual(const struct field *field, struct arena *arena, const void *message)
{
	return field->usual &&
	       strcmp(text_of(field, arena, message, 0), field->usual) == 0;
}

/* The first key of an item stands behind the item's dash. */
static void write_fields(struct writer *writer, const struct field *fields,
	const void *message, unsigned depth, bool is_item);

static void write_elements(struct writer *writer, const struct field *field,
	const void *message, unsigned depth)
{
	buffer_append(writer->out, SLICE("\n"));
	for (size_t i = 0; i < count_of(field, message); i++) {
		if (field->count_offset) {
			indent(writer, depth + 1);
			buffer_append(writer->out, SLICE("- "));
		}
		if (field->fields) {
			write_fields(writer, field->fields,
				*(void **)element(field, message, i),
				depth + (field->count_offset ? 2 : 1),
				field->count_offset);
			continue;
		}
		write_scalar(writer, field, text_of(field, writer->arena, message, i));
		buffer_append(writer->out, SLICE("\n"));
	}
}

static void write_fields(struct writer *writer, const struct field *fields,
	const void *message, unsigned depth, bool is_item)
{
	for (const struct field *field = fields; field->name; field++) {
		if (!is_told(field, writer->arena, message) ||
			is_usual(field, writer->arena, message))
			continue;
		if (!is_item)
			indent(writer, depth);
		is_item = false;
		buffer_printf(writer->out, "%s:", field->name);
		if (!field->value || field->count_offset) {
			write_elements(writer, field, message, depth);
			continue;
		}
		buffer_append(writer->out, SLICE(" "));
		write_scalar(writer, field, text_of(field, writer->arena, message, 0));
		buffer_append(writer->out, SLICE("\n"));
	}
}

const char *object_yaml(struct arena *arena, const Postern__Object *object)
{
	const struct kind *kind = kind_of(object);
	CLEANUP(buffer_done) struct buffer out;
	buffer_init(&out, YAML_CEILING);
	struct writer writer = { arena, &out };
	buffer_printf(&out, "kind: %s\n", kind->name);
	write_fields(&writer, kind->fields, object_body(object), 0, false);
	return arena_string(arena, buffer_slice(&out));
}

/* --- JSON -----------------------------------------------------------------------------
 */

static json_t *json_of_scalar(
	struct arena *arena, const struct field *field, const char *text)
{
	if (!field->value->is_number || !is_number_text(text))
		return json_string(printable_string(arena, text));
	if (strchr(text, '.'))
		return json_real(strtod(text, NULL));
	return json_integer(strtoll(text, NULL, 10));
}

static void add_json(json_t *target, struct arena *arena, const struct field *fields,
	const void *message);

static json_t *json_of_element(
	struct arena *arena, const struct field *field, const void *message, size_t n)
{
	if (field->value)
		return json_of_scalar(arena, field, text_of(field, arena, message, n));
	json_t *value = json_object();
	add_json(value, arena, field->fields, *(void **)element(field, message, n));
	return value;
}

static void add_json(json_t *target, struct arena *arena, const struct field *fields,
	const void *message)
{
	for (const struct field *field = fields; field->name; field++) {
		if (!is_told(field, arena, message))
			continue;
		json_t *value;
		if (!field->count_offset) {
			value = json_of_element(arena, field, message, 0);
		} else {
			value = json_array();
			for (size_t i = 0; i < count_of(field, message); i++)
				json_array_append_new(
					value, json_of_element(arena, field, message, i));
		}
		json_object_set_new(target, field->name, value);
	}
}

json_t *object_json(struct arena *arena, const Postern__Object *object)
{
	const struct kind *kind = kind_of(object);
	json_t *value = json_object();
	json_object_set_new(value, "kind", json_string(kind->name));
	add_json(value, arena, kind->fields, object_body(object));
	return value;
}

/* --- lists ----------------------------------------------------------------------------
 */

void kind_listing(struct listing *listing, struct arena *arena, const struct kind *kind)
{
	const char *titles[LISTING_COLUMNS + 1] = { 0 };
	for (size_t i = 0; kind->columns[i]; i++) {
		char *title = arena_string(arena, slice_of(kind->columns[i]));
		for (char *at = title; *at; at++)
			*at = (char)toupper((unsigned char)*at);
		titles[i] = title;
	}
	listing_init(listing, arena, titles);
}

static const char *cell(
	struct arena *arena, const struct field *field, const void *message)
{
	size_t count = count_of(field, message);
	if (field->fields)
		return arena_printf(arena, "%zu", count);
	const char *text = "";
	for (size_t i = 0; i < count; i++)
		text = arena_printf(arena, "%s%s%s", text, *text ? "," : "",
			text_of(field, arena, message, i));
	return text;
}

void object_listing(struct listing *listing, const Postern__Object *object)
{
	const struct kind *kind = kind_of(object);
	const char *cells[LISTING_COLUMNS] = { 0 };
	for (size_t i = 0; kind->columns[i]; i++)
		cells[i] = cell(listing->arena,
			field_find(kind->fields, kind->columns[i]), object_body(object));
	listing_add(listing, cells);
}
