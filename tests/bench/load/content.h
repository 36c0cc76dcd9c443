/* SPDX-License-Identifier: MIT
 *
 * The mail that is sent: text and HTML alternatives, written once. Messages differ in
 * their token, which stands in the header and in both parts, so that no scanner knows a
 * part from the message before. */
#ifndef TESTS_BENCH_LOAD_CONTENT_H
#define TESTS_BENCH_LOAD_CONTENT_H

#include <stddef.h>

/* One TLS record: all that differs stands in the first. */
#define CONTENT_HEAD   16000
#define CONTENT_DIGITS 8

struct content;

/* About `bytes` long, with the final dot. */
struct content *content_new(const char *from, const char *prefix, size_t bytes);
void content_free(struct content *content);
/* The first bytes of message `number`; returns how many. */
size_t content_head(
	const struct content *content, size_t number, char ret_head[CONTENT_HEAD]);
/* The bytes after those, the same in all messages. */
const char *content_rest(const struct content *content, size_t *ret_size);

#endif
