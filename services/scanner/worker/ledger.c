/* SPDX-License-Identifier: MIT */
#include "services/scanner/worker/ledger.h"

#include <string.h>

#include "services/scanner/worker/report.h"

/* libclamav looks into nothing smaller. */
#define SMALLEST 6
/* In place of sizes that stand elsewhere (ZIP64). */
#define SIZE_ELSEWHERE UINT32_MAX

static const char *const archive_types[] = { "CL_TYPE_ZIP", "CL_TYPE_OOXML",
	"CL_TYPE_RAR", "CL_TYPE_7Z", "CL_TYPE_GZ", "CL_TYPE_BZ", "CL_TYPE_XZ",
	"CL_TYPE_ARJ", "CL_TYPE_MSCAB", "CL_TYPE_POSIX_TAR", "CL_TYPE_OLD_TAR",
	"CL_TYPE_CPIO", "CL_TYPE_LHA", "CL_TYPE_EGG", "CL_TYPE_ALZ", "CL_TYPE_XAR",
	"CL_TYPE_DMG", NULL };

/* Archives that libclamav takes for something else. */
static const struct {
	const char *magic;
	size_t size;
} unknown_archives[] = {
	{ "\x28\xb5\x2f\xfd", 4 }, /* Zstandard */
	{ "\x04\x22\x4d\x18", 4 }, /* LZ4 */
	{ "LZIP\1", 5 },
};

static bool is_archive(const char *type)
{
	for (const char *const *known = archive_types; *known; known++)
		if (strncmp(type, *known, strlen(*known)) == 0)
			return true;
	return false;
}

static bool is_unknown_archive(struct slice content)
{
	for (size_t i = 0; i < sizeof(unknown_archives) / sizeof(*unknown_archives); i++)
		if (content.size >= unknown_archives[i].size &&
			memcmp(content.data, unknown_archives[i].magic,
				unknown_archives[i].size) == 0)
			return true;
	return false;
}

static void note_unread(struct ledger *ledger, const char *name)
{
	if (!ledger->unread)
		ledger->unread = name;
}

/* Layers at `level` and deeper have ended. */
static void end_layers(struct ledger *ledger, uint32_t level)
{
	while (ledger->levels > level) {
		const char *closed = ledger->closed[--ledger->levels];
		if (closed)
			note_unread(ledger, closed);
	}
}

void ledger_excuse(struct ledger *ledger)
{
	if (ledger->levels)
		ledger->closed[ledger->levels - 1] = NULL;
}

void ledger_promise(struct ledger *ledger, const char *container_type, const char *name,
	uint64_t size_bytes)
{
	if (!is_archive(container_type))
		return;
	ledger_excuse(ledger);
	name = report_text(ledger->arena, name);
	/* A ZIP's members are announced twice, one right after the other. */
	struct promise *last = ledger->n_promises
				       ? &ledger->promises[ledger->n_promises - 1]
				       : NULL;
	if (size_bytes < SMALLEST || size_bytes == SIZE_ELSEWHERE ||
		(last && last->size_bytes == size_bytes && !last->is_kept &&
			strcmp(last->name, name) == 0))
		return;
	if (ledger->n_promises == ledger->room) {
		size_t room = ledger->room ? ledger->room * 2 : 16;
		struct promise *promises = ARENA_ARRAY(
			ledger->arena, struct promise, room);
		if (ledger->n_promises)
			memcpy(promises, ledger->promises,
				ledger->n_promises * sizeof(*promises));
		ledger->promises = promises;
		ledger->room = room;
	}
	ledger->promises[ledger->n_promises++] = (struct promise){ name, size_bytes,
		false };
}

static void keep_promise(struct ledger *ledger, uint64_t size_bytes)
{
	for (size_t i = 0; i < ledger->n_promises; i++) {
		struct promise *promise = &ledger->promises[i];
		if (!promise->is_kept && promise->size_bytes == size_bytes) {
			promise->is_kept = true;
			return;
		}
	}
}

void ledger_see(struct ledger *ledger, const struct layer *layer)
{
	end_layers(ledger, layer->level);
	keep_promise(ledger, layer->content.size);
	if (layer->level >= LAYERS_MAX) {
		note_unread(ledger, "content nested too deep");
		return;
	}
	/* Something came out of what is around it. */
	for (uint32_t level = 0; level < ledger->levels; level++)
		ledger->closed[level] = NULL;
	while (ledger->levels <= layer->level)
		ledger->closed[ledger->levels++] = NULL;
	const char *name = layer->name ? report_text(ledger->arena, layer->name)
				       : "an archive";
	if (is_archive(layer->type))
		ledger->closed[layer->level] = name;
	else if (is_unknown_archive(layer->content))
		note_unread(ledger, name);
}

const char *ledger_close(struct ledger *ledger)
{
	end_layers(ledger, 0);
	for (size_t i = 0; i < ledger->n_promises; i++)
		if (!ledger->promises[i].is_kept)
			note_unread(ledger, ledger->promises[i].name);
	return ledger->unread;
}
