/* SPDX-License-Identifier: MIT
 *
 * The bytes after DATA: finds the end (CRLF.CRLF and nothing else), takes the stuffed
 * dots out, and keeps the content as long as nothing is wrong with it. After the first
 * flaw it keeps nothing, but still looks for the end. */
#ifndef SMTP_GATEWAY_CONTENT_H
#define SMTP_GATEWAY_CONTENT_H

#include <stdbool.h>

#include "lib/buffer.h"
#include "lib/slice.h"

/* RFC 5322 2.1.1, without CRLF. */
#define CONTENT_LINE_MAX 998

enum content_flaw {
	CONTENT_SOUND,
	CONTENT_BARE_LF,
	CONTENT_BARE_CR,
	CONTENT_NUL,
	CONTENT_LONG_LINE,
	CONTENT_TOO_LARGE,
	CONTENT_NO_ROOM, /* told by content_refuse() */
};

struct content {
	struct buffer bytes;
	size_t seen; /* all bytes, also those not kept */
	enum content_flaw flaw;
	bool is_within_line; /* the front of a line too long has been dropped */
	bool follows_crlf;   /* the next byte is the first of a line */
};

void content_init(struct content *content, size_t ceiling);
void content_done(struct content *content);
/* Consumes from the front of `bytes`; the front of a line may stay there, at most some
 * 1000 bytes. True: that was the end, and `bytes` begins with what came after it. */
bool content_feed(struct content *content, struct slice *bytes);
/* Keeps the first flaw; what was kept is freed. */
void content_refuse(struct content *content, enum content_flaw flaw);

#endif
