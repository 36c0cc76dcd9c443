/* SPDX-License-Identifier: MIT
 *
 * What the signer's tests share: mails out of strings, and odd but honest messages. */
#ifndef TESTS_SIGNER_LETTERS_H
#define TESTS_SIGNER_LETTERS_H

#include "lib/arena.h"
#include "lib/slice.h"
#include "proto/mail.pb-c.h"
#include "services/signer/key.h"

struct odd_letter {
	const char *name;
	const char *headers[3]; /* added by the stages, topmost first */
	struct slice content;
};

extern const struct odd_letter odd_letters[];
extern const size_t odd_letters_count;

/* A mail with these headers (up to 3, NULL ends) and content, in the arena. */
Postern__Mail *mail_of(
	struct arena *arena, const char *const headers[3], struct slice content);
/* Header list and content as the sender writes them. */
struct slice mail_text(struct arena *arena, const Postern__Mail *mail);

/* Fresh keys; `kind` is "RSA" or "ED25519". */
char *pem_of_new_key(struct arena *arena, const char *kind, unsigned bits);
struct key *key_of_new(const char *kind, unsigned bits);
struct slice read_file(struct arena *arena, const char *path);
void write_file(const char *path, struct slice text);
/* With CRLF instead of LF. */
struct slice crlf(struct arena *arena, struct slice text);

#endif
