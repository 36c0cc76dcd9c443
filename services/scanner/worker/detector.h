/* SPDX-License-Identifier: MIT
 *
 * A detector recognises one kind of data that must not leave unprotected. Each is one
 * file in detectors/ that ends in `const struct detector NAME_detector`; the build lists
 * them. Hyperscan finds candidates of all detectors in one pass; a detector then decides
 * on each. It never keeps, prints or returns the data itself, only masked evidence. */
#ifndef SERVICES_SCANNER_WORKER_DETECTOR_H
#define SERVICES_SCANNER_WORKER_DETECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/slice.h"

struct hits;

struct detector {
	const char *name; /* what policies call it */
	const char *help; /* one sentence */
	/* Hyperscan syntax, ended by NULL: cheap, and wide enough to miss nothing. */
	const char *const *patterns;
	/* Pattern number `pattern` matched up to the offset `end`. Looks at the text
	 * around it, adds what it is sure of to `hits`, and returns how far it has
	 * looked: matches of that pattern up to there are not shown to it. */
	size_t (*examine)(
		struct slice text, unsigned pattern, size_t end, struct hits *hits);
};

extern const struct detector *const detector_registry[]; /* ended by NULL */

/* `value` in its canonical form, so that the same value counts once in a message; only a
 * hash of it is kept. `kind` ("Visa") is a literal; `evidence` is masked. */
void hits_add(
	struct hits *hits, struct slice value, const char *kind, const char *evidence);

/* ASCII, whatever the locale. */
static inline bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static inline bool is_letter(char byte)
{
	return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/* Is there a letter, digit or underscore at `at`? False outside the text. */
static inline bool is_word_at(struct slice text, size_t at)
{
	return at < text.size && (is_digit(text.data[at]) || is_letter(text.data[at]) ||
					 text.data[at] == '_');
}

/* What people set between groups of digits. Other spaces and hyphens have been folded to
 * these before. */
static inline bool is_separator_at(struct slice text, size_t at)
{
	return at < text.size &&
	       (text.data[at] == ' ' || text.data[at] == '-' || text.data[at] == '.');
}

#endif
