/* SPDX-License-Identifier: MIT */
#include "cli/document.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "lib/printable.h"
#include "lib/registry/registry.h"
#include "lib/table.h"

#define SHOWN_BYTES 80 /* of a wrong value */

struct reader {
	struct documents *documents;
	struct problems *problems;
	struct arena *arena;
	const char *file;
	yaml_document_t *yaml;
	const yaml_node_t *top; /* the mapping of the object that is read */
};

static struct place place_of(const struct reader *reader, yaml_mark_t mark)
{
	return (struct place){ reader->file, mark.line + 1, mark.column + 1 };
}

static struct place node_place(const struct reader *reader, const yaml_node_t *node)
{
	return place_of(reader, node->start_mark);
}

static struct slice node_text(const yaml_node_t *node)
{
	return (struct slice){ (const char *)node->data.scalar.value,
		node->data.scalar.length };
}

static const char *shown(const struct reader *reader, const yaml_node_t *node)
{
	struct slice text = node_text(node);
	return arena_printf(reader->arena, "%s%s",
		printable(reader->arena, text, SHOWN_BYTES),
		text.size > SHOWN_BYTES ? "…" : "");
}

/* "pool:" and "pool: ~" give no value; "pool: ''" gives the empty one. */
static bool is_null(const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE ||
		node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	struct slice text = node_text(node);
	return !text.size || slice_equal(text, SLICE("~")) ||
	       slice_equal(text, SLICE("null"));
}

static bool has_tag_of_its_own(const yaml_node_t *node)
{
	const char *tag = (const char *)node->tag;
	return tag && strcmp(tag, YAML_STR_TAG) != 0 && strcmp(tag, YAML_SEQ_TAG) != 0 &&
	       strcmp(tag, YAML_MAP_TAG) != 0;
}

static const char *type_name(const yaml_node_t *node)
{
	return node->type == YAML_SEQUENCE_NODE  ? "a list"
	       : node->type == YAML_MAPPING_NODE ? "a mapping"
						 : "a single value";
}

static const char *allowed_form(struct arena *arena, const struct field *field)
{
	const char *one = field->value ? value_allowed(field->value, arena)
				       : arena_printf(arena, "a mapping with %s",
						 field_names(arena, field->fields));
	return field->count_offset ? arena_printf(arena, "a list, of %s", one) : one;
}

static bool check_type(const struct reader *reader, const struct field *field,
	const yaml_node_t *node, yaml_node_type_t wanted)
{
	const char *allowed = allowed_form(reader->arena, field);
	struct place place = node_place(reader, node);
	if (is_null(node))
		problem_error(reader->problems, place,
			"%s has no value: give one, or leave the key out; allowed: %s",
			field->name, allowed);
	else if (has_tag_of_its_own(node))
		problem_error(reader->problems, place, "%s: the tag %s is not used here",
			field->name,
			printable_string(reader->arena, (const char *)node->tag));
	else if (node->type != wanted)
		problem_error(reader->problems, place, "%s can't be %s; allowed: %s",
			field->name, type_name(node), allowed);
	else
		return true;
	return false;
}

static void add_reference(
	struct reader *reader, const char *kind, const char *name, struct place place)
{
	struct reference *reference = ARENA_NEW(reader->arena, struct reference);
	const char *at = strrchr(name, '@');
	*reference = (struct reference){ NULL, place, kind, at ? at + 1 : name };
	*reader->documents->last_reference = reference;
	reader->documents->last_reference = &reference->next;
}

static void read_value(struct reader *reader, const struct field *field,
	const yaml_node_t *node, void *at)
{
	if (!check_type(reader, field, node, YAML_SCALAR_NODE))
		return;
	struct slice text = node_text(node);
	struct fault fault = { 0 };
	const struct value *value = field->value;
	bool is_good = value->read && !memchr(text.data, '\0', text.size) &&
		       value->read(value, reader->arena, text.data, at, &fault);
	if (!is_good)
		problem_error(reader->problems, node_place(reader, node),
			"%s: \"%s\" is not allowed%s%s; allowed: %s", field->name,
			shown(reader, node), *fault.text ? ": " : "", fault.text,
			value_allowed(value, reader->arena));
	else if (field->refers)
		add_reference(
			reader, field->refers, *(char **)at, node_place(reader, node));
}

static void read_fields(struct reader *reader, const struct field *fields,
	const yaml_node_t *node, void *message);

/* One element: a scalar at `at`, or a message that `at` points to. */
static void read_one(struct reader *reader, const struct field *field,
	const yaml_node_t *node, void *at)
{
	if (field->value) {
		read_value(reader, field, node, at);
		return;
	}
	*(void **)at = message_new(reader->arena, field->message);
	if (check_type(reader, field, node, YAML_MAPPING_NODE))
		read_fields(reader, field->fields, node, *(void **)at);
}

static void read_list(struct reader *reader, const struct field *field,
	const yaml_node_t *node, void *message)
{
	if (!check_type(reader, field, node, YAML_SEQUENCE_NODE))
		return;
	yaml_node_item_t *item = node->data.sequence.items.start;
	size_t count = (size_t)(node->data.sequence.items.top - item);
	if (!count && field->is_required)
		problem_error(reader->problems, node_place(reader, node),
			"%s needs at least one", field->name);
	/* Lists hold strings or messages: pointers both. */
	void **elements = ARENA_ARRAY(reader->arena, void *, count + 1);
	for (size_t i = 0; i < count; i++) {
		elements[i] = (void *)"";
		read_one(reader, field, yaml_document_get_node(reader->yaml, item[i]),
			&elements[i]);
	}
	*(void ***)((char *)message + field->offset) = elements;
	*(size_t *)((char *)message + field->count_offset) = count;
}

static void read_field(struct reader *reader, const struct field *field,
	const yaml_node_t *node, void *message)
{
	bool is_empty_mapping = node->type == YAML_MAPPING_NODE &&
				node->data.mapping.pairs.start ==
					node->data.mapping.pairs.top;
	if (field->count_offset)
		read_list(reader, field, node, message);
	else if (!field->fields || !is_empty_mapping)
		read_one(reader, field, node, (char *)message + field->offset);
}

/* NULL: it is none of them, and that has been told. */
static const struct field *key_field(const struct reader *reader,
	const struct field *fields, const yaml_node_t *key, const bool *seen)
{
	struct place place = node_place(reader, key);
	if (key->type != YAML_SCALAR_NODE) {
		problem_error(
			reader->problems, place, "a key can't be %s", type_name(key));
		return NULL;
	}
	const struct field *field = field_find(
		fields, (const char *)key->data.scalar.value);
	if (!field)
		problem_error(reader->problems, place,
			"there is no key \"%s\" here; allowed: %s", shown(reader, key),
			field_names(reader->arena, fields));
	else if (seen[field - fields])
		problem_error(
			reader->problems, place, "%s stands here twice", field->name);
	else
		return field;
	return NULL;
}

static bool is_kind_key(const yaml_node_t *key)
{
	return key->type == YAML_SCALAR_NODE &&
	       slice_equal(node_text(key), SLICE("kind"));
}

static void read_fields(struct reader *reader, const struct field *fields,
	const yaml_node_t *node, void *message)
{
	bool seen[FIELD_MOST] = { 0 };
	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	for (; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yaml_document_get_node(reader->yaml, pair->key);
		if (node == reader->top && is_kind_key(key))
			continue;
		const struct field *field = key_field(reader, fields, key, seen);
		if (!field)
			continue;
		seen[field - fields] = true;
		read_field(reader, field,
			yaml_document_get_node(reader->yaml, pair->value), message);
	}
	for (const struct field *field = fields; field->name; field++)
		if (field->is_required && !seen[field - fields])
			problem_error(reader->problems, node_place(reader, node),
				"%s is missing", field->name);
}

/* NULL: it has none, or a wrong one, and that has been told. */
static const struct kind *read_kind(struct reader *reader, const yaml_node_t *node)
{
	const yaml_node_t *found = NULL;
	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	for (; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = yaml_document_get_node(reader->yaml, pair->key);
		if (!is_kind_key(key))
			continue;
		if (found)
			problem_error(reader->problems, node_place(reader, key),
				"kind stands here twice");
		found = yaml_document_get_node(reader->yaml, pair->value);
	}
	const struct kind *kind = NULL;
	if (found && found->type == YAML_SCALAR_NODE)
		kind = kind_find((const char *)found->data.scalar.value);
	if (!found)
		problem_error(reader->problems, node_place(reader, node),
			"kind is missing; allowed: %s", kind_names(reader->arena, true));
	else if (!kind)
		problem_error(reader->problems, node_place(reader, found),
			"kind: %s is not allowed; allowed: %s",
			found->type == YAML_SCALAR_NODE
				? arena_printf(
					  reader->arena, "\"%s\"", shown(reader, found))
				: type_name(found),
			kind_names(reader->arena, true));
	else if (kind->is_made_elsewhere)
		problem_error(reader->problems, node_place(reader, found),
			"a %s can't be applied; see `posternctl help %s`", kind->name,
			kind->name);
	else
		return kind;
	return NULL;
}

static void refuse_repeat(struct reader *reader, struct document *document)
{
	struct table *by_key = reader->documents->by_key;
	const struct document *earlier = table_get(by_key, document->key);
	if (earlier)
		problem_error(reader->problems, document->place,
			"%.*s stands twice, first at %s:%zu", SLICE_ARG(document->key),
			earlier->place.file, earlier->place.line);
	else
		table_put(by_key, document->key, document);
}

static void read_object(struct reader *reader, const yaml_node_t *node)
{
	if (node->type != YAML_MAPPING_NODE) {
		problem_error(reader->problems, node_place(reader, node),
			"an object is a mapping with a kind, not %s", type_name(node));
		return;
	}
	const struct kind *kind = read_kind(reader, node);
	if (!kind)
		return;
	struct document *document = ARENA_NEW(reader->arena, struct document);
	document->place = node_place(reader, node);
	document->kind = kind;
	document->object = object_new(reader->arena, kind);
	size_t errors = reader->problems->errors;
	reader->top = node;
	read_fields(reader, kind->fields, node, object_body(document->object));
	if (reader->problems->errors > errors)
		return;
	document->key = object_key(reader->arena, document->object);
	refuse_repeat(reader, document);
	*reader->documents->last = document;
	reader->documents->last = &document->next;
}

static void read_root(struct reader *reader, const yaml_node_t *root)
{
	/* Nothing between two lines of dashes. */
	if (is_null(root))
		return;
	if (root->type != YAML_SEQUENCE_NODE) {
		read_object(reader, root);
		return;
	}
	const yaml_node_item_t *item = root->data.sequence.items.start;
	for (; item < root->data.sequence.items.top; item++)
		read_object(reader, yaml_document_get_node(reader->yaml, *item));
}

/* The parser's marks are unset where the bytes are no UTF-8. */
static void tell_yaml_fault(
	struct reader *reader, const yaml_parser_t *parser, struct slice text)
{
	struct place place = place_of(reader, parser->problem_mark);
	if (parser->error == YAML_READER_ERROR) {
		struct slice before = slice_head(text, parser->problem_offset);
		place = (struct place){ reader->file, 1, 1 };
		for (size_t i = 0; i < before.size; i++) {
			bool is_end = before.data[i] == '\n';
			place.line += is_end;
			place.column = is_end ? 1 : place.column + 1;
		}
	}
	problem_error(reader->problems, place, "this is not YAML: %s%s%s",
		parser->context ? parser->context : "", parser->context ? ", " : "",
		parser->problem ? parser->problem : "can't be read");
}

void documents_init(
	struct documents *documents, struct arena *arena, struct problems *problems)
{
	*documents = (struct documents){ .arena = arena, .problems = problems };
	documents->last = &documents->first;
	documents->last_reference = &documents->first_reference;
	documents->by_key = table_new();
}

void documents_done(struct documents *documents)
{
	table_free(documents->by_key);
}

void documents_read(struct documents *documents, const char *file, struct slice text)
{
	struct reader reader = { .documents = documents,
		.problems = documents->problems,
		.arena = documents->arena,
		.file = file };
	if (text.size > DOCUMENT_CEILING) {
		problem_error(reader.problems, (struct place){ file },
			"larger than %zu MB: take it apart", DOCUMENT_CEILING >> 20);
		return;
	}
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		abort();
	yaml_parser_set_input_string(
		&parser, (const unsigned char *)text.data, text.size);
	yaml_document_t yaml;
	bool is_more = true;
	while (is_more) {
		if (!yaml_parser_load(&parser, &yaml)) {
			tell_yaml_fault(&reader, &parser, text);
			break;
		}
		reader.yaml = &yaml;
		const yaml_node_t *root = yaml_document_get_root_node(&yaml);
		is_more = root;
		if (root)
			read_root(&reader, root);
		yaml_document_delete(&yaml);
	}
	yaml_parser_delete(&parser);
}
