/* SPDX-License-Identifier: MIT
 *
 * Text of a header field for people: RFC 2047 encoded words become UTF-8. Wherever a
 * reader's program might see an encoded word, this sees one too (inside quotes, without
 * blanks around it). Never calls iconv: charsets beyond UTF-8 and ISO-8859-1 keep their
 * ASCII and show U+FFFD for the rest. */
#ifndef LIB_ENCODED_WORD_H
#define LIB_ENCODED_WORD_H

#include "lib/buffer.h"

/* Appends `text` (folded or not) to `out` as valid UTF-8 with controls as blanks, and
 * stops where `out` is full, never within a character. What can't be decoded (not an
 * encoded word after all, a charset that hides its ASCII such as UTF-7) stays as it was.
 */
void encoded_words_decode(struct slice text, struct buffer *out);

#endif
