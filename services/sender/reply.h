/* SPDX-License-Identifier: MIT
 *
 * Replies of an SMTP server (RFC 5321 4.2), read from bytes that a stranger sends: every
 * length is bounded, and the text that is kept is printable ASCII. No I/O here. */
#ifndef SERVICES_SENDER_REPLY_H
#define SERVICES_SENDER_REPLY_H

#include "lib/buffer.h"
#include "lib/fault.h"
#include "lib/slice.h"

#define REPLY_LINE_MAX  2048 /* RFC 5321 4.5.3.1.5 says 512; some send more */
#define REPLY_LINES_MAX 128
#define REPLY_BYTES_MAX 16384
#define REPLY_TEXT_MAX  512

struct reply {
	unsigned code;                 /* 200 to 599 */
	char enhanced[12];             /* "5.1.1" (RFC 3463), or "" */
	char text[REPLY_TEXT_MAX + 1]; /* lines joined by spaces, without the codes */
};

/* A reply of our own making, for what no server said. Returns it. */
struct reply *reply_set(struct reply *reply, unsigned code, const char *enhanced,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

bool reply_is_positive(const struct reply *reply);  /* 2yz */
bool reply_is_temporary(const struct reply *reply); /* 4yz */
bool reply_is_permanent(const struct reply *reply); /* 5yz */

enum reply_progress {
	REPLY_MORE,   /* all bytes were consumed, and more are needed */
	REPLY_DONE,   /* one reply is read; bytes behind it were left */
	REPLY_BROKEN, /* not SMTP, or beyond a bound; nothing more can be read */
};

struct reply_parser {
	struct buffer line;  /* the line that has begun */
	struct buffer lines; /* text of the lines so far, each ended by '\n' */
	unsigned code, line_count;
	size_t byte_count;
	bool is_done; /* the last feed finished a reply */
};

void reply_parser_init(struct reply_parser *parser);
void reply_parser_done(struct reply_parser *parser);
/* Consumes from the front of `bytes`. `fault` says what is broken. */
enum reply_progress reply_feed(
	struct reply_parser *parser, struct slice *bytes, struct fault *fault);
/* After REPLY_DONE, until the next feed: the reply, and the text of its lines as sent,
 * each ended by '\n' (EHLO's keywords). */
void reply_read(const struct reply_parser *parser, struct reply *ret_reply);
struct slice reply_lines(const struct reply_parser *parser);

#endif
