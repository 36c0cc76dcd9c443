/* SPDX-License-Identifier: MIT */
#include "tests/signer/letters.h"

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FROM   "From: Ann <ann@example.test>\r\n"
#define COMMON FROM "To: bob@example.net\r\nDate: Fri, 11 Jul 2025 21:00:37 +0000\r\n"
#define RECEIVED                                                               \
	"Received: from app (app [192.0.2.1])\r\n\tby relay with ESMTPSA;\r\n" \
	"\tFri, 11 Jul 2025 21:00:38 +0000\r\n"
#define X10(text)   text text text text text text text text text text
#define X100(text)  X10(X10(text))
#define X1000(text) X100(X10(text))

const struct odd_letter odd_letters[] = {
	{ "plain", { RECEIVED }, SLICE(COMMON "Subject: hello\r\n\r\nHello.\r\n") },
	{ "headers only", { RECEIVED }, SLICE(COMMON "Subject: hello\r\n") },
	{ "empty body", { 0 }, SLICE(COMMON "Subject: hello\r\n\r\n") },
	{ "body of empty lines", { 0 }, SLICE(COMMON "\r\n\r\n\r\n\r\n") },
	{ "body of blank lines", { 0 }, SLICE(COMMON "\r\n \t\r\n  \r\n") },
	{ "empty lines at the end", { 0 },
		SLICE(COMMON "Subject: x\r\n\r\na\r\n\r\nb\r\n\r\n\r\n") },
	{ "white space at line ends", { 0 },
		SLICE(COMMON "Subject: x  \t \r\n\r\na \t \r\n\t\tb  c\t d\r\n \r\n") },
	{ "folded fields", { RECEIVED },
		SLICE(FROM "To: bob@example.net,\r\n\tcarl@example.net,\r\n"
			   "   dora@example.net\r\n"
			   "Subject:\r\n one\r\n\ttwo\r\n   three\r\n\r\nx\r\n") },
	{ "fold of white space only", { 0 },
		SLICE(COMMON "Subject: a\r\n \r\n b\r\n\r\nx\r\n") },
	{ "empty subject", { 0 }, SLICE(COMMON "Subject:\r\n\r\nx\r\n") },
	{ "blank subject", { 0 }, SLICE(COMMON "Subject: \t \r\n\r\nx\r\n") },
	{ "no subject, no date", { 0 }, SLICE(FROM "\r\nx\r\n") },
	{ "colons in values", { 0 },
		SLICE(COMMON "Subject: re: fwd: a:b; c=d; b=x\r\n\r\nb=y:z\r\n") },
	{ "mixed case names", { 0 },
		SLICE("fRoM: ann@example.test\r\ntO: bob@example.net\r\n"
		      "SUBJECT: X\r\nmime-VERSION: 1.0\r\n\r\nx\r\n") },
	{ "two subjects, three references", { 0 },
		SLICE(COMMON "Subject: one\r\nReferences: <a@x>\r\nSubject: two\r\n"
			     "References: <b@x>\r\nReferences: <c@x>\r\n\r\nx\r\n") },
	{ "8 bit body", { 0 },
		SLICE(COMMON "Content-Type: text/plain; charset=utf-8\r\n"
			     "Content-Transfer-Encoding: 8bit\r\n\r\n"
			     "Gr\xc3\xbc\xc3\x9f"
			     "e \xff\xfe\x80\r\n") },
	{ "8 bit header", { 0 },
		SLICE(COMMON "Subject: Gr\xc3\xbc\xc3\x9f"
			     "e\r\n\r\nx\r\n") },
	{ "multipart", { RECEIVED },
		SLICE(COMMON "MIME-Version: 1.0\r\n"
			     "Content-Type: multipart/mixed;\r\n\tboundary=\"b 1\"\r\n"
			     "\r\n--b 1\r\nContent-Type: text/plain\r\n\r\nx\r\n"
			     "--b 1--\r\n") },
	{ "list fields", { 0 },
		SLICE(COMMON
			"List-Id: news <news.example.test>\r\n"
			"List-Unsubscribe: <https://example.test/u?x=1>\r\n"
			"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
			"In-Reply-To: <a@x>\r\nReply-To: r@example.test\r\n"
			"Sender: s@example.test\r\nCc: c@example.net\r\n\r\nx\r\n") },
	{ "lines of 998 bytes", { 0 },
		SLICE(COMMON "Subject: " X100("123456789 ") "\r\n\r\n" X100(
			"abcdefghi ") "\r\n" X100("abcdefghij") "\r\n") },
	{ "a header field of 70 kB", { 0 },
		SLICE(COMMON "References:" X1000(
			"\r\n <abcdefghijklmnopqrstuvwxyz0123456789"
			"abcdefghijklmnopqrstuvwxyz@x>") "\r\n"
							 "\r\nx\r\n") },
	{ "a large body", { RECEIVED },
		SLICE(COMMON "Subject: x\r\n\r\n" X1000(
			"The quick  brown fox \t jumps over the lazy dog. \r\n\r\n")) },
	{ "dots and From lines", { 0 },
		SLICE(COMMON "Subject: x\r\n\r\n.\r\n..\r\nFrom here\r\nFrom: x\r\n") },
	{ "a quoted display name", { 0 },
		SLICE("From: \"Ann, \\\"the\\\" <x@y.test>\" <ann@example.test>\r\n\r\nx\r\n") },
	{ "an encoded display name", { 0 },
		SLICE("From: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n <ann@example.test>\r\n\r\nx\r\n") },
	{ "an 8 bit display name", { 0 },
		SLICE("From: Gr\xc3\xbc\xc3\x9f"
		      "e <ann@example.test>\r\n\r\nx\r\n") },
	{ "an 8 bit address", { 0 },
		SLICE("From: <gr\xc3\xbc\xc3\x9f"
		      "e@example.test>\r\n\r\nx\r\n") },
	{ "a quoted local part", { 0 },
		SLICE("From: <\"a b\"@example.test>\r\n\r\nx\r\n") },
	{ "a comment after the address", { 0 },
		SLICE("From: ann@example.test (Ann)\r\n\r\nx\r\n") },
	{ "a From of 2 kB", { 0 },
		SLICE("From: " X10(
			X10("abcdefghijklmnopqr ")) "\r\n"
						    " <ann@example.test>\r\n\r\nx\r\n") },
	{ "a From domain in U-labels", { 0 },
		SLICE("From: <a@b\xc3\xbc"
		      "cher.test>\r\n\r\nx\r\n") },
	{ "a signature of somebody else", { 0 },
		SLICE("DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=other.test;\r\n"
		      " s=x; h=from; bh=AAAA; b=AAAA\r\n" COMMON "\r\nx\r\n") },
};

const size_t odd_letters_count = sizeof(odd_letters) / sizeof(*odd_letters);

Postern__Mail *mail_of(
	struct arena *arena, const char *const headers[3], struct slice content)
{
	Postern__Mail *mail = ARENA_NEW(arena, Postern__Mail);
	postern__mail__init(mail);
	mail->headers = ARENA_ARRAY(arena, ProtobufCBinaryData, 3);
	for (; mail->n_headers < 3 && headers[mail->n_headers]; mail->n_headers++) {
		const char *header = headers[mail->n_headers];
		mail->headers[mail->n_headers] = (ProtobufCBinaryData){ strlen(header),
			(uint8_t *)header };
	}
	mail->content = (ProtobufCBinaryData){ content.size, (uint8_t *)content.data };
	return mail;
}

struct slice mail_text(struct arena *arena, const Postern__Mail *mail)
{
	size_t size = mail->content.len;
	for (size_t i = 0; i < mail->n_headers; i++)
		size += mail->headers[i].len;
	char *text = arena_alloc(arena, size), *end = text;
	for (size_t i = 0; i < mail->n_headers; i++)
		end = mempcpy(end, mail->headers[i].data, mail->headers[i].len);
	memcpy(end, mail->content.data, mail->content.len);
	return (struct slice){ text, size };
}

char *pem_of_new_key(struct arena *arena, const char *kind, unsigned bits)
{
	EVP_PKEY *pkey = bits ? EVP_PKEY_Q_keygen(NULL, NULL, kind, (size_t)bits)
			      : EVP_PKEY_Q_keygen(NULL, NULL, kind);
	BIO *bio = BIO_new(BIO_s_mem());
	ck_assert(pkey &&
		  PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL));
	char *text;
	long size = BIO_get_mem_data(bio, &text);
	char *pem = arena_string(arena, (struct slice){ text, size });
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	return pem;
}

struct key *key_of_new(const char *kind, unsigned bits)
{
	struct arena *arena = arena_new();
	struct fault fault = { 0 };
	struct key *key = key_parse(slice_of(pem_of_new_key(arena, kind, bits)), &fault);
	ck_assert_msg(key, "%s", fault.text);
	arena_free(arena);
	return key;
}

struct slice read_file(struct arena *arena, const char *path)
{
	FILE *file = fopen(path, "r");
	ck_assert_msg(file, "%s: %m", path);
	char *text = arena_alloc(arena, 65536);
	size_t size = fread(text, 1, 65536, file);
	fclose(file);
	return (struct slice){ text, size };
}

void write_file(const char *path, struct slice text)
{
	FILE *file = fopen(path, "w");
	ck_assert_msg(
		file && fwrite(text.data, 1, text.size, file) == text.size, "%s", path);
	fclose(file);
}

struct slice crlf(struct arena *arena, struct slice text)
{
	char *out = arena_alloc(arena, text.size * 2);
	size_t size = 0;
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '\n')
			out[size++] = '\r';
		out[size++] = text.data[i];
	}
	return (struct slice){ out, size };
}
