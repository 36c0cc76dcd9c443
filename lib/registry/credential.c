/* SPDX-License-Identifier: MIT */
#include "lib/registry/credential.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>

#define SALT_BYTES   16
#define HASH_BYTES   32
#define RANDOM_BYTES 20

static void hash_secret(
	struct slice salt, struct slice secret, unsigned char hash[HASH_BYTES])
{
	if (!HMAC(EVP_sha256(), salt.data, (int)salt.size,
		    (const unsigned char *)secret.data, secret.size, hash, NULL))
		abort();
}

/* Lower-case base32 (RFC 4648 6): nothing in it needs quoting in a shell or a URL. */
static void print_base32(const unsigned char *bytes, char *text)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	for (unsigned i = 0; i < CREDENTIAL_SECRET_LENGTH; i++) {
		unsigned bit = i * 5, byte = bit / 8;
		unsigned pair = bytes[byte] << 8;
		if (byte + 1 < RANDOM_BYTES)
			pair |= bytes[byte + 1];
		text[i] = digits[pair >> (11 - bit % 8) & 31];
	}
	text[CREDENTIAL_SECRET_LENGTH] = '\0';
}

void credential_mint(struct arena *arena, Postern__Credential *credential,
	char secret[static CREDENTIAL_SECRET_LENGTH + 1])
{
	unsigned char random[RANDOM_BYTES];
	credential->salt.len = SALT_BYTES;
	credential->salt.data = arena_alloc(arena, SALT_BYTES);
	credential->hash.len = HASH_BYTES;
	credential->hash.data = arena_alloc(arena, HASH_BYTES);
	if (RAND_priv_bytes(random, sizeof(random)) != 1 ||
		RAND_bytes(credential->salt.data, SALT_BYTES) != 1)
		abort();
	print_base32(random, secret);
	OPENSSL_cleanse(random, sizeof(random));
	hash_secret((struct slice){ (char *)credential->salt.data, SALT_BYTES },
		(struct slice){ secret, CREDENTIAL_SECRET_LENGTH },
		credential->hash.data);
}

bool credential_matches(const Postern__Credential *credential, struct slice secret)
{
	unsigned char hash[HASH_BYTES];
	hash_secret((struct slice){ (char *)credential->salt.data, credential->salt.len },
		secret, hash);
	bool is_equal = credential->hash.len == HASH_BYTES &&
			CRYPTO_memcmp(credential->hash.data, hash, HASH_BYTES) == 0;
	OPENSSL_cleanse(hash, sizeof(hash));
	return is_equal;
}

const Postern__Credential *credential_find(const struct registry *registry,
	struct slice app, struct slice secret, int64_t now_us)
{
	const Postern__Credential *found = NULL, *credential;
	size_t n = 0;
	while ((credential = registry_credential(registry, app, n++))) {
		bool is_valid = !credential->expires_us ||
				credential->expires_us > now_us;
		if (credential_matches(credential, secret) && is_valid && !found)
			found = credential;
	}
	if (n == 1) {
		static unsigned char zeros[HASH_BYTES];
		Postern__Credential nobody = POSTERN__CREDENTIAL__INIT;
		nobody.salt = (ProtobufCBinaryData){ SALT_BYTES, zeros };
		nobody.hash = (ProtobufCBinaryData){ HASH_BYTES, zeros };
		credential_matches(&nobody, secret);
	}
	return found;
}
