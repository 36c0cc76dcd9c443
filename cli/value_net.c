/* SPDX-License-Identifier: MIT
 *
 * Domains, hosts, addresses, networks and sender patterns. */
#include <arpa/inet.h>
#include <ctype.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>

#include "cli/value.h"
#include "lib/address.h"
#include "lib/printable.h"

#define SELECTOR_MOST 63
#define LOCAL_MOST    64 /* RFC 5321 4.5.3.1.1 */

static const char *print_text(
	const struct value *value, struct arena *arena, const void *field)
{
	return *(char *const *)field;
}

/* People may write capitals of any script; the wire's domains are not mapped at all. */
const char *domain_normal(struct arena *arena, const char *text, struct fault *fault)
{
	char ascii[DOMAIN_MAX + 1];
	char *folded = NULL;
	int code = idn2_to_ascii_8z(text, &folded, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (code != IDN2_OK) {
		fault_permanent(fault, "not a valid domain: %s", idn2_strerror(code));
		return NULL;
	}
	bool is_good = domain_to_ascii(slice_of(folded), ascii, fault);
	idn2_free(folded);
	return is_good ? arena_string(arena, slice_of(ascii)) : NULL;
}

static bool read_domain(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	const char *ascii = domain_normal(arena, text, fault);
	if (ascii)
		*(const char **)field = ascii;
	return ascii;
}

const struct value domain_value = {
	.allowed = "a domain name such as shop.example, without a dot at its end",
	.read = read_domain,
	.print = print_text,
};

static bool read_any_domain(const struct value *value, struct arena *arena,
	const char *text, void *field, struct fault *fault)
{
	if (strcmp(text, "*") != 0)
		return read_domain(value, arena, text, field, fault);
	*(const char **)field = "*";
	return true;
}

const struct value any_domain_value = {
	.allowed = "a domain name, or \"*\" for all that have no route of their own",
	.read = read_any_domain,
	.print = print_text,
};

/* Addresses are kept as inet_ntop() writes them, so that equal ones are equal text. */
static const char *normal_address(
	struct arena *arena, const char *text, int *ret_family, unsigned char bytes[16])
{
	char normal[INET6_ADDRSTRLEN];
	*ret_family = inet_pton(AF_INET, text, bytes) == 1    ? AF_INET
		      : inet_pton(AF_INET6, text, bytes) == 1 ? AF_INET6
							      : AF_UNSPEC;
	if (*ret_family == AF_UNSPEC)
		return NULL;
	inet_ntop(*ret_family, bytes, normal, sizeof(normal));
	return arena_string(arena, slice_of(normal));
}

static bool read_address(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	int family;
	unsigned char bytes[16];
	const char *normal = normal_address(arena, text, &family, bytes);
	if (normal)
		*(const char **)field = normal;
	return normal;
}

const struct value address_value = {
	.allowed = "an IPv4 or IPv6 address",
	.read = read_address,
	.print = print_text,
};

static bool read_host(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	return read_address(value, arena, text, field, fault) ||
	       read_domain(value, arena, text, field, fault);
}

const struct value host_value = {
	.allowed = "a host name or an IPv4 or IPv6 address",
	.read = read_host,
	.print = print_text,
};

/* Not as a domain: "2026" is a selector. */
static bool read_selector(const struct value *value, struct arena *arena,
	const char *text, void *field, struct fault *fault)
{
	char *selector = arena_string(arena, slice_of(text));
	for (char *at = selector; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	struct slice rest = slice_of(selector), label;
	if (!rest.size || rest.size > SELECTOR_MOST)
		return false;
	while (slice_split(&rest, '.', &label))
		if (!label_is_ldh(label))
			return false;
	*(const char **)field = selector;
	return true;
}

const struct value selector_value = {
	.allowed = "a DKIM selector such as s2026a: letters, digits and '-', in labels "
		   "parted by dots, at most 63",
	.read = read_selector,
	.print = print_text,
};

/* Clears the bits past the prefix; false if there was one set. */
static bool mask(unsigned char *bytes, unsigned size, unsigned prefix)
{
	bool was_clear = true;
	for (unsigned i = 0; i < size; i++) {
		unsigned kept = prefix > i * 8 ? prefix - i * 8 : 0;
		unsigned char keep = kept >= 8 ? 0xff : (unsigned char)(0xff00 >> kept);
		was_clear = was_clear && !(bytes[i] & ~keep);
		bytes[i] &= keep;
	}
	return was_clear;
}

static bool read_network(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	struct slice rest = slice_of(text), address;
	slice_split(&rest, '/', &address);
	int family;
	unsigned char bytes[16];
	const char *given = normal_address(
		arena, arena_string(arena, address), &family, bytes);
	if (!given)
		return false;
	unsigned size = family == AF_INET ? 4 : 16, prefix = size * 8;
	if (rest.data) {
		if (!rest.size || rest.size > 3 ||
			strspn(rest.data, "0123456789") != rest.size)
			return false;
		prefix = (unsigned)strtoul(rest.data, NULL, 10);
	}
	if (prefix > size * 8)
		return fault_permanent(fault, "an IPv%d prefix has at most %u bits",
			family == AF_INET ? 4 : 6, size * 8);
	bool was_clear = mask(bytes, size, prefix);
	char first[INET6_ADDRSTRLEN];
	inet_ntop(family, bytes, first, sizeof(first));
	if (!was_clear)
		return fault_permanent(fault,
			"bits are set past the prefix: write %s/%u, or %s/%u", first,
			prefix, given, size * 8);
	*(const char **)field = arena_printf(arena, "%s/%u", first, prefix);
	return true;
}

const struct value network_value = {
	.allowed = "a network such as 192.0.2.0/24 or 2001:db8::/32, or one address",
	.read = read_network,
	.print = print_text,
};

/* Dot-atoms only (RFC 5321 4.1.2): no app needs to send as "john doe"@example.com. */
static bool is_local_part(struct arena *arena, struct slice local)
{
	static const char specials[] = " ()<>[]:;@\\,\"";
	if (!local.size || local.size > LOCAL_MOST || local.data[0] == '.' ||
		local.data[local.size - 1] == '.')
		return false;
	const char *text = arena_string(arena, local);
	return !strpbrk(text, specials) && !strstr(text, "..") &&
	       (!strchr(text, '*') || local.size == 1) &&
	       strcmp(printable_string(arena, text), text) == 0;
}

static bool read_sender(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	const char *at = strrchr(text, '@');
	if (!at)
		return false;
	struct slice local = { text, (size_t)(at - text) };
	if (!is_local_part(arena, local))
		return false;
	if (strncmp(at + 1, "*.", 2) == 0)
		return fault_permanent(fault, "sub-domains are listed one by one");
	const char *domain = domain_normal(arena, at + 1, fault);
	if (domain)
		*(const char **)field = arena_printf(
			arena, "%.*s@%s", SLICE_ARG(local), domain);
	return domain;
}

const struct value sender_value = {
	.allowed =
		"an address such as orders@shop.example, or \"*@shop.example\" for every "
		"local part",
	.read = read_sender,
	.print = print_text,
};

static bool read_envelope(const struct value *value, struct arena *arena,
	const char *text, void *field, struct fault *fault)
{
	if (*text)
		return read_sender(value, arena, text, field, fault);
	*(const char **)field = "";
	return true;
}

const struct value envelope_value = {
	.allowed =
		"an address such as bounces@shop.example, \"*@shop.example\" for every "
		"local part, or \"\" for the null sender",
	.read = read_envelope,
	.print = print_text,
};
