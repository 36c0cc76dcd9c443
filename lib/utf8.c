/* SPDX-License-Identifier: MIT */
#include "lib/utf8.h"

#include <string.h>

/* By the lead byte: length, the bits it gives, and the smallest point of that length. */
static size_t lead(unsigned char byte, uint32_t *ret_bits, uint32_t *ret_smallest)
{
	static const struct {
		unsigned char from, to, mask;
		uint32_t smallest;
	} rows[] = {
		{ 0x00, 0x7f, 0x7f, 0 },
		{ 0xc2, 0xdf, 0x1f, 0x80 },
		{ 0xe0, 0xef, 0x0f, 0x800 },
		{ 0xf0, 0xf4, 0x07, 0x10000 },
	};
	for (size_t i = 0; i < 4; i++)
		if (byte >= rows[i].from && byte <= rows[i].to) {
			*ret_bits = byte & rows[i].mask;
			*ret_smallest = rows[i].smallest;
			return i + 1;
		}
	return 0;
}

size_t utf8_decode(struct slice bytes, uint32_t *ret_point)
{
	uint32_t point, smallest;
	size_t length = bytes.size ? lead((unsigned char)bytes.data[0], &point, &smallest)
				   : 0;
	if (length == 0 || length > bytes.size)
		return 0;
	for (size_t i = 1; i < length; i++) {
		unsigned char byte = (unsigned char)bytes.data[i];
		if ((byte & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (byte & 0x3f);
	}
	if (point < smallest || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret_point = point;
	return length;
}

bool utf8_is_valid(struct slice bytes)
{
	uint32_t point;
	while (bytes.size > 0) {
		size_t length = utf8_decode(bytes, &point);
		if (length == 0)
			return false;
		bytes = slice_skip(bytes, length);
	}
	return true;
}

bool utf8_is_ascii(struct slice bytes)
{
	uint64_t any = 0, word = 0;
	for (; bytes.size >= sizeof(word); bytes = slice_skip(bytes, sizeof(word))) {
		memcpy(&word, bytes.data, sizeof(word));
		any |= word;
	}
	word = 0;
	if (bytes.size)
		memcpy(&word, bytes.data, bytes.size);
	return !((any | word) & UINT64_C(0x8080808080808080));
}

struct slice utf8_head(struct slice bytes, size_t size)
{
	if (size >= bytes.size)
		return bytes;
	while (size > 0 && ((unsigned char)bytes.data[size] & 0xc0) == 0x80)
		size--;
	return slice_head(bytes, size);
}

bool utf8_is_deceptive(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point <= 0x9f) ||
	       (point >= 0x200e && point <= 0x200f) ||
	       (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069);
}
