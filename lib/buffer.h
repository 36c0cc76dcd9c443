/* SPDX-License-Identifier: MIT
 *
 * A growing run of bytes with a ceiling. Bytes are appended at the back and consumed from
 * the front. A buffer that would pass its ceiling refuses the whole append and stays as
 * it was. */
#ifndef LIB_BUFFER_H
#define LIB_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/slice.h"

struct buffer {
	char *data;  /* allocated bytes */
	size_t from; /* first byte not consumed */
	size_t to;   /* end of the content */
	size_t room; /* allocated size */
	size_t ceiling;
};

void buffer_init(struct buffer *buffer, size_t ceiling);
void buffer_done(struct buffer *buffer);
/* Empties it and keeps the memory. */
void buffer_clear(struct buffer *buffer);
bool buffer_append(struct buffer *buffer, struct slice bytes);
bool buffer_printf(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void buffer_consume(struct buffer *buffer, size_t count);
/* The content; valid until the buffer changes. */
struct slice buffer_slice(const struct buffer *buffer);
size_t buffer_size(const struct buffer *buffer);

#endif
