/* SPDX-License-Identifier: MIT
 *
 * What the signer knows of the key records that are published in the DNS: for each
 * selector of a domain its record, when it was last seen, and how often in a row a
 * signature verified against it. The signing of a message waits for the DNS only while
 * that is not known well enough. Used on the loop's thread only. */
#ifndef SIGNER_SELECTOR_H
#define SIGNER_SELECTOR_H

#include <stdint.h>

#include "lib/fault.h"
#include "lib/loop.h"
#include "services/signer/key.h"

struct dns;
struct selector;
struct selectors;

#define SELECTOR_PROOFS 20 /* signatures verified in a row before only a sample is */

struct selector_times {
	int64_t fresh_ms;        /* how old an answer may be to judge a message by */
	int64_t proven_fresh_ms; /* likewise where a signature has been verified */
	/* While the DNS does not answer, a record that was verified with the same key is
	 * taken to be there still. */
	int64_t trust_ms;
};
extern const struct selector_times selector_default_times;

/* `times` are borrowed. */
struct selectors *selectors_open(struct dns *dns, const struct selector_times *times);
/* Forgets whoever waits. */
void selectors_close(struct selectors *selectors);

/* `key` is held. Another key than before has to prove itself anew. */
struct selector *selectors_find(struct selectors *selectors, const char *domain,
	const char *name, struct key *key);
/* "rsa1._domainkey.example.com" */
const char *selector_name(const struct selector *selector);

/* Is what is known fresh enough to judge by? Asks the DNS where it is not quite. */
bool selector_is_known(struct selector *selector);
/* Owned by the waiter; in use until `call`. */
struct selector_wait {
	struct selector_wait *next;
	loop_call *call;
	void *with;
};
/* Calls once when the DNS has answered; only after selector_is_known() said no. */
void selector_wait(struct selector *selector, struct selector_wait *wait);

/* The published record, borrowed until the loop's next turn. NULL: FAULT_PERMANENT where
 * there is none or more than one, FAULT_TEMPORARY where the DNS does not say. */
const char *selector_record(const struct selector *selector, struct fault *fault);
/* Must the next signature be verified? */
bool selector_is_on_trial(const struct selector *selector);
/* A signature of `key` was verified, or not, against `record`. */
void selector_judged(struct selector *selector, const struct key *key, const char *record,
	bool is_good);

#endif
