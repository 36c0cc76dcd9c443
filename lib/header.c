/* SPDX-License-Identifier: MIT */
#include "lib/header.h"

#include <string.h>

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

/* The line at the front of `text` with its CRLF. */
static bool take_line(struct slice text, struct slice *ret_line, struct fault *fault)
{
	const char *end = memchr(text.data, '\n', text.size);
	if (!end)
		return fault_permanent(fault, "the header's last line has no CRLF");
	struct slice line = { text.data, (size_t)(end - text.data) + 1 };
	if (memchr(line.data, '\0', line.size))
		return fault_permanent(fault, "NUL in the header");
	if (line.size < 2 ||
		memchr(line.data, '\r', line.size) != line.data + line.size - 2)
		return fault_permanent(fault, "bare CR or LF in the header");
	*ret_line = line;
	return true;
}

/* RFC 5322 2.2: printable ASCII without the colon. A blank before the colon (4.5.3) is
 * read as part of the name by some and skipped by others. */
static bool take_name(struct slice line, struct slice *ret_name, struct fault *fault)
{
	const char *colon = memchr(line.data, ':', line.size);
	if (!colon)
		return fault_permanent(fault, "a header line has no colon: \"%.*s\"",
			line.size > 42 ? 40 : (int)line.size - 2, line.data);
	struct slice name = { line.data, (size_t)(colon - line.data) };
	if (name.size == 0)
		return fault_permanent(fault, "a header field has no name");
	for (size_t i = 0; i < name.size; i++)
		if (name.data[i] <= ' ' || name.data[i] > '~')
			return fault_permanent(fault,
				"a blank or 8-bit character in the name of a header "
				"field");
	*ret_name = name;
	return true;
}

enum header_step header_next(
	struct slice *rest, struct header_field *ret_field, struct fault *fault)
{
	struct header_field field = { .whole = *rest };
	struct slice line, after;
	if (rest->size == 0)
		return HEADER_END;
	if (!take_line(*rest, &line, fault))
		return HEADER_BROKEN;
	after = slice_skip(*rest, line.size);
	if (line.size == 2) {
		*rest = after;
		return HEADER_END;
	}
	if (!take_name(line, &field.name, fault))
		return HEADER_BROKEN;
	while (after.size > 0 && is_blank(after.data[0])) {
		if (!take_line(after, &line, fault))
			return HEADER_BROKEN;
		after = slice_skip(after, line.size);
	}
	field.whole.size = (size_t)(after.data - rest->data);
	field.value = slice_skip(field.whole, field.name.size + 1);
	field.value.size -= 2;
	*rest = after;
	*ret_field = field;
	return HEADER_FIELD;
}

bool header_is(const struct header_field *field, const char *name)
{
	return slice_equal_nocase(field->name, slice_of(name));
}

struct slice header_unfold(struct arena *arena, struct slice value)
{
	char *line = arena_alloc(arena, value.size + 1);
	size_t size = 0;
	for (size_t i = 0; i < value.size; i++)
		if (value.data[i] != '\r' && value.data[i] != '\n')
			line[size++] = value.data[i];
	line[size] = '\0';
	return slice_trim((struct slice){ line, size });
}
