/* SPDX-License-Identifier: MIT
 *
 * The data of an SMTP transaction as it goes over the wire: parts of a message one after
 * the other with dots stuffed (RFC 5321 4.5.2) and the final dot behind, as a run of
 * slices into the parts. Nothing is copied. */
#ifndef SERVICES_SENDER_DOTS_H
#define SERVICES_SENDER_DOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/slice.h"

/* Plain data: copy it to look ahead. The parts are borrowed. */
struct dots {
	const struct slice *parts;
	size_t count;
	size_t part, offset; /* next byte to send */
	char last;           /* byte sent before it; '\n' at the start */
	bool is_stuffed;     /* the dot in front of the next byte is out */
	size_t ended;        /* bytes of the final CRLF.CRLF that are out */
};

void dots_init(struct dots *dots, const struct slice *parts, size_t count);
/* The next piece, at most 64 KiB of one part; false once the final dot is out. */
bool dots_next(struct dots *dots, struct slice *ret_piece);
/* Moves on by `size` bytes of what dots_next() gives. */
void dots_skip(struct dots *dots, size_t size);
bool dots_is_over(const struct dots *dots);

#endif
