/* SPDX-License-Identifier: MIT
 *
 * One private key for DKIM: RSA, or Ed25519 (RFC 8463). It is parsed once and then signs
 * on any thread; only the loop's thread holds and drops it. Its private part is never
 * printed, compared or copied out. */
#ifndef SIGNER_KEY_H
#define SIGNER_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/fault.h"
#include "lib/slice.h"

#define KEY_DIGEST_SIZE    32  /* SHA-256 */
#define KEY_SIGNATURE_SIZE 512 /* of RSA with 4096 bits */

struct key;

/* From PEM (PKCS#8 or PKCS#1, not encrypted). FAULT_PERMANENT otherwise, and for a kind
 * or size of key that can't be used. Held once by the caller. */
struct key *key_parse(struct slice pem, struct fault *fault);
struct key *key_hold(struct key *key);
/* Accepts NULL. */
void key_drop(struct key *key);

/* Do both sign the same? */
bool key_equal(const struct key *a, const struct key *b);
/* "rsa-sha256" or "ed25519-sha256". */
const char *key_algorithm(const struct key *key);
unsigned key_bits(const struct key *key);
/* What belongs into the DNS: "v=DKIM1; k=rsa; p=…". */
const char *key_record(const struct key *key);
/* Ed25519 signs the digest as its message (RFC 8463 3). */
bool key_sign(const struct key *key, const unsigned char digest[static KEY_DIGEST_SIZE],
	unsigned char ret_signature[static KEY_SIGNATURE_SIZE], size_t *ret_size);

#endif
