/* SPDX-License-Identifier: MIT */
#include "lib/slice.h"

#include <string.h>

struct slice slice_of(const char *string)
{
	return (struct slice){ string, string ? strlen(string) : 0 };
}

bool slice_equal(struct slice a, struct slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
	return a.size == b.size && slice_has_prefix_nocase(a, b);
}

static unsigned char lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

bool slice_has_prefix_nocase(struct slice slice, struct slice prefix)
{
	if (slice.size < prefix.size)
		return false;
	for (size_t i = 0; i < prefix.size; i++)
		if (lower(slice.data[i]) != lower(prefix.data[i]))
			return false;
	return true;
}

struct slice slice_skip(struct slice slice, size_t count)
{
	if (count > slice.size)
		count = slice.size;
	if (count == 0)
		return slice;
	return (struct slice){ slice.data + count, slice.size - count };
}

struct slice slice_head(struct slice slice, size_t count)
{
	return (struct slice){ slice.data, count < slice.size ? count : slice.size };
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct slice slice_trim(struct slice slice)
{
	while (slice.size > 0 && is_blank(slice.data[0]))
		slice = slice_skip(slice, 1);
	while (slice.size > 0 && is_blank(slice.data[slice.size - 1]))
		slice.size--;
	return slice;
}

bool slice_split(struct slice *rest, char separator, struct slice *ret_part)
{
	if (!rest->data)
		return false;
	const char *end = rest->size ? memchr(rest->data, separator, rest->size) : NULL;
	*ret_part = *rest;
	if (end) {
		ret_part->size = end - rest->data;
		*rest = slice_skip(*rest, ret_part->size + 1);
	} else {
		*rest = (struct slice){ 0 };
	}
	return true;
}
