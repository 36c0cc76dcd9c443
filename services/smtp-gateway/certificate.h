/* SPDX-License-Identifier: MIT
 *
 * The gateway's TLS side: certificate and key from PEM files, TLS 1.2 and 1.3 only. A
 * broken new pair leaves the old one in use; sessions keep what they began with. */
#ifndef SMTP_GATEWAY_CERTIFICATE_H
#define SMTP_GATEWAY_CERTIFICATE_H

#include <stdint.h>

#include "lib/fault.h"

struct certificate;
struct ssl_st;

/* `file` and `key_file` are borrowed. */
struct certificate *certificate_open(
	const char *file, const char *key_file, struct fault *fault);
/* Takes NULL. */
void certificate_close(struct certificate *certificate);
/* Reads both files again. */
bool certificate_reload(struct certificate *certificate, struct fault *fault);
/* A server's side of a new connection, for whoever frees it. */
struct ssl_st *certificate_new_session(const struct certificate *certificate);
/* Unix time. */
int64_t certificate_expires_s(const struct certificate *certificate);

#endif
