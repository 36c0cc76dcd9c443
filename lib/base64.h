/* SPDX-License-Identifier: MIT
 *
 * Bytes as base64 (RFC 4648 4), padded and on one line. */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

#include "lib/arena.h"

/* NUL-terminated in the arena. */
struct slice base64_encode(struct arena *arena, const unsigned char *bytes, size_t size);

#endif
