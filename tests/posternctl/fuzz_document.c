/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/document.h"
#include "cli/render.h"

/* Whatever is read without a fault must print to what reads back to the same bytes. */
static void check_round_trip(struct arena *arena, const struct document *document)
{
	struct problems problems;
	struct documents again;
	const char *text = object_yaml(arena, document->object);
	problems_init(&problems, arena);
	documents_init(&again, arena, &problems);
	documents_read(&again, "again", slice_of(text));
	if (problems.errors || !again.first ||
		strcmp(object_yaml(arena, again.first->object), text) != 0)
		abort();
	documents_done(&again);
	json_decref(object_json(arena, document->object));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct problems problems;
	struct documents documents;
	problems_init(&problems, arena);
	documents_init(&documents, arena, &problems);
	documents_read(&documents, "fuzz", (struct slice){ (const char *)data, size });
	if (!problems.errors)
		for (const struct document *d = documents.first; d; d = d->next)
			check_round_trip(arena, d);
	documents_done(&documents);
	arena_free(arena);
	return 0;
}
