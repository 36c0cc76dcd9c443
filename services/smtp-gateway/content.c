/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/content.h"

#include <string.h>

/* A line with its CRLF and one stuffed dot. */
#define RAW_LINE_MAX (CONTENT_LINE_MAX + 3)

void content_init(struct content *content, size_t ceiling)
{
	*content = (struct content){ .follows_crlf = true };
	buffer_init(&content->bytes, ceiling);
}

void content_done(struct content *content)
{
	buffer_done(&content->bytes);
}

void content_refuse(struct content *content, enum content_flaw flaw)
{
	if (content->flaw == CONTENT_SOUND)
		content->flaw = flaw;
	buffer_done(&content->bytes);
}

/* The front of a line that has no end yet. A CR at the end may be the first half of a
 * CRLF and stays. */
static void feed_unended(struct content *content, struct slice *bytes)
{
	if (bytes->size <= RAW_LINE_MAX)
		return;
	content_refuse(content, CONTENT_LONG_LINE);
	content->is_within_line = true;
	bool ends_cr = bytes->data[bytes->size - 1] == '\r';
	content->seen += bytes->size - ends_cr;
	*bytes = slice_skip(*bytes, bytes->size - ends_cr);
}

static enum content_flaw flaw_of(struct slice line, struct slice text)
{
	if (memchr(line.data, '\0', line.size))
		return CONTENT_NUL;
	const char *cr = memchr(line.data, '\r', line.size);
	if (cr && cr != line.data + line.size - 2)
		return CONTENT_BARE_CR;
	if (!cr)
		return CONTENT_BARE_LF;
	if (text.size > CONTENT_LINE_MAX + 2)
		return CONTENT_LONG_LINE;
	return CONTENT_SOUND;
}

/* `line` ends with LF. True: it is the final dot. */
static bool feed_line(struct content *content, struct slice line)
{
	bool is_whole = content->follows_crlf && !content->is_within_line;
	bool ends_crlf = line.size >= 2 && line.data[line.size - 2] == '\r';
	if (is_whole && slice_equal(line, SLICE(".\r\n")))
		return true;
	/* RFC 5321 4.5.2 */
	struct slice text = slice_skip(line, is_whole && line.data[0] == '.');
	content->follows_crlf = ends_crlf;
	content->is_within_line = false;
	if (content->flaw != CONTENT_SOUND)
		return false;
	enum content_flaw flaw = flaw_of(line, text);
	if (flaw != CONTENT_SOUND)
		content_refuse(content, flaw);
	else if (!buffer_append(&content->bytes, text))
		content_refuse(content, CONTENT_TOO_LARGE);
	return false;
}

bool content_feed(struct content *content, struct slice *bytes)
{
	while (bytes->size > 0) {
		const char *end = memchr(bytes->data, '\n', bytes->size);
		if (!end) {
			feed_unended(content, bytes);
			return false;
		}
		struct slice line = { bytes->data, (size_t)(end - bytes->data) + 1 };
		content->seen += line.size;
		*bytes = slice_skip(*bytes, line.size);
		if (feed_line(content, line))
			return true;
	}
	return false;
}
