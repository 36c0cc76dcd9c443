/* SPDX-License-Identifier: MIT
 *
 * Has libopendkim, which shares no code with our signing, verify a letter as a receiver
 * would, against the key records as the DNS publishes them. Asks no DNS itself. One
 * verifier serves any number of threads. */
#ifndef SIGNER_VERIFY_H
#define SIGNER_VERIFY_H

#include "services/signer/letter.h"

struct verifier;

struct verifier *verifier_new(struct fault *fault);
void verifier_free(struct verifier *verifier);

struct verify_signature {
	const char *domain, *selector;
	const char *record; /* as published */
	struct slice field; /* the DKIM-Signature field */
	bool is_good;       /* the outcome */
	const char *why;    /* where it isn't; static */
};

/* Verifies each of the `count` signatures over the letter that follows them. False: the
 * letter itself can't be verified, whatever its signatures (FAULT_PERMANENT). */
bool verify_letter(struct verifier *verifier, const struct letter *letter,
	struct verify_signature *signatures, size_t count, struct fault *fault);

#endif
