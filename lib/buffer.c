/* SPDX-License-Identifier: MIT */
#include "lib/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

void buffer_init(struct buffer *buffer, size_t ceiling)
{
	*buffer = (struct buffer){ .ceiling = ceiling };
}

void buffer_done(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ .ceiling = buffer->ceiling };
}

void buffer_clear(struct buffer *buffer)
{
	buffer->from = buffer->to = 0;
}

static bool make_room(struct buffer *buffer, size_t size)
{
	size_t held = buffer->to - buffer->from;
	if (size > buffer->ceiling - held)
		return false;
	if (buffer->room - buffer->to >= size)
		return true;
	if (buffer->from) {
		memmove(buffer->data, buffer->data + buffer->from, held);
		buffer->from = 0;
		buffer->to = held;
	}
	if (buffer->room - held < size) {
		size_t room = buffer->room * 2 > held + size ? buffer->room * 2
							     : held + size;
		buffer->room = room < 256 ? 256 : room;
		buffer->data = memory_resize(buffer->data, buffer->room);
	}
	return true;
}

bool buffer_append(struct buffer *buffer, struct slice bytes)
{
	if (!make_room(buffer, bytes.size))
		return false;
	if (bytes.size)
		memcpy(buffer->data + buffer->to, bytes.data, bytes.size);
	buffer->to += bytes.size;
	return true;
}

bool buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, args);
	/* One byte more for vsnprintf's NUL, which is not content. */
	bool fits = length >= 0 && make_room(buffer, (size_t)length) &&
		    (buffer->room - buffer->to > (size_t)length ||
			    make_room(buffer, length + 1u));
	if (fits) {
		vsnprintf(buffer->data + buffer->to, (size_t)length + 1, format, again);
		buffer->to += (size_t)length;
	}
	va_end(again);
	va_end(args);
	return fits;
}

void buffer_consume(struct buffer *buffer, size_t count)
{
	assert(count <= buffer->to - buffer->from);
	buffer->from += count;
	if (buffer->from == buffer->to)
		buffer_clear(buffer);
}

struct slice buffer_slice(const struct buffer *buffer)
{
	if (!buffer->data)
		return (struct slice){ 0 };
	return (struct slice){ buffer->data + buffer->from, buffer->to - buffer->from };
}

size_t buffer_size(const struct buffer *buffer)
{
	return buffer->to - buffer->from;
}
