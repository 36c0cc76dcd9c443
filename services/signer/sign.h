/* SPDX-License-Identifier: MIT
 *
 * DKIM signatures (RFC 6376) over a letter: relaxed/relaxed, SHA-256, never with l=. What
 * all signatures of one letter have in common is computed once. Pure but for the memory
 * that it takes from an arena. */
#ifndef SIGNER_SIGN_H
#define SIGNER_SIGN_H

#include <stdint.h>

#include "services/signer/key.h"
#include "services/signer/letter.h"

/* What every signature of one letter covers. */
struct coverage {
	const char *const *names; /* for h=, in order */
	size_t count;
	struct slice fields; /* the canonical forms of the fields that they stand for */
	unsigned char body_hash[KEY_DIGEST_SIZE];
};

/* FAULT_PERMANENT: more fields of one name than any honest message has. */
bool sign_prepare(struct arena *arena, const struct letter *letter,
	struct coverage *ret_coverage, struct fault *fault);

struct sign_request {
	const char *domain, *selector;
	const struct key *key;
	int64_t time_s; /* Unix time for t= */
};

/* The whole header field, with its CRLF. FAULT_TEMPORARY: the key does not sign. */
bool sign_letter(struct arena *arena, const struct coverage *coverage,
	const struct sign_request *request, struct slice *ret_field, struct fault *fault);

/* The value for b= (base64, not folded) of a DKIM-Signature field whose b= is empty and
 * that ends with CRLF, over the canonical `fields` before it. */
bool sign_field(struct arena *arena, struct slice fields, struct slice unsigned_field,
	const struct key *key, struct slice *ret_value);

#endif
