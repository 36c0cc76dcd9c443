/* SPDX-License-Identifier: MIT */
#include "services/signer/letter.h"

#include <string.h>

#define FIELDS_MAX   2000
#define FIELDS_USUAL 32

struct reader {
	struct arena *arena;
	struct letter letter;
	size_t room; /* for fields */
};

static struct slice slice_of_bytes(ProtobufCBinaryData bytes)
{
	return (struct slice){ (const char *)bytes.data, bytes.len };
}

/* Does `partner` stand beside each `byte`? */
static bool is_paired(struct slice text, char byte, int beside, char partner)
{
	const char *at = text.data, *end = text.data + text.size;
	while (at < end && (at = memchr(at, byte, end - at))) {
		const char *other = at + beside;
		if (other < text.data || other >= end || *other != partner)
			return false;
		at++;
	}
	return true;
}

/* RFC 5322 2.3: CR and LF only together; RFC 5321 4.5.2 knows no NUL. */
static bool check_clean(struct slice text, const char *where, struct fault *fault)
{
	if (text.size < 2 || memcmp(text.data + text.size - 2, "\r\n", 2) != 0)
		return fault_permanent(fault, "%s does not end with CRLF", where);
	if (!is_paired(text, '\n', -1, '\r') || !is_paired(text, '\r', 1, '\n'))
		return fault_permanent(fault, "%s has a bare CR or LF", where);
	if (memchr(text.data, 0, text.size))
		return fault_permanent(fault, "%s has a NUL byte", where);
	return true;
}

static bool add_field(
	struct reader *reader, const struct header_field *field, struct fault *fault)
{
	struct letter *letter = &reader->letter;
	if (letter->count == FIELDS_MAX)
		return fault_permanent(fault, "more than %d header fields", FIELDS_MAX);
	if (letter->count == reader->room) {
		reader->room = letter->count ? letter->count * 2 : FIELDS_USUAL;
		struct header_field *fields = ARENA_ARRAY(
			reader->arena, struct header_field, reader->room);
		if (letter->count)
			memcpy(fields, letter->fields, letter->count * sizeof(*fields));
		letter->fields = fields;
	}
	letter->fields[letter->count++] = *field;
	return true;
}

static bool read_list(
	struct reader *reader, const Postern__Mail *mail, struct fault *fault)
{
	for (size_t i = 0; i < mail->n_headers; i++) {
		struct slice text = slice_of_bytes(mail->headers[i]);
		struct header_field field;
		if (!check_clean(text, "a header field that was added", fault))
			return false;
		if (header_next(&text, &field, fault) != HEADER_FIELD || text.size > 0)
			return fault_permanent(
				fault, "what was added to the header is no field");
		if (!header_is(&field, "DKIM-Signature") &&
			!add_field(reader, &field, fault))
			return false;
	}
	return true;
}

static bool read_content(
	struct reader *reader, const Postern__Mail *mail, struct fault *fault)
{
	struct slice text = slice_of_bytes(mail->content);
	if (!check_clean(text, "the content", fault))
		return false;
	struct header_field field;
	enum header_step step;
	while ((step = header_next(&text, &field, fault)) == HEADER_FIELD)
		if (!add_field(reader, &field, fault))
			return false;
	reader->letter.body = text;
	return step == HEADER_END;
}

bool letter_read(struct arena *arena, const Postern__Mail *mail,
	struct letter *ret_letter, struct fault *fault)
{
	struct reader reader = { .arena = arena };
	if (!read_list(&reader, mail, fault) || !read_content(&reader, mail, fault))
		return false;
	struct letter letter = reader.letter;
	size_t froms = 0;
	for (size_t i = 0; i < letter.count; i++)
		froms += header_is(&letter.fields[i], "From");
	if (froms != 1)
		return fault_permanent(
			fault, "%zu From fields; there must be one", froms);
	*ret_letter = letter;
	return true;
}
