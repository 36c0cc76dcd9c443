/* SPDX-License-Identifier: MIT */
#include "lib/address.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

#include "lib/memory.h"
#include "lib/utf8.h"

/* RFC 5321 4.1.2 and RFC 6531 3.3: atext, or a character beyond ASCII. */
static bool is_atext(unsigned char byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= 'a' && byte <= 'z') || byte >= 0x80 ||
	       (byte && strchr("!#$%&'*+-/=?^_`{|}~", byte));
}

/* Dot-string at the front of `text`; its length, 0 if there is none. */
static size_t dot_string(struct slice text)
{
	size_t i = 0;
	while (i < text.size &&
		(is_atext((unsigned char)text.data[i]) ||
			(text.data[i] == '.' && i > 0 && text.data[i - 1] != '.')))
		i++;
	return i > 0 && text.data[i - 1] == '.' ? 0 : i;
}

/* Quoted-string with its quotes; 0 if there is none or it does not end. */
static size_t quoted_string(struct slice text)
{
	for (size_t i = 1; i < text.size; i++) {
		unsigned char byte = (unsigned char)text.data[i];
		if (byte == '"')
			return i + 1;
		if (byte == '\\' && i + 1 < text.size)
			byte = (unsigned char)text.data[++i];
		if (byte < 0x20 || byte == 0x7f)
			return 0;
	}
	return 0;
}

bool label_is_ldh(struct slice label)
{
	if (label.size == 0 || label.size > 63 || label.data[0] == '-' ||
		label.data[label.size - 1] == '-')
		return false;
	for (size_t i = 0; i < label.size; i++) {
		char byte = label.data[i];
		if (!(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9') &&
			byte != '-')
			return false;
	}
	return true;
}

/* Lower case ASCII. A last label of digits only would make it look like an address. */
static bool is_ldh_domain(struct slice domain)
{
	struct slice label = { 0 }, rest = domain;
	while (slice_split(&rest, '.', &label))
		if (!label_is_ldh(label))
			return false;
	for (size_t i = 0; i < label.size; i++)
		if (label.data[i] < '0' || label.data[i] > '9')
			return true;
	return false;
}

/* IDNA without any mapping (no TR46): what is not a proper U-label is refused, so two
 * spellings never meet in one domain. */
static bool to_a_labels(char ascii[DOMAIN_MAX + 1], const char *domain)
{
	uint8_t *looked_up = NULL;
	int code = idn2_lookup_u8(
		(const uint8_t *)domain, &looked_up, IDN2_NO_TR46 | IDN2_NFC_INPUT);
	size_t length = code == IDN2_OK ? strlen((char *)looked_up) : 0;
	bool fits = length > 0 && length <= DOMAIN_MAX;
	if (fits)
		memcpy(ascii, looked_up, length + 1);
	idn2_free(looked_up);
	return fits;
}

bool domain_to_ascii(
	struct slice domain, char ret_ascii[DOMAIN_MAX + 1], struct fault *fault)
{
	char lower[ADDRESS_MAX + 1];
	if (domain.size == 0 || domain.size > ADDRESS_MAX)
		return fault_permanent(
			fault, domain.size ? "domain too long" : "no domain");
	for (size_t i = 0; i < domain.size; i++) {
		char byte = domain.data[i];
		if (!byte)
			return fault_permanent(fault, "NUL in a domain");
		lower[i] = byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
	}
	lower[domain.size] = '\0';
	if (!utf8_is_ascii(domain)) {
		if (!to_a_labels(ret_ascii, lower))
			return fault_permanent(fault, "domain is not valid IDNA 2008");
	} else if (domain.size <= DOMAIN_MAX) {
		memcpy(ret_ascii, lower, domain.size + 1);
	} else {
		return fault_permanent(fault, "domain too long");
	}
	return is_ldh_domain(slice_of(ret_ascii)) ||
	       fault_permanent(fault, "not a valid domain");
}

bool domain_equal(struct slice a, struct slice b)
{
	char ascii_a[DOMAIN_MAX + 1], ascii_b[DOMAIN_MAX + 1];
	if (slice_equal_nocase(a, b))
		return true;
	return (!utf8_is_ascii(a) || !utf8_is_ascii(b)) &&
	       domain_to_ascii(a, ascii_a, NULL) && domain_to_ascii(b, ascii_b, NULL) &&
	       strcmp(ascii_a, ascii_b) == 0;
}

/* RFC 5321 4.1.3. Only the two families that exist. */
static bool is_address_literal(struct slice literal)
{
	static const struct slice tag = { "IPv6:", 5 };
	char text[INET6_ADDRSTRLEN + 1] = "";
	struct in6_addr binary;
	struct slice inside = { literal.data + 1, literal.size - 2 };
	bool is_v6 = slice_has_prefix_nocase(inside, tag);
	if (is_v6)
		inside = slice_skip(inside, tag.size);
	if (inside.size == 0 || inside.size >= sizeof(text) ||
		memchr(inside.data, '\0', inside.size))
		return false;
	memcpy(text, inside.data, inside.size);
	return inet_pton(is_v6 ? AF_INET6 : AF_INET, text, &binary) == 1;
}

static size_t domain_length(struct slice text)
{
	size_t i = 0;
	if (text.size && text.data[0] == '[') {
		const char *end = memchr(text.data, ']', text.size);
		return end ? (size_t)(end - text.data) + 1 : 0;
	}
	while (i < text.size &&
		(is_atext((unsigned char)text.data[i]) || text.data[i] == '.'))
		i++;
	return i;
}

static bool check_domain(struct address *address, struct fault *fault)
{
	char ascii[DOMAIN_MAX + 1];
	address->is_literal = address->domain.size && address->domain.data[0] == '[';
	if (address->is_literal)
		return is_address_literal(address->domain) ||
		       fault_permanent(fault, "not a valid address literal");
	return domain_to_ascii(address->domain, ascii, fault);
}

static bool has_hidden(struct slice text)
{
	uint32_t point;
	size_t length;
	for (; text.size; text = slice_skip(text, length)) {
		length = utf8_decode(text, &point);
		if (length == 0 || utf8_is_deceptive(point))
			return true;
	}
	return false;
}

bool address_take(struct slice *rest, struct address *ret_address, struct fault *fault)
{
	struct address address = { .whole = *rest, .local = *rest };
	bool is_quoted = rest->size && rest->data[0] == '"';
	address.local.size = is_quoted ? quoted_string(*rest) : dot_string(*rest);
	if (address.local.size == 0)
		return fault_permanent(fault, "not a valid local part");
	struct slice after = slice_skip(*rest, address.local.size);
	if (after.size == 0 || after.data[0] != '@')
		return fault_permanent(fault, "an address needs a local part, @ and a "
					      "domain");
	after = slice_skip(after, 1);
	address.domain = slice_head(after, domain_length(after));
	address.whole.size = address.local.size + 1 + address.domain.size;
	if (address.whole.size > ADDRESS_MAX)
		return fault_permanent(fault, "address too long");
	address.is_utf8 = !utf8_is_ascii(address.whole);
	if (address.is_utf8 && has_hidden(address.whole))
		return fault_permanent(fault, "address is not plain UTF-8");
	if (!check_domain(&address, fault))
		return false;
	*rest = slice_skip(*rest, address.whole.size);
	*ret_address = address;
	return true;
}

bool address_parse(struct slice text, struct address *ret_address, struct fault *fault)
{
	struct address address;
	if (!address_take(&text, &address, fault))
		return false;
	if (text.size)
		return fault_permanent(fault, "characters after the address");
	*ret_address = address;
	return true;
}

bool address_take_path(
	struct slice *rest, struct address *ret_address, struct fault *fault)
{
	struct slice inside = slice_skip(*rest, 1);
	struct address address = { .whole = slice_head(inside, 0) };
	if (rest->size < 2 || rest->data[0] != '<')
		return fault_permanent(fault, "an address in angle brackets is needed");
	if (inside.data[0] == '@')
		return fault_permanent(fault, "source routes are not accepted");
	if (inside.data[0] != '>' && !address_take(&inside, &address, fault))
		return false;
	if (inside.size == 0 || inside.data[0] != '>')
		return fault_permanent(fault, "the address does not end with >");
	*rest = slice_skip(inside, 1);
	*ret_address = address;
	return true;
}

struct slice address_local(const struct address *address, char plain[ADDRESS_MAX])
{
	struct slice local = address->local;
	size_t size = 0;
	if (local.size < 2 || local.data[0] != '"')
		return local;
	for (size_t i = 1; i < local.size - 1; i++) {
		if (local.data[i] == '\\')
			i++;
		plain[size++] = local.data[i];
	}
	return (struct slice){ plain, size };
}

bool address_equal(const struct address *a, const struct address *b)
{
	char plain_a[ADDRESS_MAX], plain_b[ADDRESS_MAX];
	return slice_equal_nocase(address_local(a, plain_a), address_local(b, plain_b)) &&
	       domain_equal(a->domain, b->domain);
}
