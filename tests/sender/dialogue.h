/* SPDX-License-Identifier: MIT
 *
 * Plays a dialogue file against the client core, both directions literal. One statement a
 * line; C escapes in the text:
 *   # comment
 *   tls may|must            what the route says (default: no TLS)
 *   from ADDRESS            of the message, and what else it is
 *   to ADDRESS [NOTIFY [ORCPT]]
 *   envid TEXT, ret TEXT, 8bit, smtputf8
 *   header LINE, body LINE  parts of the message; a CRLF is added; "raw" adds none
 *   S: TEXT                 the server says this line; consecutive lines are one segment
 *   s: TEXT                 the same without a CRLF
 *   C: TEXT                 the client says this line
 *   deliver, quit, encrypt, lose WHY    calls of the owner; deliver begins a message
 *   wish input|tls|idle|close
 *   outcome ADDRESS delivered|deferred|bounced|uncertain|untried [CODE [ENHANCED]]
 *   failure CODE ENHANCED, no failure
 */
#ifndef TESTS_SENDER_DIALOGUE_H
#define TESTS_SENDER_DIALOGUE_H

#include <stddef.h>

/* The server's bytes come in steps of `step`. Fails the test with file and line. */
void dialogue_play(const char *path, size_t step);

#endif
