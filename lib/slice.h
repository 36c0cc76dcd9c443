/* SPDX-License-Identifier: MIT
 *
 * A slice is a borrowed range of bytes: it owns nothing and is valid as long as the owner
 * of the bytes keeps them. It is not NUL-terminated and may contain NUL. */
#ifndef LIB_SLICE_H
#define LIB_SLICE_H

#include <stdbool.h>
#include <stddef.h>

struct slice {
	const char *data;
	size_t size;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

/* For printf's "%.*s". */
#define SLICE_ARG(slice) (int)(slice).size, (slice).data

/* NULL gives the empty slice. */
struct slice slice_of(const char *string);
bool slice_equal(struct slice a, struct slice b);
/* ASCII letters compare without case. */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_has_prefix_nocase(struct slice slice, struct slice prefix);
/* Without `count` bytes at the front; `count` may exceed the size. */
struct slice slice_skip(struct slice slice, size_t count);
struct slice slice_head(struct slice slice, size_t count);
/* Without spaces, tabs, CR and LF at both ends. */
struct slice slice_trim(struct slice slice);
/* Takes up to `separator` off the front of `rest` and skips the separator; false at the
 * end. */
bool slice_split(struct slice *rest, char separator, struct slice *ret_part);

#endif
