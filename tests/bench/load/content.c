/* SPDX-License-Identifier: MIT */
#include "tests/bench/load/content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

#define FRAME 420 /* header and the parts' frames */
#define MARKS 8

struct content {
	char *bytes;
	size_t size, head_size;
	size_t marks[MARKS], mark_count; /* where the number stands in the head */
	size_t late_mark;                /* behind it, or 0 */
};

static const char words[] =
	"Your order is on its way and will reach you soon. Thank you. ";
static const char mark[] = "@@@@@@@@";

static void write_header(FILE *out, const char *from, const char *prefix)
{
	fprintf(out,
		"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nFrom: Shop <%s>\r\n"
		"To: Customer <customer%s@customer.example>\r\nSubject: Your order %s\r\n"
		"Message-ID: <%s-%s@bench.example>\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/alternative; boundary=\"=_b\"\r\n\r\n",
		from, mark, mark, prefix, mark);
}

static void write_parts(FILE *out, size_t room)
{
	size_t text = room / 2;
	fprintf(out,
		"--=_b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nOrder %s\r\n",
		mark);
	for (size_t at = 0; at + 78 <= text; at += 78)
		fprintf(out, "%s%15zx\r\n", words, at);
	fprintf(out,
		"--=_b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
		"<html><body><h1>Order %s</h1>\r\n",
		mark);
	for (size_t at = text; at + 78 <= room; at += 78)
		fprintf(out, "<p>%s</p>%08zx\r\n", words, at);
	fputs("</body></html>\r\n--=_b--\r\n.\r\n", out);
}

static void find_marks(struct content *content)
{
	const char *at = content->bytes;
	while ((at = strstr(at, mark)) && content->mark_count < MARKS) {
		size_t offset = (size_t)(at - content->bytes);
		at += CONTENT_DIGITS;
		if (offset + CONTENT_DIGITS <= content->head_size)
			content->marks[content->mark_count++] = offset;
		else
			content->late_mark = offset;
	}
	if (content->late_mark && content->late_mark < content->head_size)
		content->head_size = content->late_mark;
}

struct content *content_new(const char *from, const char *prefix, size_t bytes)
{
	struct content *content = NEW(struct content);
	FILE *out = open_memstream(&content->bytes, &content->size);
	write_header(out, from, prefix);
	write_parts(out, bytes > FRAME ? bytes - FRAME : 0);
	fclose(out);
	content->head_size = content->size < CONTENT_HEAD ? content->size : CONTENT_HEAD;
	find_marks(content);
	return content;
}

void content_free(struct content *content)
{
	free(content->bytes);
	free(content);
}

void content_pieces(const struct content *content, size_t number,
	char room[CONTENT_HEAD + CONTENT_DIGITS],
	struct content_piece ret_pieces[CONTENT_PIECES])
{
	char digits[CONTENT_DIGITS + 1];
	size_t from = content->head_size, to = content->late_mark;
	snprintf(digits, sizeof(digits), "%08u", (unsigned)(number % 100000000));
	memcpy(room, content->bytes, content->head_size);
	memcpy(room + content->head_size, digits, CONTENT_DIGITS);
	for (size_t i = 0; i < content->mark_count; i++)
		memcpy(room + content->marks[i], digits, CONTENT_DIGITS);
	ret_pieces[0] = (struct content_piece){ room, content->head_size };
	if (to) {
		ret_pieces[1] = (struct content_piece){ content->bytes + from,
			to - from };
		ret_pieces[2] = (struct content_piece){ room + content->head_size,
			CONTENT_DIGITS };
		from = to + CONTENT_DIGITS;
	}
	ret_pieces[3] = (struct content_piece){ content->bytes + from,
		content->size - from };
}
