/* SPDX-License-Identifier: MIT */
#include "services/sender/dots.h"

#include <assert.h>
#include <string.h>

static const char final[] = "\r\n.\r\n";
#define FINAL_SIZE (sizeof(final) - 1)
/* A piece is looked through when it is offered and again when it is out. */
#define PIECE_MAX ((size_t)64 << 10)

static void skip_empty_parts(struct dots *dots)
{
	while (dots->part < dots->count && dots->offset == dots->parts[dots->part].size) {
		dots->part++;
		dots->offset = 0;
	}
}

void dots_init(struct dots *dots, const struct slice *parts, size_t count)
{
	*dots = (struct dots){ .parts = parts, .count = count, .last = '\n' };
	skip_empty_parts(dots);
}

/* A line's end is missing at the end of the content only if somebody upstream failed; it
 * is added, for CRLF.CRLF is what ends the data. */
static size_t final_from(const struct dots *dots)
{
	return dots->ended ? dots->ended : dots->last == '\n' ? 2 : 0;
}

bool dots_is_over(const struct dots *dots)
{
	return dots->ended == FINAL_SIZE;
}

/* Up to a line that begins with a dot. Line by line, for memmem() takes ten times as long
 * to find two bytes. */
static struct slice before_dot(struct slice text)
{
	const char *end = text.data + text.size, *at = text.data;
	while ((at = memchr(at, '\n', (size_t)(end - at))) && ++at < end)
		if (*at == '.')
			return slice_head(text, (size_t)(at - text.data));
	return text;
}

/* The next piece without moving on. Dots are stuffed after a bare LF too: the content has
 * none, but a receiver that took one for a line's end must not see an end of data. */
static struct slice peek(const struct dots *dots)
{
	if (dots->part == dots->count) {
		size_t from = final_from(dots);
		return (struct slice){ final + from, FINAL_SIZE - from };
	}
	struct slice rest = slice_skip(dots->parts[dots->part], dots->offset);
	if (rest.data[0] == '.' && dots->last == '\n' && !dots->is_stuffed)
		return SLICE(".");
	return before_dot(slice_head(rest, PIECE_MAX));
}

static void advance(struct dots *dots, struct slice piece)
{
	if (dots->part == dots->count) {
		dots->ended = final_from(dots) + piece.size;
		return;
	}
	struct slice rest = slice_skip(dots->parts[dots->part], dots->offset);
	if (piece.data != rest.data) {
		dots->is_stuffed = true;
		return;
	}
	dots->is_stuffed = false;
	dots->last = piece.data[piece.size - 1];
	dots->offset += piece.size;
	skip_empty_parts(dots);
}

bool dots_next(struct dots *dots, struct slice *ret_piece)
{
	if (dots_is_over(dots))
		return false;
	*ret_piece = peek(dots);
	advance(dots, *ret_piece);
	return true;
}

void dots_skip(struct dots *dots, size_t size)
{
	while (size) {
		assert(!dots_is_over(dots));
		struct slice piece = slice_head(peek(dots), size);
		advance(dots, piece);
		size -= piece.size;
	}
}
