/* SPDX-License-Identifier: MIT
 *
 * The settings of the signer. */
#ifndef SIGNER_CONFIG_H
#define SIGNER_CONFIG_H

#include <stdint.h>

#include "lib/settings.h"

struct signer_config {
	const char *keys;
	int64_t threads;
	int64_t verify_sample; /* per cent */
	int64_t window, window_bytes;
	const char *dns_forward;
	const char *dns_root_key;
};

extern const struct setting signer_settings[];

#endif
