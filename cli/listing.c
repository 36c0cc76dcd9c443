/* SPDX-License-Identifier: MIT */
#include "cli/listing.h"

#include <assert.h>

#include "lib/printable.h"

/* Characters, taken as one column each. */
static size_t width_of(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

struct listing_row {
	struct listing_row *next;
	const char *cells[LISTING_COLUMNS];
};

static void add_row(struct listing *listing, const char *const *cells)
{
	struct listing_row *row = ARENA_NEW(listing->arena, struct listing_row);
	for (size_t i = 0; i < listing->columns; i++)
		row->cells[i] = cells[i] && *cells[i]
					? printable_string(listing->arena, cells[i])
					: "-";
	*listing->last = row;
	listing->last = &row->next;
}

void listing_init(struct listing *listing, struct arena *arena, const char *const *titles)
{
	*listing = (struct listing){ .arena = arena };
	listing->last = &listing->first;
	while (titles[listing->columns])
		listing->columns++;
	assert(listing->columns <= LISTING_COLUMNS);
	add_row(listing, titles);
}

void listing_add(struct listing *listing, const char *const *cells)
{
	listing->count++;
	add_row(listing, cells);
}

void listing_print(const struct listing *listing, FILE *out)
{
	size_t widths[LISTING_COLUMNS] = { 0 };
	const struct listing_row *row;
	for (row = listing->first; row; row = row->next)
		for (size_t i = 0; i + 1 < listing->columns; i++) {
			size_t width = width_of(row->cells[i]);
			if (width > widths[i])
				widths[i] = width;
		}
	for (row = listing->first; row; row = row->next) {
		for (size_t i = 0; i + 1 < listing->columns; i++) {
			int gap = (int)(widths[i] - width_of(row->cells[i])) + 2;
			fprintf(out, "%s%*s", row->cells[i], gap, "");
		}
		fprintf(out, "%s\n", row->cells[listing->columns - 1]);
	}
}
