/* SPDX-License-Identifier: MIT */
#include "services/sender/content.h"

#include <stdint.h>
#include <string.h>

static bool is_8bit(struct slice bytes)
{
	size_t i = 0;
	for (; i + 8 <= bytes.size; i += 8) {
		uint64_t word;
		memcpy(&word, bytes.data + i, 8);
		if (word & UINT64_C(0x8080808080808080))
			return true;
	}
	for (; i < bytes.size; i++)
		if (bytes.data[i] & 0x80)
			return true;
	return false;
}

/* `before` is the byte in front. */
static bool has_bare_lf(struct slice bytes, char before)
{
	for (const char *lf = bytes.data, *end = bytes.data + bytes.size;
		(lf = memchr(lf, '\n', (size_t)(end - lf))); lf++)
		if ((lf == bytes.data ? before : lf[-1]) != '\r')
			return true;
	return false;
}

/* A CR at the end of the part is judged with the next part. */
static bool has_bare_cr(struct slice bytes, char before)
{
	if (before == '\r' && bytes.data[0] != '\n')
		return true;
	for (const char *cr = bytes.data, *end = bytes.data + bytes.size;
		(cr = memchr(cr, '\r', (size_t)(end - cr))); cr++)
		if (cr + 1 < end && cr[1] != '\n')
			return true;
	return false;
}

static size_t header_size(struct slice part)
{
	const char *end = part.size ? memmem(part.data, part.size, "\r\n\r\n", 4) : NULL;
	return end ? (size_t)(end - part.data) : part.size;
}

void content_read(struct content *content, const struct slice *parts, size_t count)
{
	char before = '\n';
	bool in_header = true;
	*content = (struct content){ .is_plain = true };
	for (size_t i = 0; i < count; i++) {
		struct slice part = parts[i];
		if (part.size == 0)
			continue;
		if (memchr(part.data, '\0', part.size) || has_bare_lf(part, before) ||
			has_bare_cr(part, before))
			content->is_plain = false;
		before = part.data[part.size - 1];
		content->has_8bit |= is_8bit(part);
		if (!in_header)
			continue;
		size_t size = header_size(part);
		content->header_has_8bit |= is_8bit(slice_head(part, size));
		in_header = size == part.size;
	}
	content->is_plain &= before != '\r';
}
