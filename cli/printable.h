/* SPDX-License-Identifier: MIT
 *
 * Text of strangers on the operator's terminal: subjects, addresses and replies may hold
 * control characters, which drive terminals, and characters that turn the direction of
 * writing. They are shown as '?'. */
#ifndef CLI_PRINTABLE_H
#define CLI_PRINTABLE_H

#include "lib/arena.h"

/* Valid UTF-8 without controls, always. */
const char *printable(struct arena *arena, struct slice text);
const char *printable_string(struct arena *arena, const char *text);
/* Characters, taken as one column each. */
size_t printable_width(const char *text);

#endif
