/* SPDX-License-Identifier: MIT
 *
 * A letter is a mail as it leaves: the header fields that the stages added, those of the
 * content, and the body. It borrows from the mail. Reading one refuses whatever two
 * programs could read differently, for a signature over it would be worth nothing. */
#ifndef SIGNER_LETTER_H
#define SIGNER_LETTER_H

#include <stdbool.h>

#include "lib/arena.h"
#include "lib/fault.h"
#include "lib/header.h"
#include "proto/mail.pb-c.h"

struct letter {
	struct header_field *fields; /* topmost first */
	size_t count;
	struct slice body; /* after the empty line; empty where there is none */
};

/* FAULT_PERMANENT, for people: a bare CR or LF, NUL, a line that is no header field, not
 * exactly one From. Signatures that an earlier pass put into the list are left out. */
bool letter_read(struct arena *arena, const Postern__Mail *mail,
	struct letter *ret_letter, struct fault *fault);

#endif
