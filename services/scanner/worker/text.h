/* SPDX-License-Identifier: MIT
 *
 * Makes text for detectors out of the decoded bytes of a part: character set to UTF-8,
 * and what people can't see or tell apart folded to ASCII (zero-width characters, kinds
 * of spaces and hyphens, full-width digits). Unknown character sets and wrong bytes pass
 * as they are: detectors look for ASCII. */
#ifndef SERVICES_SCANNER_WORKER_TEXT_H
#define SERVICES_SCANNER_WORKER_TEXT_H

#include <stdint.h>

#include "lib/arena.h"

/* Bytes that nobody declared as text but that are: no control characters in the first
 * 4096, or a byte order mark at the front. */
bool text_is_likely(struct slice bytes);
/* `charset` as declared, or NULL. */
struct slice text_decode(struct arena *arena, struct slice bytes, const char *charset);
/* Never longer than `text`. */
struct slice text_fold(struct arena *arena, struct slice text);
/* Writes 1 to 4 bytes and returns how many; '?' for what is no character. */
size_t text_put_utf8(char *out, uint32_t character);

#endif
