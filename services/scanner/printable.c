/* SPDX-License-Identifier: MIT */
#include "services/scanner/printable.h"

#include <stdint.h>

/* Bytes of the character at the front, 0 if it is none (RFC 3629 3). */
static size_t character_size(struct slice text)
{
	const unsigned char *byte = (const unsigned char *)text.data;
	if (byte[0] < 0x80)
		return byte[0] >= ' ' && byte[0] != 0x7f;
	size_t size = byte[0] >= 0xf0 ? 4 : byte[0] >= 0xe0 ? 3 : 2;
	if (byte[0] < 0xc2 || byte[0] > 0xf4 || text.size < size)
		return 0;
	uint32_t character = byte[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++) {
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (byte[i] & 0x3f);
	}
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	bool is_surrogate = character >= 0xd800 && character < 0xe000;
	/* Also the controls of Latin-1. */
	return character >= smallest[size] && character >= 0xa0 && !is_surrogate &&
			       character <= 0x10ffff
		       ? size
		       : 0;
}

const char *printable(struct arena *arena, struct slice text, size_t max)
{
	char *copy = arena_alloc(arena, max + 1);
	size_t length = 0;
	while (text.size) {
		size_t size = character_size(text);
		if (length + (size ? size : 1) > max)
			break;
		if (!size)
			copy[length++] = '?';
		for (size_t i = 0; i < size; i++)
			copy[length++] = text.data[i];
		text = slice_skip(text, size ? size : 1);
	}
	copy[length] = '\0';
	return copy;
}
