/* SPDX-License-Identifier: MIT
 *
 * The settings of a process: environment variables POSTERN_…, read once at start through
 * one table per service. A secret's value may be in the file that POSTERN_…_FILE names.
 * All faults are reported at once. The table also prints --help-config and
 * docs/CONFIGURATION.md. */
#ifndef LIB_SETTINGS_H
#define LIB_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/arena.h"

enum setting_type {
	SETTING_TEXT,     /* const char *; "" where not set */
	SETTING_FOLDER,   /* const char *; must be an existing folder unless "" */
	SETTING_FILE,     /* const char *; must be a readable file unless "" */
	SETTING_ADDRESS,  /* const char *; HOST:PORT, [V6]:PORT, or "" */
	SETTING_SECRET,   /* const char *; also from NAME_FILE; never printed */
	SETTING_NUMBER,   /* int64_t */
	SETTING_BYTES,    /* int64_t; suffix k, M, G (1024) allowed */
	SETTING_DURATION, /* int64_t ms; suffix ms, s, m, h, d required */
	SETTING_SWITCH,   /* bool; yes or no */
	SETTING_CHOICE,   /* const char *; one of `choices` */
};

struct setting {
	const char *name; /* with POSTERN_ */
	enum setting_type type;
	size_t offset; /* of the field in the service's config struct */
	const char
		*fallback;   /* the default as a user would write it; NULL: must be set */
	int64_t min, max;    /* of numbers, bytes and durations; both 0: any from 0 up */
	const char *help;    /* one sentence */
	const char *choices; /* of a SETTING_CHOICE: "debug info warning error" */
};
/* A table ends with a setting whose name is NULL. */

/* Fills `config` (strings in `arena`). On failure prints one line per fault to `errors`:
 * name, value, what is allowed. */
bool settings_load(
	const struct setting *table, void *config, struct arena *arena, FILE *errors);
/* Calls `seen` for each variable of the environment that begins like this table's own
 * (POSTERN_SENDER_) but is none of them; `nearest` is what was probably meant. */
void settings_unknown(const struct setting *table,
	void (*seen)(void *with, const char *name, const char *nearest), void *with);
/* As text for --help-config. */
void settings_print(const struct setting *table, FILE *out);
/* As a Markdown table for docs/CONFIGURATION.md. */
void settings_print_markdown(const struct setting *table, FILE *out);

#endif
