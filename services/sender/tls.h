/* SPDX-License-Identifier: MIT
 *
 * TLS towards destinations (OpenSSL): every handshake checks the server's certificate and
 * name, and records what it found; whether a failed check matters is the route's. */
#ifndef SERVICES_SENDER_TLS_H
#define SERVICES_SENDER_TLS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/fault.h"

#define TLS_FACT_MAX 512

struct tls;

struct tls_facts {
	char version[16]; /* "TLSv1.3" */
	char cipher[64];
	char certificate[TLS_FACT_MAX]; /* subject, issuer, verified or why not */
	bool is_verified;
};

/* `ca_file` "": the system's certificate authorities. */
struct tls *tls_open(const char *ca_file, struct fault *fault);
void tls_close(struct tls *tls);
/* Reads the authorities again; on failure the old ones stay. Sessions under way are not
 * touched. */
bool tls_reload(struct tls *tls, struct fault *fault);

/* A session of a client on a connected socket, which stays the caller's. `host` is the
 * name, or the address, that the certificate must be for. NULL: out of OpenSSL's luck. */
SSL *tls_session(struct tls *tls, int socket, const char *host, struct fault *fault);
/* After the handshake. */
void tls_read_facts(SSL *session, struct tls_facts *ret_facts);
/* What OpenSSL last complained about on this thread, as text. */
const char *tls_last_error(char *text, size_t size);

#endif
