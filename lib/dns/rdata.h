/* SPDX-License-Identifier: MIT
 *
 * The RDATA of DNS records as libunbound hands it over: uncompressed, and as hostile as
 * whoever runs the zone. Each parser takes one record's RDATA whole, checks every length,
 * and returns false where it is damaged. */
#ifndef LIB_DNS_RDATA_H
#define LIB_DNS_RDATA_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/dns/name.h"
#include "lib/slice.h"

struct rdata_mx {
	uint16_t preference;
	char host[NAME_SIZE]; /* lower case; "" = null MX (RFC 7505) */
};

/* RFC 6698 2.1. The numbers are as published; whoever uses them checks their range. */
struct rdata_tlsa {
	uint8_t usage, selector, matching;
	struct slice data; /* borrowed from the RDATA; never empty */
};

bool rdata_mx(struct slice rdata, struct rdata_mx *ret_mx);
bool rdata_a(struct slice rdata, struct in_addr *ret_address);
bool rdata_aaaa(struct slice rdata, struct in6_addr *ret_address);
bool rdata_tlsa(struct slice rdata, struct rdata_tlsa *ret_tlsa);
/* The strings of one TXT record joined without anything between (RFC 6376 3.6.2.2). */
bool rdata_txt(struct slice rdata, struct arena *arena, struct slice *ret_text);

#endif
