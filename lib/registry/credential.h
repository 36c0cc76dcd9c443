/* SPDX-License-Identifier: MIT
 *
 * Credentials of apps. Secrets are generated here, never chosen, so a fast keyed hash
 * protects them as well as a slow one would. The user name of SMTP AUTH is the app's
 * name; each of its credentials that is not expired is valid. */
#ifndef LIB_REGISTRY_CREDENTIAL_H
#define LIB_REGISTRY_CREDENTIAL_H

#include <stdint.h>

#include "lib/arena.h"
#include "lib/registry/registry.h"

#define CREDENTIAL_SECRET_LENGTH 32 /* characters, base32: 160 bits */

/* Fills salt and hash of `credential` (memory in the arena) and writes the secret,
 * printable and NUL-terminated, to `secret`: the caller shows it once and wipes it. */
void credential_mint(struct arena *arena, Postern__Credential *credential,
	char secret[static CREDENTIAL_SECRET_LENGTH + 1]);
bool credential_matches(const Postern__Credential *credential, struct slice secret);
/* The credential of `app` that `secret` opens at `now_us`, or NULL. Takes the same time
 * for an unknown app as for a wrong secret of an app with one credential. */
const Postern__Credential *credential_find(const struct registry *registry,
	struct slice app, struct slice secret, int64_t now_us);

#endif
