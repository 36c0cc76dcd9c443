/* SPDX-License-Identifier: MIT
 *
 * What about a message matters on the wire: read once, before it goes anywhere. */
#ifndef SERVICES_SENDER_CONTENT_H
#define SERVICES_SENDER_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/slice.h"

struct content {
	/* Not a bare CR, a bare LF or a NUL: what one server takes for the end of the
	 * data, or of a line, is so for all of them. */
	bool is_plain;
	bool has_8bit, header_has_8bit;
};

/* `parts` follow one another; the header ends at the first empty line. */
void content_read(struct content *content, const struct slice *parts, size_t count);

#endif
