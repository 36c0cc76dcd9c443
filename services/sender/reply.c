/* SPDX-License-Identifier: MIT */
#include "services/sender/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reply *reply_set(
	struct reply *reply, unsigned code, const char *enhanced, const char *format, ...)
{
	/* Formatted aside first: an argument may be the old text itself. */
	char text[sizeof(reply->text)];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	*reply = (struct reply){ .code = code };
	snprintf(reply->enhanced, sizeof(reply->enhanced), "%s", enhanced);
	memcpy(reply->text, text, sizeof(text));
	return reply;
}

bool reply_is_positive(const struct reply *reply)
{
	return reply->code / 100 == 2;
}

bool reply_is_temporary(const struct reply *reply)
{
	return reply->code / 100 == 4;
}

bool reply_is_permanent(const struct reply *reply)
{
	return reply->code / 100 == 5;
}

void reply_parser_init(struct reply_parser *parser)
{
	*parser = (struct reply_parser){ 0 };
	buffer_init(&parser->line, REPLY_LINE_MAX);
	buffer_init(&parser->lines, REPLY_BYTES_MAX);
}

void reply_parser_done(struct reply_parser *parser)
{
	buffer_done(&parser->line);
	buffer_done(&parser->lines);
}

static void begin_reply(struct reply_parser *parser)
{
	buffer_clear(&parser->line);
	buffer_clear(&parser->lines);
	parser->code = parser->line_count = 0;
	parser->byte_count = 0;
	parser->is_done = false;
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* 0 where there is none. */
static unsigned code_of(struct slice line)
{
	if (line.size < 3 || line.data[0] < '2' || line.data[0] > '5' ||
		!is_digit(line.data[1]) || !is_digit(line.data[2]))
		return 0;
	if (line.size > 3 && line.data[3] != ' ' && line.data[3] != '-')
		return 0;
	return (line.data[0] - '0') * 100u + (line.data[1] - '0') * 10u +
	       (line.data[2] - '0');
}

static enum reply_progress broken(struct fault *fault, const char *why)
{
	fault_temporary(fault, "%s", why);
	return REPLY_BROKEN;
}

/* `line` is without its line end. */
static enum reply_progress take_line(
	struct reply_parser *parser, struct slice line, struct fault *fault)
{
	unsigned code = code_of(line);
	if (!code)
		return broken(fault, "what the server sent is not an SMTP reply");
	if (parser->line_count && code != parser->code)
		return broken(fault, "the lines of a reply have different codes");
	if (++parser->line_count > REPLY_LINES_MAX)
		return broken(fault, "a reply has too many lines");
	parser->code = code;
	buffer_append(&parser->lines, slice_skip(line, 4));
	buffer_append(&parser->lines, SLICE("\n"));
	if (line.size > 3 && line.data[3] == '-')
		return REPLY_MORE;
	parser->is_done = true;
	return REPLY_DONE;
}

/* A bare LF ends a line too: some old servers send it, and nothing hangs on it here. */
enum reply_progress reply_feed(
	struct reply_parser *parser, struct slice *bytes, struct fault *fault)
{
	if (parser->is_done)
		begin_reply(parser);
	while (bytes->size) {
		const char *end = memchr(bytes->data, '\n', bytes->size);
		size_t size = end ? (size_t)(end - bytes->data) + 1 : bytes->size;
		parser->byte_count += size;
		if (parser->byte_count > REPLY_BYTES_MAX)
			return broken(fault, "a reply is too long");
		if (!buffer_append(&parser->line, slice_head(*bytes, size)))
			return broken(fault, "a line of a reply is too long");
		*bytes = slice_skip(*bytes, size);
		if (!end)
			break;
		struct slice line = buffer_slice(&parser->line);
		line.size--;
		if (line.size && line.data[line.size - 1] == '\r')
			line.size--;
		enum reply_progress progress = take_line(parser, line, fault);
		buffer_clear(&parser->line);
		if (progress != REPLY_MORE)
			return progress;
	}
	return REPLY_MORE;
}

struct slice reply_lines(const struct reply_parser *parser)
{
	return buffer_slice(&parser->lines);
}

static size_t skip_digits(struct slice text, size_t from)
{
	size_t to = from;
	while (to < text.size && to < from + 3 && is_digit(text.data[to]))
		to++;
	return to;
}

/* Length of the "5.1.1" that `text` begins with, 0 if there is none. RFC 3463 2: its
 * class is that of the reply. */
static size_t enhanced_length(unsigned code, struct slice text)
{
	if (text.size < 5 || text.data[0] != (char)('0' + code / 100) ||
		text.data[1] != '.')
		return 0;
	size_t subject = skip_digits(text, 2);
	if (subject == 2 || subject >= text.size || text.data[subject] != '.')
		return 0;
	size_t detail = skip_digits(text, subject + 1);
	bool ends = detail == text.size || text.data[detail] == ' ';
	return detail > subject + 1 && ends ? detail : 0;
}

static void append_printable(struct reply *reply, size_t *length, struct slice text)
{
	if (*length && text.size && *length < REPLY_TEXT_MAX)
		reply->text[(*length)++] = ' ';
	for (size_t i = 0; i < text.size && *length < REPLY_TEXT_MAX; i++) {
		unsigned char byte = (unsigned char)text.data[i];
		reply->text[(*length)++] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
	}
	reply->text[*length] = '\0';
}

void reply_read(const struct reply_parser *parser, struct reply *ret_reply)
{
	*ret_reply = (struct reply){ .code = parser->code };
	struct slice rest = reply_lines(parser), line;
	size_t length = 0;
	while (slice_split(&rest, '\n', &line)) {
		line = slice_trim(line);
		size_t enhanced = enhanced_length(parser->code, line);
		if (enhanced && !*ret_reply->enhanced)
			snprintf(ret_reply->enhanced, sizeof(ret_reply->enhanced), "%.*s",
				(int)enhanced, line.data);
		append_printable(
			ret_reply, &length, slice_trim(slice_skip(line, enhanced)));
	}
}
