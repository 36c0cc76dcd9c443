/* SPDX-License-Identifier: MIT
 *
 * An arena hands out memory that is freed all at once: one arena per SMTP transaction,
 * one per job. Nothing in it is freed singly. Out of memory ends the process; whoever
 * feeds an arena from the wire bounds what he puts in. Not for several threads at a time.
 */
#ifndef LIB_ARENA_H
#define LIB_ARENA_H

#include <stddef.h>

#include "lib/slice.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena);
/* Empties it and keeps its first block for the next use. */
void arena_clear(struct arena *arena);

/* Never NULL; aligned for every type; not zeroed. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);
struct slice arena_copy(struct arena *arena, struct slice bytes);
/* NUL-terminated copies. */
char *arena_string(struct arena *arena, struct slice bytes);
char *arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* What has been handed out since the arena was new or cleared. */
size_t arena_size(const struct arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_zalloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) \
	((type *)arena_zalloc((arena), sizeof(type) * (count)))

#endif
