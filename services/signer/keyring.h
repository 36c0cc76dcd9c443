/* SPDX-License-Identifier: MIT
 *
 * The private keys: every file of one folder that nobody but its owner may read, parsed
 * once and again when it has changed. A file that can't be read keeps the key that was
 * read from it before. Used on the loop's thread only. */
#ifndef SIGNER_KEYRING_H
#define SIGNER_KEYRING_H

#include "lib/log.h"
#include "services/signer/key.h"

struct keyring;

/* NULL with FAULT_PERMANENT if the folder can't be read, or if others may read it. What
 * is wrong with single files is logged. */
struct keyring *keyring_open(
	const char *folder, const struct log *log, struct fault *fault);
void keyring_reload(struct keyring *keyring);
void keyring_close(struct keyring *keyring);

/* By file name; NULL if there is none. Borrowed until the next reload: key_hold(). */
struct key *keyring_find(const struct keyring *keyring, const char *file);
size_t keyring_size(const struct keyring *keyring);

#endif
