/* SPDX-License-Identifier: MIT
 *
 * The header of a message (RFC 5322, RFC 6532), read field by field from a slice that
 * nobody changes. Strict: what two readers might cut differently (a line without a colon,
 * a blank before the colon, NUL, bare CR or LF) is a fault, not a guess. */
#ifndef LIB_HEADER_H
#define LIB_HEADER_H

#include "lib/arena.h"
#include "lib/fault.h"
#include "lib/slice.h"

struct header_field {
	struct slice whole; /* with all its lines and the last CRLF */
	struct slice name;  /* as written */
	struct slice value; /* after the colon, folded as it came, without last CRLF */
};

enum header_step {
	HEADER_FIELD,
	HEADER_END,    /* `rest` is the body now; the empty line has been taken off */
	HEADER_BROKEN, /* `fault` says where */
};

/* Takes one field off the front of `rest`, which is the whole message at first. A message
 * may end without an empty line and a body. */
enum header_step header_next(
	struct slice *rest, struct header_field *ret_field, struct fault *fault);

bool header_is(const struct header_field *field, const char *name);
/* The value on one line: CRLF removed (RFC 5322 2.2.3), blanks at both ends trimmed. */
struct slice header_unfold(struct arena *arena, struct slice value);

#endif
