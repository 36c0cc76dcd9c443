/* SPDX-License-Identifier: MIT
 *
 * The settings of the scanner. */
#ifndef SERVICES_SCANNER_CONFIG_H
#define SERVICES_SCANNER_CONFIG_H

#include "lib/settings.h"

struct config {
	const char *checks;
	const char *consumes, *produces;
	const char *signatures;
	const char *worker, *tmp;
	int64_t workers;
	int64_t timeout_ms, load_timeout_ms;
	int64_t memory_bytes, unpacked_bytes;
	int64_t files, depth, parts;
	const char *rspamd;
	int64_t rspamd_timeout_ms;
};

extern const struct setting scanner_settings[];

#endif
