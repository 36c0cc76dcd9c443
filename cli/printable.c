/* SPDX-License-Identifier: MIT */
#include "cli/printable.h"

#include <stdint.h>

/* Length of the character at the front, and the character; 0 if it is not valid UTF-8
 * (RFC 3629 4: no overlong forms, no surrogates, nothing past U+10FFFF). */
static size_t read_character(struct slice text, uint32_t *ret_character)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)text.data[0];
	size_t size = first < 0x80             ? 1
		      : (first & 0xe0) == 0xc0 ? 2
		      : (first & 0xf0) == 0xe0 ? 3
		      : (first & 0xf8) == 0xf0 ? 4
					       : 0;
	if (!size || size > text.size)
		return 0;
	uint32_t character = size == 1 ? first : first & (0x7fu >> size);
	for (size_t i = 1; i < size; i++) {
		unsigned char next = (unsigned char)text.data[i];
		if ((next & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (next & 0x3f);
	}
	bool is_surrogate = character >= 0xd800 && character <= 0xdfff;
	if (character < least[size] || is_surrogate || character > 0x10ffff)
		return 0;
	*ret_character = character;
	return size;
}

static bool is_harmless(uint32_t character)
{
	static const struct {
		uint32_t from, to;
	} harmful[] = {
		{ 0, 0x1f },        /* C0 */
		{ 0x7f, 0x9f },     /* DEL, C1 */
		{ 0x61c, 0x61c },   /* direction marks, here and below */
		{ 0x200b, 0x200f }, /* of no width */
		{ 0x2028, 0x202e }, /* line ends */
		{ 0x2066, 0x2069 }, { 0xfeff, 0xfeff }, { 0xe0000, 0xe007f }, /* tags */
	};
	for (size_t i = 0; i < sizeof(harmful) / sizeof(*harmful); i++)
		if (character >= harmful[i].from && character <= harmful[i].to)
			return false;
	return true;
}

const char *printable(struct arena *arena, struct slice text)
{
	char *clean = arena_alloc(arena, text.size + 1);
	size_t used = 0;
	while (text.size) {
		uint32_t character = 0;
		size_t size = read_character(text, &character);
		if (size && is_harmless(character)) {
			for (size_t i = 0; i < size; i++)
				clean[used++] = text.data[i];
		} else {
			clean[used++] = '?';
		}
		text = slice_skip(text, size ? size : 1);
	}
	clean[used] = '\0';
	return clean;
}

const char *printable_string(struct arena *arena, const char *text)
{
	return printable(arena, slice_of(text));
}

size_t printable_width(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}
