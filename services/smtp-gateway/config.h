/* SPDX-License-Identifier: MIT
 *
 * The settings of smtp-gateway. */
#ifndef SMTP_GATEWAY_CONFIG_H
#define SMTP_GATEWAY_CONFIG_H

#include <stdint.h>

#include "lib/settings.h"

struct gateway_config {
	const char *submission;  /* STARTTLS; "" = none */
	const char *submissions; /* TLS from the start; "" = none */
	const char *certificate, *key;
	const char *hostname; /* "" = the machine's */
	int64_t message_bytes, header_bytes, memory_bytes;
	int64_t recipients, header_fields, received;
	int64_t commands, bad_commands, auth_failures;
	int64_t connections, connections_per_address, connections_per_app;
	int64_t tls_timeout_ms, command_timeout_ms, data_timeout_ms, store_timeout_ms;
};

extern const struct setting gateway_settings[];

#endif
