/* SPDX-License-Identifier: MIT
 *
 * The settings of the sender: its struct, and the table that fills it. */
#ifndef SERVICES_SENDER_CONFIG_H
#define SERVICES_SENDER_CONFIG_H

#include <stdint.h>

#include "lib/settings.h"

struct sender_config {
	const char *pool, *helo;
	const char *record, *record_password;
	int64_t record_keep_ms;
	int64_t window, window_bytes;
	int64_t connections, connections_per_destination, messages_per_connection;
	int64_t idle_ms, connect_ms, greeting_ms, command_ms, data_ms, final_ms,
		transaction_ms;
	int64_t expire_urgent_ms, expire_ms;
	const char *ca_file;
	const char *dns_forward, *dns_root_key;
};

extern const struct setting sender_settings[];

#endif
