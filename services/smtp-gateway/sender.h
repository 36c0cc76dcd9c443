/* SPDX-License-Identifier: MIT
 *
 * The sender pairs of an app: which envelope sender it may use, and which address in the
 * header together with it. Domains match exactly, sub-domains are listed one by one; the
 * local part is compared without case, or is "*". */
#ifndef SMTP_GATEWAY_SENDER_H
#define SMTP_GATEWAY_SENDER_H

#include <stdbool.h>

#include "lib/address.h"
#include "proto/control.pb-c.h"

bool sender_may_use_envelope(const Postern__App *app, const struct address *envelope);
bool sender_may_use(const Postern__App *app, const struct address *envelope,
	const struct address *header);

#endif
