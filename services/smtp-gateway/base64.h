/* SPDX-License-Identifier: MIT
 *
 * Strict base64 (RFC 4648 4): full padding, no other characters, no bits left over. */
#ifndef SMTP_GATEWAY_BASE64_H
#define SMTP_GATEWAY_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/slice.h"

/* `ret_bytes` has room for text.size / 4 * 3 bytes. */
bool base64_decode(struct slice text, char *ret_bytes, size_t *ret_size);

#endif
