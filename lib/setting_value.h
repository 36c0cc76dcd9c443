/* SPDX-License-Identifier: MIT
 *
 * One setting: its text checked and put into its field, and its type and range in words.
 * Part of settings.h; nobody else includes this. */
#ifndef LIB_SETTING_VALUE_H
#define LIB_SETTING_VALUE_H

#include "lib/settings.h"

/* NULL: `value` is good and `field` is filled. Otherwise what is wrong with it. */
const char *setting_parse(const struct setting *setting, const char *value,
	struct arena *arena, void *field);
/* "10s to 1h", "yes or no", "an existing folder". */
void setting_print_allowed(const struct setting *setting, FILE *out);

#endif
