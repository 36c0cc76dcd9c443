/* SPDX-License-Identifier: MIT
 *
 * Keys and certificates as PEM files. A file is there whole and on the disk, or not at
 * all; without `replaces` nothing that is there is ever overwritten. */
#ifndef CLI_KEY_FILE_H
#define CLI_KEY_FILE_H

#include <openssl/types.h>
#include <stdbool.h>

#include "lib/arena.h"
#include "lib/fault.h"

struct key_file {
	const char *folder; /* made where its parent is there */
	const char *name;
	bool replaces;
};

/* PKCS#8, mode 0600. */
bool key_file_write(
	const struct key_file *file, const EVP_PKEY *key, struct fault *fault);
/* Mode 0644. */
bool certificate_file_write(
	const struct key_file *file, const X509 *certificate, struct fault *fault);
/* NULL: fault. */
EVP_PKEY *key_file_read(const char *path, struct fault *fault);

#endif
