/* SPDX-License-Identifier: MIT */
#include "services/sender/reach.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void endpoint_of_ipv4(
	struct in_addr address, uint16_t port, struct endpoint *ret_endpoint)
{
	*ret_endpoint = (struct endpoint){ .size = sizeof(struct sockaddr_in) };
	struct sockaddr_in *in = (struct sockaddr_in *)&ret_endpoint->address;
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	in->sin_addr = address;
}

void endpoint_of_ipv6(
	struct in6_addr address, uint16_t port, struct endpoint *ret_endpoint)
{
	*ret_endpoint = (struct endpoint){ .size = sizeof(struct sockaddr_in6) };
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret_endpoint->address;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	in6->sin6_addr = address;
}

bool endpoint_parse(const char *text, uint16_t port, struct endpoint *ret_endpoint)
{
	struct in_addr ipv4;
	struct in6_addr ipv6;
	if (inet_pton(AF_INET, text, &ipv4) == 1)
		endpoint_of_ipv4(ipv4, port, ret_endpoint);
	else if (inet_pton(AF_INET6, text, &ipv6) == 1)
		endpoint_of_ipv6(ipv6, port, ret_endpoint);
	else
		return false;
	return true;
}

/* IANA's registry of special-purpose IPv4 addresses (RFC 6890), with multicast. */
static const struct {
	uint32_t network;
	int bits;
} not_public[] = {
	{ 0x00000000, 8 },  /* 0.0.0.0/8 */
	{ 0x0a000000, 8 },  /* 10.0.0.0/8 */
	{ 0x64400000, 10 }, /* 100.64.0.0/10 */
	{ 0x7f000000, 8 },  /* 127.0.0.0/8 */
	{ 0xa9fe0000, 16 }, /* 169.254.0.0/16 */
	{ 0xac100000, 12 }, /* 172.16.0.0/12 */
	{ 0xc0000000, 24 }, /* 192.0.0.0/24 */
	{ 0xc0000200, 24 }, /* 192.0.2.0/24 */
	{ 0xc0a80000, 16 }, /* 192.168.0.0/16 */
	{ 0xc6120000, 15 }, /* 198.18.0.0/15 */
	{ 0xc6336400, 24 }, /* 198.51.100.0/24 */
	{ 0xcb007100, 24 }, /* 203.0.113.0/24 */
	{ 0xe0000000, 3 },  /* 224.0.0.0/4, 240.0.0.0/4 */
};

static bool is_public_ipv4(uint32_t address)
{
	for (size_t i = 0; i < sizeof(not_public) / sizeof(*not_public); i++)
		if ((address ^ not_public[i].network) >> (32 - not_public[i].bits) == 0)
			return false;
	return true;
}

static uint32_t ipv4_within(const struct in6_addr *address, size_t at)
{
	const uint8_t *b = address->s6_addr + at;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool has_prefix(const struct in6_addr *address, const char *prefix, size_t bytes)
{
	return memcmp(address->s6_addr, prefix, bytes) == 0;
}

/* Only 2000::/3 is global unicast; parts of it are not, and some addresses carry an IPv4
 * address that they lead to. */
static bool is_public_ipv6(const struct in6_addr *address)
{
	if (has_prefix(address, "\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12)) /* NAT64 */
		return is_public_ipv4(ipv4_within(address, 12));
	if (has_prefix(address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12)) /* mapped */
		return is_public_ipv4(ipv4_within(address, 12));
	if ((address->s6_addr[0] & 0xe0) != 0x20)
		return false;
	if (has_prefix(address, "\x20\x02", 2)) /* 6to4 */
		return is_public_ipv4(ipv4_within(address, 2));
	return !has_prefix(address, "\x20\x01\x0d\xb8", 4) && /* documentation */
	       !has_prefix(address, "\x20\x01\0\0", 4) &&     /* Teredo */
	       !has_prefix(address, "\x20\x01\0\x02", 4) &&   /* benchmarks */
	       !has_prefix(address, "\x3f\xff", 2);           /* documentation */
}

bool endpoint_is_public(const struct endpoint *endpoint)
{
	if (endpoint->address.ss_family == AF_INET)
		return is_public_ipv4(
			ntohl(((const struct sockaddr_in *)&endpoint->address)
					->sin_addr.s_addr));
	return is_public_ipv6(
		&((const struct sockaddr_in6 *)&endpoint->address)->sin6_addr);
}

void endpoint_print(const struct endpoint *endpoint, char ret_text[ENDPOINT_TEXT])
{
	char text[INET6_ADDRSTRLEN] = "?";
	if (endpoint->address.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)&endpoint->address;
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		snprintf(ret_text, ENDPOINT_TEXT, in->sin_port ? "%s:%u" : "%s", text,
			ntohs(in->sin_port));
	} else {
		const struct sockaddr_in6 *in6 = (const void *)&endpoint->address;
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		snprintf(ret_text, ENDPOINT_TEXT, in6->sin6_port ? "[%s]:%u" : "%s", text,
			ntohs(in6->sin6_port));
	}
}
