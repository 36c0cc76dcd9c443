/* SPDX-License-Identifier: MIT */
#include "services/signer/key.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dkim_record.h"
#include "lib/memory.h"

#define RSA_BITS_MIN 1024 /* RFC 8301 3.2: verifiers refuse less */
#define RSA_BITS_MAX 4096 /* what each verifier can (RFC 8301 3.2) */

struct key {
	unsigned holders;
	EVP_PKEY *pkey;
	char *record;
};

/* Never ask the terminal. */
static int no_password(char *buffer, int size, int writing, void *with)
{
	(void)buffer, (void)size, (void)writing, (void)with;
	return -1;
}

static bool is_ed25519(const EVP_PKEY *pkey)
{
	return EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519;
}

static bool check_usable(const EVP_PKEY *pkey, struct fault *fault)
{
	if (is_ed25519(pkey))
		return true;
	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA)
		return fault_permanent(
			fault, "neither an RSA nor an Ed25519 key; DKIM knows no other");
	int bits = EVP_PKEY_get_bits(pkey);
	if (bits < RSA_BITS_MIN)
		return fault_permanent(fault,
			"an RSA key of %d bits; verifiers refuse less than %d", bits,
			RSA_BITS_MIN);
	return bits <= RSA_BITS_MAX ||
	       fault_permanent(fault, "an RSA key of %d bits; %d are the most", bits,
		       RSA_BITS_MAX);
}

static char *record_of(const EVP_PKEY *pkey, struct fault *fault)
{
	struct arena *arena = arena_new();
	const char *record = dkim_record_text(arena, pkey, fault);
	char *copy = record ? memory_string(slice_of(record)) : NULL;
	arena_free(arena);
	return copy;
}

struct key *key_parse(struct slice pem, struct fault *fault)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
	EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
			     : NULL;
	BIO_free(bio);
	if (!pkey) {
		fault_permanent(fault, "no private key in PEM form without a password");
		return NULL;
	}
	char *record = check_usable(pkey, fault) ? record_of(pkey, fault) : NULL;
	if (!record) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	struct key *key = NEW(struct key);
	*key = (struct key){ .holders = 1, .pkey = pkey, .record = record };
	return key;
}

struct key *key_hold(struct key *key)
{
	key->holders++;
	return key;
}

void key_drop(struct key *key)
{
	if (!key || --key->holders > 0)
		return;
	EVP_PKEY_free(key->pkey); /* wipes the private part */
	free(key->record);
	free(key);
}

bool key_equal(const struct key *a, const struct key *b)
{
	return strcmp(a->record, b->record) == 0;
}

const char *key_algorithm(const struct key *key)
{
	return is_ed25519(key->pkey) ? "ed25519-sha256" : "rsa-sha256";
}

unsigned key_bits(const struct key *key)
{
	return EVP_PKEY_get_bits(key->pkey);
}

const char *key_record(const struct key *key)
{
	return key->record;
}

static bool sign_rsa(EVP_PKEY_CTX *context, const unsigned char *digest,
	unsigned char *ret_signature, size_t *ret_size)
{
	return EVP_PKEY_sign_init(context) == 1 &&
	       EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
	       EVP_PKEY_sign(context, ret_signature, ret_size, digest, KEY_DIGEST_SIZE) ==
		       1;
}

bool key_sign(const struct key *key, const unsigned char digest[static KEY_DIGEST_SIZE],
	unsigned char ret_signature[static KEY_SIGNATURE_SIZE], size_t *ret_size)
{
	bool is_signed;
	*ret_size = KEY_SIGNATURE_SIZE;
	if (is_ed25519(key->pkey)) {
		EVP_MD_CTX *context = EVP_MD_CTX_new();
		is_signed = context &&
			    EVP_DigestSignInit(context, NULL, NULL, NULL, key->pkey) ==
				    1 &&
			    EVP_DigestSign(context, ret_signature, ret_size, digest,
				    KEY_DIGEST_SIZE) == 1;
		EVP_MD_CTX_free(context);
	} else {
		EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key->pkey, NULL);
		is_signed = context && sign_rsa(context, digest, ret_signature, ret_size);
		EVP_PKEY_CTX_free(context);
	}
	return is_signed;
}
