/* SPDX-License-Identifier: MIT
 *
 * The relaxed canonical forms of RFC 6376 3.4.2 and 3.4.4. Input is clean: CR and LF only
 * together, a fold followed by white space, as letter.h sees to. No I/O, no memory of its
 * own. */
#ifndef SIGNER_CANON_H
#define SIGNER_CANON_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/slice.h"

/* Writes the canonical form of a header field, with its CRLF, to `out`, which has room
 * for field.size bytes; returns its size. `field` has a colon and ends with CRLF. */
size_t canon_field(struct slice field, char *out);

/* `bytes` are valid for the call. */
typedef void canon_sink(void *with, struct slice bytes);

/* The body as a stream: pieces in, pieces of the canonical form out, cut anywhere. */
struct canon_body {
	canon_sink *sink;
	void *with;
	size_t line_ends; /* CRLFs held back: those at the end of the body don't count */
	bool has_blank;   /* white space held back: at the end of a line it doesn't */
	bool has_any;     /* a line that is not empty came */
};

void canon_body_init(struct canon_body *body, canon_sink *sink, void *with);
void canon_body_feed(struct canon_body *body, struct slice piece);
void canon_body_end(struct canon_body *body);

#endif
