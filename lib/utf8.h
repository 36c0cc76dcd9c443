/* SPDX-License-Identifier: MIT
 *
 * UTF-8 (RFC 3629): shortest forms only, no surrogates, nothing above U+10FFFF. Owns
 * nothing and never guesses another encoding. */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/slice.h"

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Length in bytes of the character at the front; 0: there is none, or it is not valid. */
size_t utf8_decode(struct slice bytes, uint32_t *ret_point);
bool utf8_is_valid(struct slice bytes);
bool utf8_is_ascii(struct slice bytes);
/* The longest front of at most `size` bytes that does not cut a character in two. */
struct slice utf8_head(struct slice bytes, size_t size);
/* Controls, bidirectional overrides and isolates: what nobody sees but which changes what
 * the rest of a line looks like. */
bool utf8_is_deceptive(uint32_t point);

#endif
