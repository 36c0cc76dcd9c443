/* SPDX-License-Identifier: MIT */
#include "lib/dkim_record.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "lib/base64.h"

#define STRING_MOST 255 /* RFC 1035 3.3: a character-string */

const char *dkim_record_text(
	struct arena *arena, const EVP_PKEY *key, struct fault *fault)
{
	if (EVP_PKEY_is_a(key, "ED25519")) {
		unsigned char raw[32];
		size_t size = sizeof(raw);
		if (EVP_PKEY_get_raw_public_key(key, raw, &size))
			return arena_printf(arena, "v=DKIM1; k=ed25519; p=%s",
				base64_encode(arena, raw, size).data);
	} else if (EVP_PKEY_is_a(key, "RSA")) {
		unsigned char *der = NULL;
		int size = i2d_PUBKEY(key, &der);
		const char *text = size > 0 ? base64_encode(arena, der, (size_t)size).data
					    : NULL;
		OPENSSL_free(der);
		if (text)
			return arena_printf(arena, "v=DKIM1; k=rsa; p=%s", text);
	}
	fault_permanent(fault, "the key is neither RSA nor Ed25519");
	return NULL;
}

const char *dkim_record_zone_line(struct arena *arena, const char *name, const char *text)
{
	const char *line = arena_printf(arena, "%s. IN TXT (", name);
	struct slice rest = slice_of(text);
	while (rest.size) {
		struct slice piece = slice_head(rest, STRING_MOST);
		line = arena_printf(arena, "%s \"%.*s\"", line, SLICE_ARG(piece));
		rest = slice_skip(rest, piece.size);
	}
	return arena_printf(arena, "%s )", line);
}
