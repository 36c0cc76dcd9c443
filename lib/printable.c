/* SPDX-License-Identifier: MIT */
#include "lib/printable.h"

#include <string.h>

#include "lib/utf8.h"

static bool is_harmless(uint32_t point)
{
	static const struct {
		uint32_t from, to;
	} unseen[] = {
		{ 0x61c, 0x61c },     /* direction mark */
		{ 0x200b, 0x200d },   /* of no width */
		{ 0xfeff, 0xfeff },   /* likewise */
		{ 0xe0000, 0xe007f }, /* tags */
	};
	for (size_t i = 0; i < sizeof(unseen) / sizeof(*unseen); i++)
		if (point >= unseen[i].from && point <= unseen[i].to)
			return false;
	return !utf8_is_deceptive(point);
}

const char *printable(struct arena *arena, struct slice text, size_t max)
{
	size_t used = 0, most = text.size < max ? text.size : max;
	char *clean = arena_alloc(arena, most + 1);
	while (text.size) {
		uint32_t point = 0;
		size_t size = utf8_decode(text, &point);
		bool is_shown = size && is_harmless(point);
		size_t width = is_shown ? size : 1;
		if (used + width > most)
			break;
		memcpy(clean + used, is_shown ? text.data : "?", width);
		used += width;
		text = slice_skip(text, size ? size : 1);
	}
	clean[used] = '\0';
	return clean;
}

const char *printable_string(struct arena *arena, const char *text)
{
	struct slice all = slice_of(text);
	return printable(arena, all, all.size);
}
