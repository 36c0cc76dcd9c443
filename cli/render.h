/* SPDX-License-Identifier: MIT
 *
 * Control objects as text: YAML that reads back to the same object, JSON of the same
 * form, and cells of a list. Fields that are not set are left out. What has no row in
 * the kind's table of fields (salts, hashes) can't come out here. */
#ifndef CLI_RENDER_H
#define CLI_RENDER_H

#include <jansson.h>

#include "cli/kind.h"
#include "cli/listing.h"
#include "lib/buffer.h"

/* "kind: app\nname: shop\n…"; in the arena. */
const char *object_yaml(struct arena *arena, const Postern__Object *object);
/* A new reference. */
json_t *object_json(struct arena *arena, const Postern__Object *object);
/* The titles of a kind's list, and the cells of one object. */
void kind_listing(struct listing *listing, struct arena *arena, const struct kind *kind);
void object_listing(struct listing *listing, const Postern__Object *object);

#endif
