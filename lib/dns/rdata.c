/* SPDX-License-Identifier: MIT */
#include "lib/dns/rdata.h"

#include <string.h>

#define RDATA_MAX 65535

bool rdata_mx(struct slice rdata, struct rdata_mx *ret_mx)
{
	if (rdata.size < 3)
		return false;
	struct rdata_mx mx = { .preference = (unsigned char)rdata.data[0] << 8 |
					     (unsigned char)rdata.data[1] };
	struct slice name = slice_skip(rdata, 2);
	if (!name_of_wire(&name, mx.host) || name.size != 0)
		return false;
	*ret_mx = mx;
	return true;
}

bool rdata_a(struct slice rdata, struct in_addr *ret_address)
{
	if (rdata.size != sizeof(*ret_address))
		return false;
	memcpy(ret_address, rdata.data, sizeof(*ret_address));
	return true;
}

bool rdata_aaaa(struct slice rdata, struct in6_addr *ret_address)
{
	if (rdata.size != sizeof(*ret_address))
		return false;
	memcpy(ret_address, rdata.data, sizeof(*ret_address));
	return true;
}

bool rdata_tlsa(struct slice rdata, struct rdata_tlsa *ret_tlsa)
{
	if (rdata.size < 4)
		return false;
	*ret_tlsa = (struct rdata_tlsa){ rdata.data[0], rdata.data[1], rdata.data[2],
		slice_skip(rdata, 3) };
	return true;
}

bool rdata_txt(struct slice rdata, struct arena *arena, struct slice *ret_text)
{
	if (rdata.size == 0 || rdata.size > RDATA_MAX)
		return false;
	char *text = arena_alloc(arena, rdata.size);
	size_t length = 0;
	while (rdata.size > 0) {
		size_t size = (unsigned char)rdata.data[0];
		rdata = slice_skip(rdata, 1);
		if (size > rdata.size)
			return false;
		memcpy(text + length, rdata.data, size);
		length += size;
		rdata = slice_skip(rdata, size);
	}
	*ret_text = (struct slice){ text, length };
	return true;
}
