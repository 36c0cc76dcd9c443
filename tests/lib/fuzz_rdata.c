/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "lib/dns/rdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice rdata = { (const char *)bytes, size };
	struct arena *arena = arena_new();
	struct rdata_mx mx;
	struct rdata_tlsa tlsa;
	struct in_addr v4;
	struct in6_addr v6;
	struct slice text;
	if (rdata_mx(rdata, &mx))
		assert(!*mx.host || name_is_valid(slice_of(mx.host)));
	if (rdata_txt(rdata, arena, &text))
		assert(text.size < size);
	if (rdata_tlsa(rdata, &tlsa))
		assert(tlsa.data.size == size - 3);
	rdata_a(rdata, &v4);
	rdata_aaaa(rdata, &v6);
	name_is_valid(rdata);
	arena_free(arena);
	return 0;
}
