/* SPDX-License-Identifier: MIT
 *
 * A table for people: a line of titles, then rows, in columns as wide as they need to be.
 * Cells are made printable here. */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include <stdio.h>

#include "lib/arena.h"

#define LISTING_COLUMNS 12

struct listing {
	struct arena *arena;
	size_t columns;
	struct listing_row *first, **last;
	size_t count; /* rows without the titles */
};

/* `titles` ends with NULL. */
void listing_init(
	struct listing *listing, struct arena *arena, const char *const *titles);
/* As many cells as there are titles; NULL is shown as "-". */
void listing_add(struct listing *listing, const char *const *cells);
void listing_print(const struct listing *listing, FILE *out);

#define LISTING_ADD(listing, ...) \
	listing_add((listing), (const char *const[LISTING_COLUMNS]){ __VA_ARGS__ })

#endif
