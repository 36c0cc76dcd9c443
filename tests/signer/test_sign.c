/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include <time.h>

#include "lib/mail.h"
#include "services/signer/canon.h"
#include "services/signer/sign.h"
#include "services/signer/verify.h"
#include "tests/signer/letters.h"

#define VECTORS "tests/signer/vectors/"

static struct arena *arena;
static struct key *rsa, *ed25519;
static struct verifier *verifier;

static void set_up(void)
{
	struct fault fault = { 0 };
	arena = arena_new();
	rsa = key_of_new("RSA", 2048);
	ed25519 = key_of_new("ED25519", 0);
	verifier = verifier_new(&fault);
	ck_assert_msg(verifier, "%s", fault.text);
}

static void tear_down(void)
{
	verifier_free(verifier);
	key_drop(rsa);
	key_drop(ed25519);
	arena_free(arena);
}

static struct slice sign(const struct letter *letter, const struct key *key)
{
	struct fault fault = { 0 };
	struct coverage coverage;
	struct slice field;
	struct sign_request request = { "example.test", key == rsa ? "rsa" : "ed", key,
		time(NULL) };
	bool is_signed = sign_prepare(arena, letter, &coverage, &fault) &&
			 sign_letter(arena, &coverage, &request, &field, &fault);
	ck_assert_msg(is_signed, "%s", fault.text);
	return field;
}

static struct letter read_letter(const Postern__Mail *mail)
{
	struct fault fault = { 0 };
	struct letter letter;
	ck_assert_msg(letter_read(arena, mail, &letter, &fault), "%s", fault.text);
	return letter;
}

/* Prepends both signatures, RSA on top. */
static struct letter sign_both(Postern__Mail *mail)
{
	struct letter letter = read_letter(mail);
	struct slice first = sign(&letter, ed25519), second = sign(&letter, rsa);
	mail_prepend(arena, mail, first);
	mail_prepend(arena, mail, second);
	return letter;
}

static struct slice header(const Postern__Mail *mail, size_t i)
{
	return (struct slice){ (char *)mail->headers[i].data, mail->headers[i].len };
}

/* What libopendkim makes of the two topmost headers over the letter. */
static bool verify_both(const Postern__Mail *mail, const struct letter *letter)
{
	struct fault fault = { 0 };
	struct verify_signature signatures[] = {
		{ "example.test", "rsa", key_record(rsa), header(mail, 0) },
		{ "example.test", "ed", key_record(ed25519), header(mail, 1) },
	};
	ck_assert_msg(
		verify_letter(verifier, letter, signatures, 2, &fault), "%s", fault.text);
	ck_assert_int_eq(signatures[0].is_good, signatures[1].is_good);
	return signatures[0].is_good;
}

START_TEST(libopendkim_verifies_what_we_sign)
{
	const struct odd_letter *odd = &odd_letters[_i];
	Postern__Mail *mail = mail_of(arena, odd->headers, odd->content);
	struct letter letter = sign_both(mail);
	ck_assert_msg(verify_both(mail, &letter), "%s", odd->name);
}
END_TEST

/* Runs a verifier over the folder; each of its lines must end in `wanted`. */
static void check_with(const char *command, const char *folder, const char *wanted)
{
	char line[512];
	snprintf(line, sizeof(line), "%s %s", command, folder);
	FILE *lines = popen(line, "r");
	ck_assert(lines);
	size_t count = 0;
	while (fgets(line, sizeof(line), lines)) {
		char *space = strchr(line, ' ');
		ck_assert_msg(
			space && strcmp(space + 1, wanted) == 0, "%s: %s", command, line);
		count++;
	}
	ck_assert_int_eq(pclose(lines), 0);
	ck_assert_uint_eq(count, odd_letters_count);
}

static void write_signed(const char *folder, bool is_tampered)
{
	for (size_t i = 0; i < odd_letters_count; i++) {
		Postern__Mail *mail = mail_of(
			arena, odd_letters[i].headers, odd_letters[i].content);
		sign_both(mail);
		struct slice text = mail_text(arena, mail);
		if (is_tampered)
			text = slice_of(
				arena_printf(arena, "%.*s\r\nx\r\n", SLICE_ARG(text)));
		write_file(arena_printf(arena, "%s/%02zu.eml", folder, i), text);
	}
	write_file(arena_printf(arena, "%s/rsa._domainkey.example.test.txt", folder),
		slice_of(key_record(rsa)));
	write_file(arena_printf(arena, "%s/ed._domainkey.example.test.txt", folder),
		slice_of(key_record(ed25519)));
}

START_TEST(dkimpy_and_mail_dkim_verify_what_we_sign)
{
	char folder[] = "/tmp/postern-sign-XXXXXX";
	ck_assert(mkdtemp(folder));
	write_signed(folder, false);
	check_with("tests/signer/check_dkimpy.py", folder, "good good\n");
	check_with("tests/signer/check_mail_dkim.pl", folder, "good\n");
	write_signed(folder, true);
	check_with("tests/signer/check_dkimpy.py 2>/dev/null", folder, "bad bad\n");
	check_with("tests/signer/check_mail_dkim.pl", folder, "bad\n");
	ck_assert_int_eq(system(arena_printf(arena, "rm -r %s", folder)), 0);
}
END_TEST

/* Each of these stands in the message on its way after it was signed. */
static const struct tampering {
	const char *header; /* put on top */
	const char *body;   /* appended */
} tamperings[] = {
	{ "From: eve@example.test\r\n", "" },
	{ "from : eve@example.test\r\n", "" },
	{ "To: eve@example.test\r\n", "" },
	{ "Cc: eve@example.test\r\n", "" },
	{ "Subject: other\r\n", "" },
	{ "Date: Sat, 12 Jul 2025 21:00:37 +0000\r\n", "" },
	{ "Message-ID: <x@y>\r\n", "" },
	{ "Reply-To: eve@example.test\r\n", "" },
	{ "Sender: eve@example.test\r\n", "" },
	{ "MIME-Version: 1.0\r\n", "" },
	{ "Content-Type: text/html\r\n", "" },
	{ "Content-Transfer-Encoding: base64\r\n", "" },
	{ "List-Unsubscribe: <https://eve.test>\r\n", "" },
	{ "", "more\r\n" },
	{ "", " \r\nmore\r\n" },
};

static struct letter tamper(const struct letter *letter, const struct tampering *row)
{
	struct letter other = *letter;
	if (*row->header) {
		other.fields = ARENA_ARRAY(arena, struct header_field, letter->count + 1);
		memcpy(other.fields + 1, letter->fields,
			letter->count * sizeof(*letter->fields));
		struct slice whole = slice_of(row->header);
		other.fields[0] = (struct header_field){ .whole = whole,
			.name = slice_head(whole, strcspn(row->header, " :")) };
		other.count++;
	}
	other.body = slice_of(
		arena_printf(arena, "%.*s%s", SLICE_ARG(letter->body), row->body));
	return other;
}

START_TEST(what_is_added_on_the_way_breaks_the_signatures)
{
	const char *const headers[3] = { NULL };
	Postern__Mail *mail = mail_of(arena, headers,
		SLICE("From: a@example.test\r\nTo: b@example.net\r\nSubject: x\r\n"
		      "List-Unsubscribe: <https://example.test>\r\n\r\nbody\r\n"));
	struct letter letter = sign_both(mail);
	ck_assert(verify_both(mail, &letter));
	struct letter other = tamper(&letter, &tamperings[_i]);
	ck_assert(!verify_both(mail, &other));
}
END_TEST

START_TEST(what_does_no_harm_leaves_the_signatures_whole)
{
	const char *const headers[3] = { NULL };
	Postern__Mail *mail = mail_of(arena, headers,
		SLICE("From: a@example.test\r\nSubject: x  y\r\n\r\nbody\r\n"));
	struct letter letter = sign_both(mail);
	const struct tampering received = { "Received: from x by y; now\r\n", "" };
	struct letter other = tamper(&letter, &received);
	ck_assert(verify_both(mail, &other));
	const struct tampering blank = { "", "  \r\n\r\n" };
	other = tamper(&letter, &blank);
	ck_assert(verify_both(mail, &other));
}
END_TEST

START_TEST(another_record_or_none_does_not_verify)
{
	const char *const headers[3] = { NULL };
	Postern__Mail *mail = mail_of(
		arena, headers, SLICE("From: a@example.test\r\n\r\nbody\r\n"));
	struct letter letter = sign_both(mail);
	struct key *other = key_of_new("RSA", 2048);
	char *long_record = arena_zalloc(arena, 5000);
	memset(long_record, 'x', 4999);
	const char *const records[] = { key_record(other), key_record(ed25519), "",
		"v=DKIM1; p=", "v=DKIM1; k=rsa; p=AAAA", "v=DKIM2; k=rsa; p=AAAA",
		"v=spf1 -all", long_record };
	for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++) {
		struct fault fault = { 0 };
		struct verify_signature signatures[] = {
			{ "example.test", "ed", key_record(ed25519), header(mail, 1) },
			{ "example.test", "rsa", records[i], header(mail, 0) },
		};
		ck_assert(verify_letter(verifier, &letter, signatures, 2, &fault));
		ck_assert(signatures[0].is_good);
		ck_assert(!signatures[1].is_good);
		ck_assert(signatures[1].why && *signatures[1].why);
	}
	key_drop(other);
}
END_TEST

START_TEST(a_signature_field_is_folded_and_says_what_it_must)
{
	const char *const headers[3] = { NULL };
	Postern__Mail *mail = mail_of(arena, headers,
		SLICE("From: a@example.test\r\nSubject: 1\r\nSubject: 2\r\n\r\nbody\r\n"));
	struct letter letter = read_letter(mail);
	char *field = arena_string(arena, sign(&letter, rsa));
	ck_assert(strstr(field, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;"));
	ck_assert(strstr(field, " d=example.test;"));
	ck_assert(strstr(field, "\ts=rsa;"));
	ck_assert(strstr(field, "\r\n\th=From:From:To:Cc:Subject:Subject:Subject:Date:"));
	ck_assert(!strstr(field, "l="));
	ck_assert(!strstr(field, "List"));
	for (char *line = field; *line; line = strchr(line, '\n') + 1) {
		ck_assert(line == field || *line == '\t');
		ck_assert_int_le(strcspn(line, "\r"), 78);
	}
}
END_TEST

/* RFC 8463 A.3: the message and its two signatures. */
static struct slice vector(void)
{
	return crlf(arena, read_file(arena, VECTORS "rfc8463.eml"));
}

static struct key *vector_key(const char *path)
{
	struct fault fault = { 0 };
	struct key *key = key_parse(read_file(arena, path), &fault);
	ck_assert_msg(key, "%s", fault.text);
	return key;
}

/* Signs the fields of h= with the n-th signature field of the message as the template. */
static struct slice resign(const struct letter *letter, size_t n, const char *key_path,
	struct slice *ret_old)
{
	static const char *const names[] = { "from", "to", "subject", "date",
		"message-id" };
	char *fields = arena_alloc(arena, 2000);
	size_t size = 0;
	for (size_t k = 0; k < 5; k++)
		for (size_t i = 0; i < letter->count; i++)
			if (slice_equal_nocase(
				    letter->fields[i].name, slice_of(names[k])))
				size += canon_field(
					letter->fields[i].whole, fields + size);
	char *template = arena_string(arena, letter->fields[n].whole);
	char *value = strstr(template, " b=") + 3;
	*ret_old = slice_of(arena_string(arena, slice_of(value)));
	memcpy(value, "\r\n", 3);
	struct key *key = vector_key(key_path);
	struct slice made;
	ck_assert(sign_field(
		arena, (struct slice){ fields, size }, slice_of(template), key, &made));
	key_drop(key);
	return made;
}

static bool equal_without_folds(struct slice folded, struct slice text)
{
	char *bare = arena_alloc(arena, folded.size);
	size_t size = 0;
	for (size_t i = 0; i < folded.size; i++)
		if (!strchr(" \t\r\n", folded.data[i]))
			bare[size++] = folded.data[i];
	return slice_equal((struct slice){ bare, size }, text);
}

START_TEST(the_signatures_of_rfc_8463_come_out_again)
{
	const char *const headers[3] = { NULL };
	Postern__Mail *mail = mail_of(arena, headers, vector());
	struct letter letter = read_letter(mail);
	struct slice old, made;
	made = resign(&letter, 0, VECTORS "rfc8463-ed25519.pem", &old);
	ck_assert(equal_without_folds(old, made));
	made = resign(&letter, 1, VECTORS "rfc8463-rsa.pem", &old);
	ck_assert(equal_without_folds(old, made));

	struct coverage coverage;
	struct fault fault = { 0 };
	ck_assert(sign_prepare(arena, &letter, &coverage, &fault));
	unsigned char wanted[33];
	EVP_DecodeBlock(wanted,
		(const unsigned char *)"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=",
		44);
	ck_assert_mem_eq(coverage.body_hash, wanted, 32);
}
END_TEST

START_TEST(the_message_of_rfc_8463_verifies)
{
	const char *const headers[3] = { NULL };
	Postern__Mail *mail = mail_of(arena, headers, vector());
	struct letter letter = read_letter(mail);
	struct key *keys[] = { vector_key(VECTORS "rfc8463-ed25519.pem"),
		vector_key(VECTORS "rfc8463-rsa.pem") };
	ck_assert_str_eq(key_record(keys[0]),
		"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
	struct verify_signature signatures[] = {
		{ "football.example.com", "brisbane", key_record(keys[0]),
			letter.fields[0].whole },
		{ "football.example.com", "test", key_record(keys[1]),
			letter.fields[1].whole },
	};
	struct fault fault = { 0 };
	ck_assert(verify_letter(verifier, &letter, signatures, 2, &fault));
	ck_assert(signatures[0].is_good && signatures[1].is_good);
	key_drop(keys[0]);
	key_drop(keys[1]);
}
END_TEST

static const struct unclean {
	const char *why; /* a piece of the reason */
	const char *header;
	struct slice content;
} uncleans[] = {
#define FROM "From: a@example.test\r\n"
	{ "CRLF", NULL, SLICE(FROM "\r\nbody") },
	{ "CRLF", NULL, SLICE(FROM "\r\nbody\n") },
	{ "CRLF", NULL, SLICE(FROM "\r\nbody\r") },
	{ "CRLF", NULL, SLICE("") },
	{ "bare", NULL, SLICE(FROM "\r\nbo\ndy\r\n") },
	{ "bare", NULL, SLICE(FROM "\r\nbo\rdy\r\n") },
	{ "bare", NULL, SLICE(FROM "\n\r\nbody\r\n") },
	{ "bare", NULL, SLICE(FROM "\r\nbody\r\r\n") },
	{ "bare", NULL, SLICE("\n" FROM "\r\nbody\r\n") },
	{ "bare", NULL, SLICE(FROM "Subject: a\nb\r\n\r\nbody\r\n") },
	{ "NUL", NULL, SLICE(FROM "Subject: a\0b\r\n\r\nbody\r\n") },
	{ "NUL", NULL, SLICE(FROM "\r\nbo\0dy\r\n") },
	{ "no colon", NULL, SLICE("From a@b Mon Jan\r\n" FROM "\r\nbody\r\n") },
	{ "no colon", NULL, SLICE(FROM "no field\r\n\r\nbody\r\n") },
	{ "a blank", NULL, SLICE(" " FROM "\r\nbody\r\n") },
	{ "no name", NULL, SLICE(FROM ": x\r\n\r\nbody\r\n") },
	{ "a blank", NULL, SLICE(FROM "a b: x\r\n\r\nbody\r\n") },
	{ "8-bit", NULL, SLICE(FROM "\xc3\xa4: x\r\n\r\nbody\r\n") },
	{ "no colon", NULL, SLICE(FROM "a\r\n : x\r\n\r\nbody\r\n") },
	{ "0 From", NULL, SLICE("Subject: x\r\n\r\nbody\r\n") },
	{ "0 From", NULL, SLICE("\r\n" FROM "\r\nbody\r\n") },
	{ "2 From", NULL, SLICE(FROM "fROM: b@example.test\r\n\r\nbody\r\n") },
	{ "a blank", NULL, SLICE(FROM "From \t: b@example.test\r\n\r\nbody\r\n") },
	{ "2 From", "From: b@example.test\r\n", SLICE(FROM "\r\nbody\r\n") },
	{ "CRLF", "X: y", SLICE(FROM "\r\nbody\r\n") },
	{ "bare", "X: y\n\r\n", SLICE(FROM "\r\nbody\r\n") },
	{ "no field", "X: y\r\n\r\n", SLICE(FROM "\r\nbody\r\n") },
	{ "no field", "X: y\r\nY: z\r\n", SLICE(FROM "\r\nbody\r\n") },
	{ "no field", " y\r\n", SLICE(FROM "\r\nbody\r\n") },
};

START_TEST(what_two_programs_could_read_differently_is_not_signed)
{
	const struct unclean *row = &uncleans[_i];
	const char *const headers[3] = { row->header };
	struct letter letter;
	struct fault fault = { 0 };
	ck_assert(!letter_read(
		arena, mail_of(arena, headers, row->content), &letter, &fault));
	ck_assert_msg(strstr(fault.text, row->why), "%s: %s", row->why, fault.text);
}
END_TEST

START_TEST(an_earlier_pass_leaves_no_signature_behind)
{
	const char *const headers[3] = { "X: y\r\n" };
	Postern__Mail *mail = mail_of(arena, headers, SLICE(FROM "\r\nbody\r\n"));
	sign_both(mail);
	struct letter letter = read_letter(mail);
	ck_assert_uint_eq(letter.count, 2);
}
END_TEST

START_TEST(a_flood_of_one_field_is_not_signed)
{
	char *content = arena_alloc(arena, 100000), *end = content;
	end = stpcpy(end, FROM);
	for (int i = 0; i < 33; i++)
		end = stpcpy(end, "To: b@example.net\r\n");
	end = stpcpy(end, "\r\n");
	const char *const headers[3] = { NULL };
	struct letter letter = read_letter(
		mail_of(arena, headers, (struct slice){ content, end - content }));
	struct coverage coverage;
	struct fault fault = { 0 };
	ck_assert(!sign_prepare(arena, &letter, &coverage, &fault));
	ck_assert_int_eq(fault.kind, FAULT_PERMANENT);
	ck_assert_str_eq(fault.text, "33 fields named To");
}
END_TEST

static const struct bad_key {
	const char *kind;
	unsigned bits;
	const char *why;
} bad_keys[] = {
	{ "RSA", 512, "512 bits" },
	{ "RSA", 1023, "1023 bits" },
	{ "X25519", 0, "neither an RSA nor" },
	{ "ED448", 0, "neither an RSA nor" },
};

START_TEST(a_key_of_no_use_is_refused)
{
	const struct bad_key *row = &bad_keys[_i];
	struct fault fault = { 0 };
	struct slice pem = slice_of(pem_of_new_key(arena, row->kind, row->bits));
	ck_assert(!key_parse(pem, &fault));
	ck_assert_msg(strstr(fault.text, row->why), "%s", fault.text);
	ck_assert(!key_parse(SLICE("-----BEGIN PRIVATE KEY-----\n"), &fault));
	ck_assert(!key_parse(SLICE(""), &fault));
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(*(table)))

Suite *sign_suite(void)
{
	Suite *suite = suite_create("sign");
	TCase *tcase = tcase_create("sign");
	tcase_add_unchecked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(
		tcase, libopendkim_verifies_what_we_sign, 0, odd_letters_count);
	tcase_add_test(tcase, dkimpy_and_mail_dkim_verify_what_we_sign);
	tcase_add_loop_test(tcase, what_is_added_on_the_way_breaks_the_signatures, 0,
		COUNT(tamperings));
	tcase_add_test(tcase, what_does_no_harm_leaves_the_signatures_whole);
	tcase_add_test(tcase, another_record_or_none_does_not_verify);
	tcase_add_test(tcase, a_signature_field_is_folded_and_says_what_it_must);
	tcase_add_test(tcase, the_signatures_of_rfc_8463_come_out_again);
	tcase_add_test(tcase, the_message_of_rfc_8463_verifies);
	tcase_add_loop_test(tcase, what_two_programs_could_read_differently_is_not_signed,
		0, COUNT(uncleans));
	tcase_add_test(tcase, an_earlier_pass_leaves_no_signature_behind);
	tcase_add_test(tcase, a_flood_of_one_field_is_not_signed);
	tcase_add_loop_test(tcase, a_key_of_no_use_is_refused, 0, COUNT(bad_keys));
	suite_add_tcase(suite, tcase);
	return suite;
}
