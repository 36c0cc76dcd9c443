/* SPDX-License-Identifier: MIT
 *
 * The one mailbox of a From, Sender or Resent-From field, as strictly as it takes for
 * every reader to show the same address: no list, no group, no route, no comment before
 * the address, nothing that decodes to another address. Knows nothing of who may send. */
#ifndef LIB_MAILBOX_H
#define LIB_MAILBOX_H

#include "lib/address.h"
#include "lib/arena.h"
#include "lib/fault.h"
#include "lib/slice.h"

#define MAILBOX_MAX 2048 /* bytes of the field's value */

/* All slices live in the arena. */
struct mailbox {
	struct address address;
	struct slice display; /* decoded, valid UTF-8; empty if there is none */
	/* Another address that the display name shows; whole is empty if there is none.
	 */
	struct address shown;
};

/* `value` as in header_field. */
bool mailbox_parse(struct arena *arena, struct slice value, struct mailbox *ret_mailbox,
	struct fault *fault);
/* The mailbox of the only From field of `message`. */
bool mailbox_from(struct arena *arena, struct slice message, struct mailbox *ret_mailbox,
	struct fault *fault);

#endif
