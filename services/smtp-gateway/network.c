/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/network.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct binary {
	unsigned char bytes[16];
	unsigned bits; /* 0: not an address */
};

/* An IPv4 address in IPv6 form (RFC 4291 2.5.5.2) is the IPv4 address. */
static struct binary parse(const char *text)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct binary binary = { 0 };
	if (inet_pton(AF_INET, text, binary.bytes) == 1) {
		binary.bits = 32;
	} else if (inet_pton(AF_INET6, text, binary.bytes) == 1) {
		binary.bits = 128;
		if (memcmp(binary.bytes, mapped, sizeof(mapped)) == 0) {
			memmove(binary.bytes, binary.bytes + 12, 4);
			binary.bits = 32;
		}
	}
	return binary;
}

static bool same_bits(const struct binary *a, const struct binary *b, unsigned bits)
{
	if (memcmp(a->bytes, b->bytes, bits / 8) != 0)
		return false;
	unsigned rest = bits % 8;
	return !rest || (a->bytes[bits / 8] ^ b->bytes[bits / 8]) >> (8 - rest) == 0;
}

bool network_contains(const char *network, const char *address)
{
	char front[INET6_ADDRSTRLEN];
	const char *slash = strchrnul(network, '/');
	size_t length = (size_t)(slash - network);
	if (length >= sizeof(front))
		return false;
	memcpy(front, network, length);
	front[length] = '\0';
	struct binary net = parse(front), host = parse(address);
	unsigned long bits = net.bits;
	if (*slash) {
		char *end;
		bits = strtoul(slash + 1, &end, 10);
		if (*end || slash[1] < '0' || slash[1] > '9')
			return false;
		/* "::ffff:192.0.2.0/120" */
		if (net.bits == 32 && strchr(front, ':') && bits >= 96)
			bits -= 96;
	}
	return net.bits && net.bits == host.bits && bits <= net.bits &&
	       same_bits(&net, &host, (unsigned)bits);
}
