/* SPDX-License-Identifier: MIT
 *
 * Mail addresses as RFC 5321 and RFC 6531 write them: local part, '@', domain or address
 * literal. What is parsed borrows the input's bytes. Nothing here looks a name up, and
 * source routes are not accepted. */
#ifndef LIB_ADDRESS_H
#define LIB_ADDRESS_H

#include <stdbool.h>

#include "lib/fault.h"
#include "lib/slice.h"

/* RFC 5321 4.5.3.1.3 counts the brackets of a path. There is no bound on the local part
 * alone: bounce addresses of large senders pass its 64 octets, and everybody takes them.
 */
#define ADDRESS_MAX 254
#define DOMAIN_MAX  253

struct address {
	struct slice whole;  /* without brackets; empty: the null sender "<>" */
	struct slice local;  /* as written, with its quotes if it has them */
	struct slice domain; /* as written; a literal with its brackets */
	bool is_utf8;        /* not ASCII: needs SMTPUTF8 all the way */
	bool is_literal;     /* [192.0.2.1], [IPv6:2001:db8::1] */
};

/* Exactly one address and nothing else. */
bool address_parse(struct slice text, struct address *ret_address, struct fault *fault);
/* Takes an address, as far as it goes, off the front of `rest`. */
bool address_take(struct slice *rest, struct address *ret_address, struct fault *fault);
/* Takes "<ADDRESS>" or "<>" off the front of `rest`. */
bool address_take_path(
	struct slice *rest, struct address *ret_address, struct fault *fault);

/* The same mailbox: domains compare without case and as A-labels, local parts without
 * quotes and, like everybody does with his own domain, without case. */
bool address_equal(const struct address *a, const struct address *b);
/* The local part without quotes and backslashes, in `plain`. */
struct slice address_local(const struct address *address, char plain[ADDRESS_MAX]);

/* One label of lower case letters, digits and hyphens (RFC 5890 2.3.1). */
bool label_is_ldh(struct slice label);
/* Lower case, U-labels as A-labels (IDNA 2008, nothing mapped). False: not a domain.
 * `ret_ascii` is NUL-terminated. */
bool domain_to_ascii(
	struct slice domain, char ret_ascii[DOMAIN_MAX + 1], struct fault *fault);
bool domain_equal(struct slice a, struct slice b);

#endif
