/* SPDX-License-Identifier: MIT */
#include "services/signer/canon.h"

#include <assert.h>
#include <string.h>

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

static bool is_line_end(char byte)
{
	return byte == '\r' || byte == '\n';
}

static char lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

size_t canon_field(struct slice field, char *out)
{
	const char *colon = memchr(field.data, ':', field.size);
	assert(colon && field.size >= 3);
	size_t size = 0, at = 0;
	for (; field.data + at < colon; at++)
		if (!is_blank(field.data[at]))
			out[size++] = lower(field.data[at]);
	out[size++] = ':';
	size_t value = size;
	bool has_blank = false;
	for (at++; at < field.size; at++) {
		char byte = field.data[at];
		if (is_blank(byte)) {
			has_blank = true;
		} else if (!is_line_end(byte)) {
			if (has_blank && size > value)
				out[size++] = ' ';
			has_blank = false;
			out[size++] = byte;
		}
	}
	out[size++] = '\r';
	out[size++] = '\n';
	return size;
}

void canon_body_init(struct canon_body *body, canon_sink *sink, void *with)
{
	body->sink = sink;
	body->with = with;
	body->line_ends = body->size = 0;
	body->has_blank = body->has_any = false;
}

static void flush(struct canon_body *body)
{
	if (body->size > 0)
		body->sink(body->with, (struct slice){ body->bytes, body->size });
	body->size = 0;
}

static void put(struct canon_body *body, char byte)
{
	if (body->size == sizeof(body->bytes))
		flush(body);
	body->bytes[body->size++] = byte;
}

/* What was held back turns out to stand inside the body. */
static void put_held(struct canon_body *body)
{
	for (; body->line_ends > 0; body->line_ends--) {
		put(body, '\r');
		put(body, '\n');
	}
	if (body->has_blank)
		put(body, ' ');
	body->has_blank = false;
}

void canon_body_feed(struct canon_body *body, struct slice piece)
{
	for (size_t i = 0; i < piece.size; i++) {
		char byte = piece.data[i];
		if (is_blank(byte)) {
			body->has_blank = true;
		} else if (byte == '\n') {
			body->has_blank = false;
			body->line_ends++;
		} else if (byte != '\r') {
			if (body->has_blank || body->line_ends > 0)
				put_held(body);
			body->has_any = true;
			put(body, byte);
		}
	}
}

void canon_body_end(struct canon_body *body)
{
	body->line_ends = body->has_any ? 1 : 0;
	body->has_blank = false;
	put_held(body);
	flush(body);
}
