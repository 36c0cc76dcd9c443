/* SPDX-License-Identifier: MIT
 *
 * Is an address in a network? Both as text: "192.0.2.7", "2001:db8::1"; "192.0.2.0/24",
 * "2001:db8::/32", or a single address. */
#ifndef SMTP_GATEWAY_NETWORK_H
#define SMTP_GATEWAY_NETWORK_H

#include <stdbool.h>

/* False too if one of them can't be read. */
bool network_contains(const char *network, const char *address);

#endif
