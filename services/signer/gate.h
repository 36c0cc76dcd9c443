/* SPDX-License-Identifier: MIT
 *
 * May this mail be signed and sent at all? The signer is the last one to ask before mail
 * leaves, so whatever is not plainly cleared by the scanner or let go by a person stays.
 */
#ifndef SIGNER_GATE_H
#define SIGNER_GATE_H

#include "lib/arena.h"
#include "proto/mail.pb-c.h"

/* NULL: yes. Otherwise why it is to be held, for people. */
const char *gate_reason(struct arena *arena, const Postern__Mail *mail);

#endif
