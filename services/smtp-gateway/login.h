/* SPDX-License-Identifier: MIT
 *
 * Who may log in and who may go on: app, state, credential, source network, looked up in
 * the registry each time. Changes nothing. */
#ifndef SMTP_GATEWAY_LOGIN_H
#define SMTP_GATEWAY_LOGIN_H

#include <stdint.h>

#include "lib/fault.h"
#include "lib/registry/registry.h"
#include "services/smtp-gateway/session.h"

/* The credential that opens the app from this address. NULL: FAULT_TEMPORARY, and the
 * client may be told; FAULT_PERMANENT, and only our log may say why. */
const Postern__Credential *login_check(const struct registry *registry,
	struct session_offer offer, const char *client_address, int64_t now_us,
	struct fault *why);

/* Who has logged in; borrowed. */
struct login {
	struct slice app, credential;
	const char *client_address;
};

/* The app, if it may still submit so; the text is for the client. */
const Postern__App *login_app(const struct registry *registry, const struct login *login,
	int64_t now_us, struct fault *why);

#endif
