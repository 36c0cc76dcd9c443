/* SPDX-License-Identifier: MIT */
#include "services/sender/config.h"

#define FIELD_AT(field) offsetof(struct sender_config, field)
#define SECOND          INT64_C(1000)
#define MINUTE          (60 * SECOND)
#define HOUR            (60 * MINUTE)
#define DAY             (24 * HOUR)

const struct setting sender_settings[] = {
	{ "POSTERN_SENDER_POOL", SETTING_TEXT, FIELD_AT(pool), "default", 0, 0,
		"Pool that this process delivers for." },
	{ "POSTERN_SENDER_HELO", SETTING_TEXT, FIELD_AT(helo), "", 0, 0,
		"Name to greet with where the pool object has none; empty: the host's "
		"name." },
	{ "POSTERN_SENDER_RECORD", SETTING_TEXT, FIELD_AT(record), "", 0, 0,
		"Where deliveries are recorded, so that a repeat is recognised: "
		"sqlite:FILE, redis:HOST:PORT[/DB] or none; empty: a file in the folder "
		"of the local bus, none on Kafka." },
	{ "POSTERN_SENDER_RECORD_PASSWORD", SETTING_SECRET, FIELD_AT(record_password), "",
		0, 0, "Password for Redis." },
	{ "POSTERN_SENDER_RECORD_KEEP", SETTING_DURATION, FIELD_AT(record_keep_ms), "7d",
		HOUR, 365 * DAY,
		"How long a recorded delivery is kept; longer than any message is tried." },
	{ "POSTERN_SENDER_WINDOW", SETTING_NUMBER, FIELD_AT(window), "2000", 1, 100000,
		"Messages in hand at most." },
	{ "POSTERN_SENDER_WINDOW_BYTES", SETTING_BYTES, FIELD_AT(window_bytes), "256M",
		1 << 20, INT64_C(64) << 30, "Bytes of messages in hand at most." },
	{ "POSTERN_SENDER_CONNECTIONS", SETTING_NUMBER, FIELD_AT(connections), "1000", 1,
		60000, "Connections in all at most." },
	{ "POSTERN_SENDER_CONNECTIONS_PER_DESTINATION", SETTING_NUMBER,
		FIELD_AT(connections_per_destination), "20", 1, 1000,
		"Connections to one destination at most where the pool object has no "
		"number." },
	{ "POSTERN_SENDER_MESSAGES_PER_CONNECTION", SETTING_NUMBER,
		FIELD_AT(messages_per_connection), "500", 1, 100000,
		"Messages over one connection at most where the pool object has no "
		"number." },
	{ "POSTERN_SENDER_IDLE_TIMEOUT", SETTING_DURATION, FIELD_AT(idle_ms), "20s", 0,
		10 * MINUTE, "How long a connection waits for its next message." },
	{ "POSTERN_SENDER_CONNECT_TIMEOUT", SETTING_DURATION, FIELD_AT(connect_ms), "30s",
		100, 10 * MINUTE, "How long to wait for a TCP connection." },
	{ "POSTERN_SENDER_GREETING_TIMEOUT", SETTING_DURATION, FIELD_AT(greeting_ms),
		"5m", 100, HOUR, "How long to wait for a server's greeting." },
	{ "POSTERN_SENDER_COMMAND_TIMEOUT", SETTING_DURATION, FIELD_AT(command_ms), "5m",
		100, HOUR, "How long to wait for the reply to a command." },
	{ "POSTERN_SENDER_DATA_TIMEOUT", SETTING_DURATION, FIELD_AT(data_ms), "3m", 100,
		HOUR, "How long to wait until the server takes more of the content." },
	{ "POSTERN_SENDER_FINAL_TIMEOUT", SETTING_DURATION, FIELD_AT(final_ms), "10m",
		100, HOUR, "How long to wait for the reply to the end of the data." },
	{ "POSTERN_SENDER_TRANSACTION_TIMEOUT", SETTING_DURATION,
		FIELD_AT(transaction_ms), "30m", 100, 24 * HOUR,
		"How long one message may take over one connection in all." },
	{ "POSTERN_SENDER_EXPIRE_URGENT", SETTING_DURATION, FIELD_AT(expire_urgent_ms),
		"4h", 1, 30 * DAY,
		"Age at which an urgent message is given up where the pool object has "
		"none." },
	{ "POSTERN_SENDER_EXPIRE", SETTING_DURATION, FIELD_AT(expire_ms), "2d", 1,
		30 * DAY,
		"Age at which any other message is given up where the pool object has "
		"none." },
	{ "POSTERN_SENDER_CA_FILE", SETTING_FILE, FIELD_AT(ca_file), "", 0, 0,
		"Certificate authorities that destinations are checked against (PEM); "
		"empty: the system's." },
	{ "POSTERN_DNS_FORWARD", SETTING_ADDRESS, FIELD_AT(dns_forward), "", 0, 0,
		"Resolver to ask; empty: those of the system." },
	{ "POSTERN_DNS_ROOT_KEY", SETTING_FILE, FIELD_AT(dns_root_key), "", 0, 0,
		"File with the DNS root's trust anchor; empty: no DNSSEC validation." },
	{ 0 },
};
