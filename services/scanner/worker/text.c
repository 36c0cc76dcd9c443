/* SPDX-License-Identifier: MIT */
#include "services/scanner/worker/text.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <string.h>

#include "lib/utf8.h"

#define LOOKED_AT   4096
#define CHARSET_MAX 40

static const struct mark {
	const char *bytes;
	size_t size;
	const char *charset;
} marks[] = {
	{ "\xef\xbb\xbf", 3, "UTF-8" },
	{ "\xff\xfe\0\0", 4, "UTF-32LE" },
	{ "\0\0\xfe\xff", 4, "UTF-32BE" },
	{ "\xff\xfe", 2, "UTF-16LE" },
	{ "\xfe\xff", 2, "UTF-16BE" },
	{ NULL, 0, NULL },
};

static const struct mark *byte_order_mark(struct slice bytes)
{
	for (const struct mark *mark = marks; mark->bytes; mark++)
		if (bytes.size >= mark->size &&
			memcmp(bytes.data, mark->bytes, mark->size) == 0)
			return mark;
	return NULL;
}

bool text_is_likely(struct slice bytes)
{
	if (byte_order_mark(bytes))
		return true;
	for (size_t i = 0; i < bytes.size && i < LOOKED_AT; i++) {
		unsigned char byte = (unsigned char)bytes.data[i];
		if (!byte || byte == 0x7f ||
			(byte < 0x20 && !strchr("\t\n\v\f\r\033", byte)))
			return false;
	}
	return bytes.size > 0;
}

/* What iconv_open() is given must be a plain name: it takes options after slashes. */
static bool is_plain_name(const char *charset)
{
	size_t length = strspn(charset, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"abcdefghijklmnopqrstuvwxyz0123456789-_.:");
	return length > 0 && length <= CHARSET_MAX && charset[length] == '\0';
}

static bool is_utf8(const char *charset)
{
	return strcasecmp(charset, "utf-8") == 0 ||
	       strcasecmp(charset, "us-ascii") == 0 || strcasecmp(charset, "utf8") == 0;
}

static struct slice convert(struct arena *arena, struct slice bytes, iconv_t converter)
{
	/* One byte of any character set gives at most three of UTF-8, save for a few
	 * that compose; those end early, and what is left passes as it is. */
	size_t room = bytes.size * 3 + 16, left = room, from_left = bytes.size;
	char *out = arena_alloc(arena, room), *to = out, *from = (char *)bytes.data;
	while (from_left &&
		iconv(converter, &from, &from_left, &to, &left) == (size_t)-1) {
		if (errno == E2BIG || !left)
			break;
		*to++ = *from++;
		from_left--;
		left--;
	}
	size_t tail = from_left < left ? from_left : left;
	if (tail)
		memcpy(to, from, tail);
	return (struct slice){ out, (size_t)(to - out) + tail };
}

struct slice text_decode(struct arena *arena, struct slice bytes, const char *charset)
{
	const struct mark *mark = byte_order_mark(bytes);
	if (mark) {
		bytes = slice_skip(bytes, mark->size);
		charset = mark->charset;
	}
	if (!charset || !is_plain_name(charset) || is_utf8(charset))
		return bytes;
	iconv_t converter = iconv_open("UTF-8", charset);
	if (converter == (iconv_t)-1)
		return bytes;
	struct slice text = convert(arena, bytes, converter);
	iconv_close(converter);
	return text;
}

size_t text_put_utf8(char *out, uint32_t character)
{
	if (character < 0x80) {
		out[0] = (char)(character ? character : '?');
		return 1;
	}
	if (character < 0x800) {
		out[0] = (char)(0xc0 | character >> 6);
		out[1] = (char)(0x80 | (character & 0x3f));
		return 2;
	}
	if ((character >= 0xd800 && character < 0xe000) || character > 0x10ffff) {
		out[0] = '?';
		return 1;
	}
	size_t size = character < 0x10000 ? 3 : 4;
	out[0] = (char)((size == 3 ? 0xe0 : 0xf0) | character >> (6 * (size - 1)));
	for (size_t i = 1; i < size; i++)
		out[i] = (char)(0x80 | (character >> (6 * (size - 1 - i)) & 0x3f));
	return size;
}

enum fold { FOLD_KEEP = -1, FOLD_DROP = 0 };

/* The ASCII character that it looks like. */
static int fold_character(uint32_t character)
{
	static const struct {
		uint32_t from, to;
		int looks_like;
	} rows[] = {
		{ 0x00a0, 0x00a0, ' ' },
		{ 0x00ad, 0x00ad, FOLD_DROP }, /* soft hyphen */
		{ 0x2000, 0x200a, ' ' },
		{ 0x200b, 0x200f, FOLD_DROP }, /* zero width, direction */
		{ 0x2010, 0x2015, '-' },
		{ 0x202a, 0x202e, FOLD_DROP },
		{ 0x202f, 0x202f, ' ' },
		{ 0x205f, 0x205f, ' ' },
		{ 0x2060, 0x2064, FOLD_DROP },
		{ 0x2212, 0x2212, '-' },
		{ 0x3000, 0x3000, ' ' },
		{ 0xfe0e, 0xfe0f, FOLD_DROP },
		{ 0xfeff, 0xfeff, FOLD_DROP },
	};
	if (character >= 0xff01 && character <= 0xff5e)
		return (int)(character - 0xff01 + '!');
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (character >= rows[i].from && character <= rows[i].to)
			return rows[i].looks_like;
	return FOLD_KEEP;
}

struct slice text_fold(struct arena *arena, struct slice text)
{
	size_t at = 0;
	while (at < text.size && (unsigned char)text.data[at] < 0x80)
		at++;
	if (at == text.size)
		return text;
	char *out = arena_alloc(arena, text.size);
	memcpy(out, text.data, at);
	size_t size = at;
	while (at < text.size) {
		uint32_t character = 0;
		size_t length = utf8_decode(slice_skip(text, at), &character);
		int looks_like = length > 1 ? fold_character(character) : FOLD_KEEP;
		length += !length;
		if (looks_like == FOLD_KEEP) {
			memcpy(out + size, text.data + at, length);
			size += length;
		} else if (looks_like != FOLD_DROP) {
			out[size++] = (char)looks_like;
		}
		at += length;
	}
	return (struct slice){ out, size };
}
