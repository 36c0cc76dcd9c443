/* SPDX-License-Identifier: MIT
 *
 * Text from the outside (file names, signature names, answers) as people and protobuf may
 * have it: valid UTF-8 without control characters. */
#ifndef SERVICES_SCANNER_PRINTABLE_H
#define SERVICES_SCANNER_PRINTABLE_H

#include "lib/arena.h"

/* A copy of at most `max` bytes, cut between characters; what is not printable becomes
 * '?'. */
const char *printable(struct arena *arena, struct slice text, size_t max);

#endif
