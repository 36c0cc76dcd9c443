/* SPDX-License-Identifier: MIT */
#include "services/signer/sign.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "lib/base64.h"
#include "services/signer/canon.h"

/* RFC 6376 5.4.1 and what RFC 8058 adds. `is_always`: named once more than the letter has
 * it even where it has none, so nobody can add one; the others only where they are
 * present, for mailing lists add those and leave the rest alone. */
static const struct signed_name {
	const char *name;
	bool is_always;
} signed_names[] = {
	{ "From", true },
	{ "To", true },
	{ "Cc", true },
	{ "Subject", true },
	{ "Date", true },
	{ "Message-ID", true },
	{ "Reply-To", true },
	{ "Sender", true },
	{ "MIME-Version", true },
	{ "Content-Type", true },
	{ "Content-Transfer-Encoding", true },
	{ "In-Reply-To", true },
	{ "References", true },
	{ "Content-ID", false },
	{ "Content-Description", false },
	{ "Resent-Date", false },
	{ "Resent-From", false },
	{ "Resent-To", false },
	{ "Resent-Cc", false },
	{ "List-Id", false },
	{ "List-Help", false },
	{ "List-Unsubscribe", false },
	{ "List-Unsubscribe-Post", false },
	{ "List-Subscribe", false },
	{ "List-Post", false },
	{ "List-Owner", false },
	{ "List-Archive", false },
};

#define SAME_MAX   32 /* fields of one name */
#define NAMES      (sizeof(signed_names) / sizeof(*signed_names))
#define LINE_WIDTH 76

/* Appends the canonical forms of all fields of that name, the lowest one first (RFC 6376
 * 5.4.2), and returns how many there are. */
static size_t cover_name(
	const struct letter *letter, struct slice name, char *fields, size_t *size)
{
	size_t count = 0;
	for (size_t i = letter->count; i-- > 0;) {
		if (!slice_equal_nocase(letter->fields[i].name, name))
			continue;
		*size += canon_field(letter->fields[i].whole, fields + *size);
		count++;
	}
	return count;
}

static bool cover_fields(struct arena *arena, const struct letter *letter,
	struct coverage *coverage, struct fault *fault)
{
	size_t room = 0, size = 0;
	for (size_t i = 0; i < letter->count; i++)
		room += letter->fields[i].whole.size;
	char *fields = arena_alloc(arena, room);
	const char **names = ARENA_ARRAY(arena, const char *, NAMES *(SAME_MAX + 1));
	for (size_t i = 0; i < NAMES; i++) {
		const struct signed_name *row = &signed_names[i];
		size_t count = cover_name(letter, slice_of(row->name), fields, &size);
		if (count > SAME_MAX)
			return fault_permanent(
				fault, "%zu fields named %s", count, row->name);
		if (count > 0 || row->is_always)
			count++;
		for (; count > 0; count--)
			names[coverage->count++] = row->name;
	}
	coverage->names = names;
	coverage->fields = (struct slice){ fields, size };
	return true;
}

static void hash_piece(void *with, struct slice piece)
{
	EVP_DigestUpdate(with, piece.data, piece.size);
}

static bool hash_body(struct slice body, unsigned char ret_hash[static KEY_DIGEST_SIZE])
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	bool is_hashed = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1;
	if (is_hashed) {
		struct canon_body canon;
		canon_body_init(&canon, hash_piece, hash);
		canon_body_feed(&canon, body);
		canon_body_end(&canon);
		is_hashed = EVP_DigestFinal_ex(hash, ret_hash, NULL) == 1;
	}
	EVP_MD_CTX_free(hash);
	return is_hashed;
}

bool sign_prepare(struct arena *arena, const struct letter *letter,
	struct coverage *ret_coverage, struct fault *fault)
{
	struct coverage coverage = { 0 };
	if (!cover_fields(arena, letter, &coverage, fault))
		return false;
	if (!hash_body(letter->body, coverage.body_hash))
		return fault_temporary(fault, "OpenSSL does not hash");
	*ret_coverage = coverage;
	return true;
}

bool sign_field(struct arena *arena, struct slice fields, struct slice unsigned_field,
	const struct key *key, struct slice *ret_value)
{
	unsigned char digest[KEY_DIGEST_SIZE], signature[KEY_SIGNATURE_SIZE];
	size_t size;
	char *last = arena_alloc(arena, unsigned_field.size);
	/* RFC 6376 3.7: this one without its CRLF. */
	size_t last_size = canon_field(unsigned_field, last) - 2;
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	bool is_hashed = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
			 EVP_DigestUpdate(hash, fields.data, fields.size) == 1 &&
			 EVP_DigestUpdate(hash, last, last_size) == 1 &&
			 EVP_DigestFinal_ex(hash, digest, NULL) == 1;
	EVP_MD_CTX_free(hash);
	if (!is_hashed || !key_sign(key, digest, signature, &size))
		return false;
	*ret_value = base64_encode(arena, signature, size);
	return true;
}

/* A field being written, folded between its pieces. */
struct writer {
	char *text;
	size_t size, column;
};

static void write_text(struct writer *writer, struct slice text)
{
	memcpy(writer->text + writer->size, text.data, text.size);
	writer->size += text.size;
	writer->column += text.size;
}

static void write_fold(struct writer *writer)
{
	write_text(writer, SLICE("\r\n\t"));
	writer->column = 8;
}

static void write_tag(struct writer *writer, const char *tag, struct slice value)
{
	size_t size = strlen(tag) + value.size + 2;
	if (writer->column + 1 + size > LINE_WIDTH)
		write_fold(writer);
	else
		write_text(writer, SLICE(" "));
	write_text(writer, slice_of(tag));
	write_text(writer, value);
	write_text(writer, SLICE(";"));
}

static void write_names(struct writer *writer, const struct coverage *coverage)
{
	write_fold(writer);
	write_text(writer, SLICE("h="));
	for (size_t i = 0; i < coverage->count; i++) {
		struct slice name = slice_of(coverage->names[i]);
		if (writer->column + name.size + 1 > LINE_WIDTH)
			write_fold(writer);
		write_text(writer, name);
		write_text(writer, i + 1 < coverage->count ? SLICE(":") : SLICE(";"));
	}
}

static void write_folded(struct writer *writer, struct slice value)
{
	while (value.size > 0) {
		if (writer->column >= LINE_WIDTH)
			write_fold(writer);
		struct slice piece = slice_head(value, LINE_WIDTH - writer->column);
		write_text(writer, piece);
		value = slice_skip(value, piece.size);
	}
}

/* An upper bound: every name and tag on a line of its own. */
static size_t room_for(
	const struct coverage *coverage, const struct sign_request *request)
{
	size_t room = strlen(request->domain) + strlen(request->selector) +
		      KEY_SIGNATURE_SIZE * 3 + 512;
	for (size_t i = 0; i < coverage->count; i++)
		room += strlen(coverage->names[i]) + 4;
	return room;
}

/* Everything up to the value of b=. */
static void write_tags(struct writer *writer, const struct coverage *coverage,
	const struct sign_request *request, struct slice body_hash)
{
	char number[32];
	snprintf(number, sizeof(number), "%lld", (long long)request->time_s);
	write_text(writer, SLICE("DKIM-Signature: v=1;"));
	write_tag(writer, "a=", slice_of(key_algorithm(request->key)));
	write_tag(writer, "c=", SLICE("relaxed/relaxed"));
	write_tag(writer, "d=", slice_of(request->domain));
	write_tag(writer, "s=", slice_of(request->selector));
	write_tag(writer, "t=", slice_of(number));
	write_names(writer, coverage);
	write_tag(writer, "bh=", body_hash);
	write_fold(writer);
	write_text(writer, SLICE("b="));
}

bool sign_letter(struct arena *arena, const struct coverage *coverage,
	const struct sign_request *request, struct slice *ret_field, struct fault *fault)
{
	struct slice body_hash = base64_encode(
		arena, coverage->body_hash, sizeof(coverage->body_hash));
	struct writer writer = { .text = arena_alloc(
					 arena, room_for(coverage, request)) };
	write_tags(&writer, coverage, request, body_hash);

	struct writer bare = writer;
	write_text(&bare, SLICE("\r\n"));
	struct slice value;
	if (!sign_field(arena, coverage->fields, (struct slice){ bare.text, bare.size },
		    request->key, &value))
		return fault_temporary(
			fault, "the key of selector %s does not sign", request->selector);
	write_folded(&writer, value);
	write_text(&writer, SLICE("\r\n"));
	*ret_field = (struct slice){ writer.text, writer.size };
	return true;
}
