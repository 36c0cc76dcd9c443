/* SPDX-License-Identifier: MIT */
#include "lib/base64.h"

#include <openssl/evp.h>

struct slice base64_encode(struct arena *arena, const unsigned char *bytes, size_t size)
{
	char *text = arena_alloc(arena, (size + 2) / 3 * 4 + 1);
	int length = EVP_EncodeBlock((unsigned char *)text, bytes, (int)size);
	return (struct slice){ text, (size_t)length };
}
