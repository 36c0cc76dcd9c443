/* SPDX-License-Identifier: MIT
 *
 * The mail that is sent: text and HTML alternatives, written once. Messages differ in
 * their token, which stands in the header and in both parts, so that no scanner knows a
 * part from the message before. */
#ifndef TESTS_BENCH_LOAD_CONTENT_H
#define TESTS_BENCH_LOAD_CONTENT_H

#include <stddef.h>

/* A TLS record's worth. */
#define CONTENT_HEAD   16000
#define CONTENT_DIGITS 8
#define CONTENT_PIECES 4

struct content;

/* What is written one after the other for a message. */
struct content_piece {
	const char *bytes;
	size_t size;
};

/* About `bytes` long, with the final dot. */
struct content *content_new(const char *from, const char *prefix, size_t bytes);
void content_free(struct content *content);
/* Message `number`: its first bytes and its digits are written to `room`; the rest is the
 * same in all messages. */
void content_pieces(const struct content *content, size_t number,
	char room[CONTENT_HEAD + CONTENT_DIGITS],
	struct content_piece ret_pieces[CONTENT_PIECES]);

#endif
