/* SPDX-License-Identifier: MIT
 *
 * Addresses that mail may go to. Whoever runs a zone chooses where its MX points, so
 * without a route that says so nothing is sent to an address that is not on the public
 * internet: not into our own networks, not to ourselves. */
#ifndef SERVICES_SENDER_REACH_H
#define SERVICES_SENDER_REACH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ENDPOINT_TEXT 64 /* "[2001:db8::1]:25" with its NUL */

struct endpoint {
	struct sockaddr_storage address;
	socklen_t size;
};

/* An IPv4 or IPv6 address in text form, without brackets; false if it is none. */
bool endpoint_parse(const char *text, uint16_t port, struct endpoint *ret_endpoint);
void endpoint_of_ipv4(
	struct in_addr address, uint16_t port, struct endpoint *ret_endpoint);
void endpoint_of_ipv6(
	struct in6_addr address, uint16_t port, struct endpoint *ret_endpoint);
bool endpoint_is_public(const struct endpoint *endpoint);
/* With the port, or without where that is 0. */
void endpoint_print(const struct endpoint *endpoint, char ret_text[ENDPOINT_TEXT]);

#endif
