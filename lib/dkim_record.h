/* SPDX-License-Identifier: MIT
 *
 * The DNS record that publishes a DKIM key (RFC 6376 3.6.1, RFC 8463 4.2). */
#ifndef LIB_DKIM_RECORD_H
#define LIB_DKIM_RECORD_H

#include <openssl/types.h>

#include "lib/arena.h"
#include "lib/fault.h"

/* "v=DKIM1; k=rsa; p=…"; NULL: a key of another type. */
const char *dkim_record_text(
	struct arena *arena, const EVP_PKEY *key, struct fault *fault);
/* "NAME. IN TXT ( "…" "…" )" on one line, in strings of at most 255 bytes. */
const char *dkim_record_zone_line(
	struct arena *arena, const char *name, const char *text);

#endif
