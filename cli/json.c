/* SPDX-License-Identifier: MIT */
#include "cli/json.h"

#include <ctype.h>
#include <string.h>

#include "lib/printable.h"

/* EVENT_NOT_READ is "not_read": the first word names the enum. */
static const char *word_of(struct arena *arena, const char *name)
{
	const char *rest = strchr(name, '_');
	char *word = arena_string(arena, slice_of(rest ? rest + 1 : name));
	for (char *at = word; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	return word;
}

const char *enum_word(struct arena *arena, const ProtobufCEnumDescriptor *type, int value)
{
	const ProtobufCEnumValue *row = protobuf_c_enum_descriptor_get_value(type, value);
	return row ? word_of(arena, row->name) : "?";
}

bool enum_parse(const ProtobufCEnumDescriptor *type, const char *word, int *ret_value)
{
	for (unsigned i = 0; i < type->n_values; i++) {
		const char *rest = strchr(type->values[i].name, '_');
		if (type->values[i].value && rest && strcasecmp(rest + 1, word) == 0) {
			*ret_value = type->values[i].value;
			return true;
		}
	}
	return false;
}

const char *enum_words(struct arena *arena, const ProtobufCEnumDescriptor *type)
{
	const char *words = "";
	for (unsigned i = 0; i < type->n_values; i++)
		if (type->values[i].value)
			words = arena_printf(arena, "%s%s%s", words, *words ? ", " : "",
				word_of(arena, type->values[i].name));
	return words;
}

static json_t *json_of_bytes(struct arena *arena, const ProtobufCBinaryData *bytes)
{
	char *text = arena_alloc(arena, bytes->len * 2 + 1);
	for (size_t i = 0; i < bytes->len; i++)
		snprintf(text + i * 2, 3, "%02x", bytes->data[i]);
	text[bytes->len * 2] = '\0';
	return json_string(text);
}

static json_t *json_of_text(struct arena *arena, const char *text)
{
	json_t *value = json_string(text);
	return value ? value : json_string(printable_string(arena, text));
}

/* NULL where the number is 0, here and below. */
static json_t *json_of_number(const ProtobufCFieldDescriptor *field, const void *at)
{
	int64_t number = 0;
	if (field->type == PROTOBUF_C_TYPE_DOUBLE) {
		double value = *(const double *)at;
		return value != 0 ? json_real(value) : NULL;
	}
	if (field->type == PROTOBUF_C_TYPE_INT64 || field->type == PROTOBUF_C_TYPE_UINT64)
		number = *(const int64_t *)at;
	else if (field->type == PROTOBUF_C_TYPE_UINT32)
		number = *(const uint32_t *)at;
	/* proto/ has no other. */
	return number ? json_integer(number) : NULL;
}

static json_t *json_of_enum(
	struct arena *arena, const ProtobufCFieldDescriptor *field, const void *at)
{
	int value = *(const int *)at;
	return value ? json_string(enum_word(arena, field->descriptor, value)) : NULL;
}

static json_t *json_of_value(
	struct arena *arena, const ProtobufCFieldDescriptor *field, const void *at)
{
	const ProtobufCBinaryData *bytes = at;
	const char *text;
	const ProtobufCMessage *message;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		text = *(char *const *)at;
		return text && *text ? json_of_text(arena, text) : NULL;
	case PROTOBUF_C_TYPE_BYTES:
		return bytes->len ? json_of_bytes(arena, bytes) : NULL;
	case PROTOBUF_C_TYPE_MESSAGE:
		message = *(ProtobufCMessage *const *)at;
		return message ? json_of_message(arena, message) : NULL;
	case PROTOBUF_C_TYPE_ENUM:
		return json_of_enum(arena, field, at);
	case PROTOBUF_C_TYPE_BOOL:
		return *(const protobuf_c_boolean *)at ? json_true() : NULL;
	default:
		return json_of_number(field, at);
	}
}

static size_t element_size(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	default:
		return 0; /* proto/ repeats no numbers */
	}
}

static json_t *json_of_list(
	struct arena *arena, const ProtobufCFieldDescriptor *field, const char *message)
{
	size_t count = *(const size_t *)(message + field->quantifier_offset);
	const char *elements = *(char *const *)(message + field->offset);
	if (!count || !element_size(field))
		return NULL;
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *value = json_of_value(
			arena, field, elements + i * element_size(field));
		json_array_append_new(list, value ? value : json_string(""));
	}
	return list;
}

static bool is_there(const ProtobufCFieldDescriptor *field, const char *message)
{
	if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		return true;
	return *(const uint32_t *)(message + field->quantifier_offset) == field->id;
}

json_t *json_of_message(struct arena *arena, const ProtobufCMessage *message)
{
	json_t *object = json_object();
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		const char *bytes = (const char *)message;
		json_t *value = NULL;
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			value = json_of_list(arena, field, bytes);
		else if (is_there(field, bytes))
			value = json_of_value(arena, field, bytes + field->offset);
		if (value)
			json_object_set_new(object, field->name, value);
	}
	return object;
}

void json_print_line(json_t *value, FILE *out)
{
	json_dumpf(value, out, JSON_COMPACT | JSON_ENSURE_ASCII);
	fputc('\n', out);
	json_decref(value);
}
