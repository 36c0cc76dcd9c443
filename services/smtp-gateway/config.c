/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/config.h"

#include <stddef.h>

#define AT(field) offsetof(struct gateway_config, field)
#define SECONDS   1000
#define MINUTES   (60 * SECONDS)
#define HOURS     (60 * MINUTES)
#define MIB       (INT64_C(1) << 20)
#define GIB       (INT64_C(1) << 30)

const struct setting gateway_settings[] = {
	{ "POSTERN_GATEWAY_SUBMISSION", SETTING_ADDRESS, AT(submission), "0.0.0.0:587",
		.help = "Where to listen for submission with STARTTLS; empty: nowhere." },
	{ "POSTERN_GATEWAY_SUBMISSIONS", SETTING_ADDRESS, AT(submissions), "0.0.0.0:465",
		.help = "Where to listen for submission in TLS from the start; empty: "
			"nowhere." },
	{ "POSTERN_GATEWAY_CERTIFICATE", SETTING_FILE, AT(certificate),
		.help = "PEM file with the certificate and its chain; read again when it "
			"changes." },
	{ "POSTERN_GATEWAY_KEY", SETTING_FILE, AT(key),
		.help = "PEM file with the certificate's private key." },
	{ "POSTERN_GATEWAY_HOSTNAME", SETTING_TEXT, AT(hostname), "",
		.help = "Name in the greeting and in Received; empty: the machine's." },
	{ "POSTERN_GATEWAY_MESSAGE_SIZE", SETTING_BYTES, AT(message_bytes), "25M", 1024,
		48 * MIB,
		.help = "Largest message of an app without a limit of its own." },
	{ "POSTERN_GATEWAY_RECIPIENTS", SETTING_NUMBER, AT(recipients), "100", 1, 10000,
		.help = "Recipients in one message of an app without a limit of its own." },
	{ "POSTERN_GATEWAY_HEADER_SIZE", SETTING_BYTES, AT(header_bytes), "64k", 1024,
		MIB, .help = "Largest header of a message." },
	{ "POSTERN_GATEWAY_HEADER_FIELDS", SETTING_NUMBER, AT(header_fields), "500", 10,
		10000, .help = "Fields in the header of a message." },
	{ "POSTERN_GATEWAY_RECEIVED", SETTING_NUMBER, AT(received), "30", 1, 1000,
		.help = "Received fields in a message; more is taken for a loop." },
	{ "POSTERN_GATEWAY_COMMANDS", SETTING_NUMBER, AT(commands), "5000", 10, 1000000,
		.help = "Commands of a session without an accepted message in between, RCPT for "
			"new recipients apart." },
	{ "POSTERN_GATEWAY_BAD_COMMANDS", SETTING_NUMBER, AT(bad_commands), "10", 1, 1000,
		.help = "Syntax and sequence errors of a session, likewise." },
	{ "POSTERN_GATEWAY_AUTH_FAILURES", SETTING_NUMBER, AT(auth_failures), "3", 1, 100,
		.help = "Failed logins of a session, each answered later than the one "
			"before." },
	{ "POSTERN_GATEWAY_CONNECTIONS", SETTING_NUMBER, AT(connections), "10000", 1,
		1000000, .help = "Open connections." },
	{ "POSTERN_GATEWAY_CONNECTIONS_PER_ADDRESS", SETTING_NUMBER,
		AT(connections_per_address), "1000", 1, 1000000,
		.help = "Open connections from one client address." },
	{ "POSTERN_GATEWAY_CONNECTIONS_PER_APP", SETTING_NUMBER, AT(connections_per_app),
		"1000", 1, 1000000,
		.help = "Open sessions of an app without a limit of its own." },
	{ "POSTERN_GATEWAY_MEMORY", SETTING_BYTES, AT(memory_bytes), "512M", 64 * MIB,
		1024 * GIB, .help = "Content in memory, of all sessions together." },
	{ "POSTERN_GATEWAY_TLS_TIMEOUT", SETTING_DURATION, AT(tls_timeout_ms), "30s", 100,
		1 * HOURS, .help = "For a TLS handshake." },
	{ "POSTERN_GATEWAY_COMMAND_TIMEOUT", SETTING_DURATION, AT(command_timeout_ms),
		"5m", 100, 24 * HOURS,
		.help = "For a whole command to arrive, however its bytes drip in." },
	{ "POSTERN_GATEWAY_DATA_TIMEOUT", SETTING_DURATION, AT(data_timeout_ms), "10m",
		100, 24 * HOURS,
		.help = "For the whole content of a message to arrive." },
	{ "POSTERN_GATEWAY_STORE_TIMEOUT", SETTING_DURATION, AT(store_timeout_ms), "4m",
		100, 1 * HOURS,
		.help = "For the bus to have a message durably; after that the client is "
			"told to try again." },
	{ 0 },
};
