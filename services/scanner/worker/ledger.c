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

static void strike_off(struct ledger *ledger, struct promise **at)
{
	struct promise *promise = *at;
	*at = promise->next;
	if (!promise->next)
		ledger->end = at;
}

/* What no layer to come can keep was not inspected. */
static void break_promises(struct ledger *ledger, uint64_t ended)
{
	if (!(ledger->containers & ended))
		return;
	ledger->containers = 0;
	for (struct promise **at = &ledger->promises; *at;) {
		struct promise *promise = *at;
		promise->containers &= ~ended;
		ledger->containers |= promise->containers;
		if (promise->containers) {
			at = &promise->next;
			continue;
		}
		note_unread(ledger, promise->name);
		strike_off(ledger, at);
	}
}

/* Layers at `level` and deeper have ended. */
static void end_layers(struct ledger *ledger, uint32_t level)
{
	if (level < LAYERS_MAX)
		break_promises(ledger, ~UINT64_C(0) << level);
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

/* The layer at hand if it is of that type; else all of that type around it, of which an
 * inner one may have ended. 0: an archive that never was a layer, in the midst of other
 * bytes. */
static uint64_t containers_of(const struct ledger *ledger, const char *type)
{
	uint64_t containers = 0;
	for (uint32_t level = ledger->levels; level > 0; level--) {
		const char *known = ledger->types[level - 1];
		if (!known || strcmp(known, type) != 0)
			continue;
		containers |= UINT64_C(1) << (level - 1);
		if (level == ledger->levels)
			break;
	}
	return containers;
}

/* Was it announced just now? A size that one of both does not tell, the other does. */
static bool is_again(struct promise *last, const struct member *member, const char *name)
{
	if (!last || !member->position || last->position != member->position ||
		strcmp(last->name, name) != 0)
		return false;
	if (last->size_bytes == SIZE_ELSEWHERE)
		last->size_bytes = member->size_bytes;
	return member->size_bytes == last->size_bytes ||
	       member->size_bytes == SIZE_ELSEWHERE;
}

void ledger_promise(struct ledger *ledger, const struct member *member)
{
	if (!is_archive(member->container_type))
		return;
	uint64_t containers = containers_of(ledger, member->container_type);
	for (uint32_t level = 0; level < ledger->levels; level++)
		if (containers >> level & 1)
			ledger->closed[level] = NULL;
	const char *name = report_text(ledger->arena, member->name);
	if (member->size_bytes < SMALLEST || is_again(ledger->last, member, name))
		return;
	struct promise *promise = ARENA_NEW(ledger->arena, struct promise);
	*promise = (struct promise){
		.name = name,
		.size_bytes = member->size_bytes,
		.containers = containers ? containers : ~UINT64_C(1),
		.position = member->position,
	};
	ledger->containers |= promise->containers;
	*(ledger->promises ? ledger->end : &ledger->promises) = promise;
	ledger->end = &promise->next;
	ledger->last = promise;
}

/* One promise for each layer: of that size if there is one, else of no known size. */
static void keep_promise(struct ledger *ledger, const struct layer *layer)
{
	struct promise **any = NULL, **at = &ledger->promises;
	if (layer->level == 0 || layer->level > LAYERS_MAX)
		return;
	for (; *at; at = &(*at)->next) {
		const struct promise *promise = *at;
		if (!(promise->containers >> (layer->level - 1) & 1))
			continue;
		if (promise->size_bytes == layer->content.size)
			break;
		if (promise->size_bytes == SIZE_ELSEWHERE)
			any = at;
	}
	if (!*at)
		at = any;
	if (at)
		strike_off(ledger, at);
}

void ledger_see(struct ledger *ledger, const struct layer *layer)
{
	end_layers(ledger, layer->level);
	keep_promise(ledger, layer);
	ledger->last = NULL;
	if (layer->level >= LAYERS_MAX) {
		note_unread(ledger, "content nested too deep");
		return;
	}
	while (ledger->levels <= layer->level) {
		ledger->types[ledger->levels] = NULL;
		ledger->closed[ledger->levels++] = NULL;
	}
	/* It came out of what is right around it. What libclamav finds in the midst of an
	 * archive's bytes is a level deeper, and says nothing of the archive. */
	if (layer->level)
		ledger->closed[layer->level - 1] = NULL;
	const char *name = layer->name ? report_text(ledger->arena, layer->name)
				       : "an archive";
	ledger->types[layer->level] = report_text(ledger->arena, layer->type);
	if (is_archive(layer->type))
		ledger->closed[layer->level] = name;
	else if (is_unknown_archive(layer->content))
		note_unread(ledger, name);
}

const char *ledger_close(struct ledger *ledger)
{
	end_layers(ledger, 0);
	return ledger->unread;
}
