/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "lib/address.h"
#include "lib/utf8.h"

/* What is accepted is sound, and is the same address when it is read again. */
static void check(const struct address *address)
{
	struct address again;
	char plain[ADDRESS_MAX];
	assert(address->whole.size <= ADDRESS_MAX);
	assert(utf8_is_valid(address->whole));
	assert(address->is_utf8 == !utf8_is_ascii(address->whole));
	assert(!memchr(address->whole.data, '\0', address->whole.size));
	assert(!memchr(address->whole.data, '\n', address->whole.size));
	assert(address_parse(address->whole, &again, NULL));
	assert(address_equal(address, &again));
	assert(address_local(address, plain).size <= address->local.size);
	if (!address->is_literal) {
		char ascii[DOMAIN_MAX + 1];
		assert(domain_to_ascii(address->domain, ascii, NULL));
		assert(domain_equal(address->domain, slice_of(ascii)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct slice text = { (const char *)bytes, size }, rest = text;
	struct address address;
	struct fault fault;
	if (address_parse(text, &address, &fault))
		check(&address);
	if (address_take_path(&rest, &address, &fault) && address.whole.size)
		check(&address);
	return 0;
}
