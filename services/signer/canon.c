/* SPDX-License-Identifier: MIT */
#include "services/signer/canon.h"

#include <assert.h>
#include <stdint.h>
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
	body->line_ends = 0;
	body->has_blank = body->has_any = false;
}

static void put(struct canon_body *body, struct slice bytes)
{
	body->sink(body->with, bytes);
}

/* What was held back turns out to stand inside the body. */
static void put_line_ends(struct canon_body *body)
{
	static const char line_ends[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
	const size_t most = (sizeof(line_ends) - 1) / 2;
	while (body->line_ends > 0) {
		size_t count = body->line_ends < most ? body->line_ends : most;
		put(body, (struct slice){ line_ends, count * 2 });
		body->line_ends -= count;
	}
}

/* Blanks are reduced already. Line ends are counted by their LF: a cut may part them. */
static void put_run(struct canon_body *body, struct slice run)
{
	size_t from = 0, to = run.size, ends = 0;
	for (; from < to && is_line_end(run.data[from]); from++)
		body->line_ends += run.data[from] == '\n';
	if (from == to)
		return;
	for (; is_line_end(run.data[to - 1]); to--)
		ends += run.data[to - 1] == '\n';
	put_line_ends(body);
	put(body, (struct slice){ run.data + from, to - from });
	body->line_ends = ends;
	body->has_any = true;
}

#define BLOCK 16
typedef unsigned char block __attribute__((vector_size(BLOCK)));

/* Has a block nothing to reduce? `in` goes on for a byte. */
static bool is_reduced(const char *in)
{
	block here, behind;
	memcpy(&here, in, BLOCK);
	memcpy(&behind, in + 1, BLOCK);
	block found = (block)((here == '\t') |
			      ((here == ' ') & ((behind == ' ') | (behind == '\t') |
						       (behind == '\r'))));
	uint64_t any[2];
	memcpy(any, &found, BLOCK);
	return !(any[0] | any[1]);
}

/* Of blanks in a row the last one is kept, unless it ends a line. `in` goes on for a
 * byte. */
static size_t reduce_blanks(const char *restrict in, size_t size, char *restrict out)
{
	static const unsigned char kinds[256] = {
		[' '] = 1, ['\t'] = 1, ['\r'] = 2, ['\n'] = 2
	};
	size_t kept = 0;
	unsigned char kind = kinds[(unsigned char)in[0]];
	for (size_t i = 0; i < size; i++) {
		unsigned char next = kinds[(unsigned char)in[i + 1]];
		out[kept] = in[i] == '\t' ? ' ' : in[i];
		kept += 1 - ((kind & 1) & (next != 0));
		kind = next;
	}
	return kept;
}

static size_t reduce(const char *in, size_t size, char *out)
{
	size_t kept = 0;
	for (size_t at = 0; at < size; at += BLOCK) {
		size_t length = size - at < BLOCK ? size - at : BLOCK;
		if (length == BLOCK && is_reduced(in + at)) {
			memcpy(out + kept, in + at, BLOCK);
			kept += BLOCK;
		} else {
			kept += reduce_blanks(in + at, length, out + kept);
		}
	}
	return kept;
}

void canon_body_feed(struct canon_body *body, struct slice piece)
{
	char bytes[4096];
	size_t end = piece.size;
	while (end > 0 && is_blank(piece.data[end - 1]))
		end--;
	bool ends_blank = end < piece.size;
	if (end > 0 && body->has_blank && !is_blank(piece.data[0]) &&
		!is_line_end(piece.data[0]))
		put_run(body, SLICE(" "));
	body->has_blank = ends_blank || (body->has_blank && end == 0);
	for (size_t at = 0; at + 1 < end;) {
		size_t size = end - 1 - at < sizeof(bytes) ? end - 1 - at : sizeof(bytes);
		size_t kept = reduce(piece.data + at, size, bytes);
		put_run(body, (struct slice){ bytes, kept });
		at += size;
	}
	/* Not a blank, and nothing is known behind it. */
	if (end > 0)
		put_run(body, (struct slice){ piece.data + end - 1, 1 });
}

void canon_body_end(struct canon_body *body)
{
	if (body->has_any)
		put(body, SLICE("\r\n"));
}
