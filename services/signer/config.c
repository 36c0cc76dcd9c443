/* SPDX-License-Identifier: MIT */
#include "services/signer/config.h"

#define AT(field) offsetof(struct signer_config, field)

const struct setting signer_settings[] = {
	{ "POSTERN_SIGNER_KEYS", SETTING_FOLDER, AT(keys), NULL, 0, 0,
		"Folder of the private DKIM keys, one PEM file (PKCS#8 or PKCS#1) each; "
		"only its owner may have access to it and to the files." },
	{ "POSTERN_SIGNER_THREADS", SETTING_NUMBER, AT(threads), "0", 0, 256,
		"Threads that sign and verify; 0 = one more than there are processors. One more "
		"is kept free for mail that comes while another app's burst is signed." },
	{ "POSTERN_SIGNER_VERIFY_SAMPLE", SETTING_NUMBER, AT(verify_sample), "1", 0, 100,
		"Percentage of messages whose signatures are verified before they leave "
		"once a key has proven itself; until then all are." },
	{ "POSTERN_SIGNER_WINDOW", SETTING_NUMBER, AT(window), "500", 1, 100000,
		"Messages in hand at most." },
	{ "POSTERN_SIGNER_WINDOW_BYTES", SETTING_BYTES, AT(window_bytes), "256M", 1 << 20,
		INT64_C(64) << 30, "Bytes of messages in hand at most." },
	{ "POSTERN_DNS_FORWARD", SETTING_ADDRESS, AT(dns_forward), "", 0, 0,
		"Resolver to ask; empty: those of the system." },
	{ "POSTERN_DNS_ROOT_KEY", SETTING_FILE, AT(dns_root_key), "", 0, 0,
		"File with the DNS root's trust anchor; empty: no DNSSEC validation." },
	{ 0 },
};
