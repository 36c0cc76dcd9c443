/* SPDX-License-Identifier: MIT
 *
 * One mail on its way through the signer: find its domain's keys, wait until it is known
 * what the DNS publishes for them, have it sealed on a worker, pass it on. Whatever is
 * missing or wrong defers or holds it: nothing leaves unsigned. */
#ifndef SIGNER_SIGNING_H
#define SIGNER_SIGNING_H

#include "services/signer/signer.h"

struct job;
struct work;

/* The stage's work: `with` is the signer. */
void signing_begin(void *with, struct job *job);
/* Calls of the signer's workers. */
void signing_seal(void *with, struct work *work);
void signing_sealed(void *with, struct work *work);
/* After the workers have ended and before the stage is closed. */
void signings_drop(struct signer *signer);

#endif
