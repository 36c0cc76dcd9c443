/* SPDX-License-Identifier: MIT
 *
 * Text of strangers (subjects, file names, replies) for people, their terminals and
 * protobuf: valid UTF-8 without control characters and without those that nobody sees or
 * that turn the direction of writing. They become '?'. */
#ifndef LIB_PRINTABLE_H
#define LIB_PRINTABLE_H

#include "lib/arena.h"

/* A copy of at most `max` bytes, cut between characters. */
const char *printable(struct arena *arena, struct slice text, size_t max);
/* All of it. */
const char *printable_string(struct arena *arena, const char *text);

#endif
