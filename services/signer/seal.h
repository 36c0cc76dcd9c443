/* SPDX-License-Identifier: MIT
 *
 * Everything about the signing of one mail that takes time: reading it, hashing, signing
 * with each key, verifying. Runs on any thread, on memory of its own; asks nobody. */
#ifndef SIGNER_SEAL_H
#define SIGNER_SEAL_H

#include <stdint.h>

#include "services/signer/key.h"
#include "services/signer/letter.h"
#include "services/signer/verify.h"

#define SEAL_KEYS_MAX 8 /* of one domain */

enum seal_outcome {
	SEAL_GOOD,    /* every key signed, and what was verified is good */
	SEAL_UNCLEAN, /* the mail itself can't be signed or verified, ever */
	SEAL_BAD,     /* a key does not sign, or its signature does not verify */
};

struct seal_key {
	const char *selector;
	const char *record; /* as published */
	const struct key *key;
	struct slice field; /* made: the DKIM-Signature field */
	bool is_good;       /* made, if verified */
};

struct seal {
	const Postern__Mail *mail;
	const char *domain;
	int64_t time_s;
	bool must_verify;
	struct seal_key keys[SEAL_KEYS_MAX]; /* topmost first */
	size_t count;
	enum seal_outcome outcome;
	const struct seal_key *bad; /* of SEAL_BAD */
	struct fault fault;         /* where it is not SEAL_GOOD */
};

/* `arena` is used by nobody else meanwhile. */
void seal_mail(struct seal *seal, struct arena *arena, struct verifier *verifier);

#endif
