/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "services/scanner/worker/detector.h"

/* The secret of an AWS key stands within a few lines of its id. */
#define NEAR_BYTES       512
#define AWS_ID_SIZE      20
#define AWS_SECRET_SIZE  40
#define GOOGLE_API_SIZE  39
#define AZURE_STORE_SIZE 88

enum pattern {
	AWS,
	GOOGLE_API,
	GOOGLE_SERVICE,
	AZURE_STORE,
	AZURE_CLIENT,
	AZURE_CLIENT_7
};

static const char *const patterns[] = {
	[AWS] = "A[KS]IA[A-Z0-9]{16}",
	[GOOGLE_API] = "AIza[0-9A-Za-z_-]{35}",
	[GOOGLE_SERVICE] =
		"\"private_key\"[ \\t]{0,8}:[ \\t]{0,8}\"-----BEGIN [A-Z ]{0,16}"
		"PRIVATE KEY-----",
	[AZURE_STORE] = "AccountKey=[A-Za-z0-9+/]{86}==",
	[AZURE_CLIENT] = "[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{34}",
	[AZURE_CLIENT_7] = "[A-Za-z0-9_~.-]{3}7Q~[A-Za-z0-9_~.-]{31}",
	NULL,
};

static bool is_base64(char byte)
{
	return is_letter(byte) || is_digit(byte) || byte == '+' || byte == '/';
}

/* A secret mixes cases and digits; a SHA-1 in hex, or a word, does not. */
static bool is_mixed(struct slice run)
{
	bool upper = false, lower = false, digit = false;
	for (size_t i = 0; i < run.size; i++) {
		upper = upper || (run.data[i] >= 'A' && run.data[i] <= 'Z');
		lower = lower || (run.data[i] >= 'a' && run.data[i] <= 'z');
		digit = digit || is_digit(run.data[i]);
	}
	return upper && lower && digit;
}

/* A run of exactly 40 base64 characters, mixed. */
static bool has_aws_secret(struct slice text, size_t from, size_t to)
{
	if (from > 0 && is_base64(text.data[from - 1]))
		while (from < to && is_base64(text.data[from]))
			from++;
	for (size_t at = from; at < to; at++) {
		size_t begin = at;
		while (at < text.size && at - begin <= AWS_SECRET_SIZE &&
			is_base64(text.data[at]))
			at++;
		if (at - begin == AWS_SECRET_SIZE &&
			is_mixed((struct slice){ text.data + begin, AWS_SECRET_SIZE }))
			return true;
		while (at < to && is_base64(text.data[at]))
			at++;
	}
	return false;
}

static void report(struct hits *hits, struct slice value, const char *kind)
{
	char masked[8];
	snprintf(masked, sizeof(masked), "%.4s***", value.data);
	hits_add(hits, value, kind, masked);
}

static bool stands_alone(struct slice text, size_t begin, size_t end)
{
	return !is_word_at(text, begin - 1) && !is_word_at(text, end);
}

static void examine_aws(
	struct slice text, struct slice id, size_t begin, struct hits *hits)
{
	size_t from = begin > NEAR_BYTES ? begin - NEAR_BYTES : 0;
	size_t to = text.size - begin > NEAR_BYTES ? begin + NEAR_BYTES : text.size;
	if (stands_alone(text, begin, begin + id.size) && has_aws_secret(text, from, to))
		report(hits, id, "AWS access key with its secret");
}

static size_t examine_cloud_access_key(
	struct slice text, unsigned pattern, size_t end, struct hits *hits)
{
	static const size_t sizes[] = { [AWS] = AWS_ID_SIZE,
		[GOOGLE_API] = GOOGLE_API_SIZE,
		[AZURE_STORE] = AZURE_STORE_SIZE,
		[AZURE_CLIENT] = 40,
		[AZURE_CLIENT_7] = 37 };
	static const char *const kinds[] = { [GOOGLE_API] = "Google API key",
		[AZURE_STORE] = "Azure storage account key",
		[AZURE_CLIENT] = "Azure client secret",
		[AZURE_CLIENT_7] = "Azure client secret" };

	if (pattern == GOOGLE_SERVICE) {
		/* What makes it distinct is the beginning of the key's own text. */
		struct slice key = slice_head(slice_skip(text, end), 80);
		hits_add(hits, key, "Google service account key", "private_key ***");
		return end;
	}
	size_t begin = end - sizes[pattern];
	struct slice value = { text.data + begin, sizes[pattern] };
	if (pattern == AWS)
		examine_aws(text, value, begin, hits);
	else if (stands_alone(text, begin, end) || pattern == AZURE_STORE)
		report(hits, value, kinds[pattern]);
	return end;
}

const struct detector cloud_access_key_detector = {
	.name = "cloud_access_key",
	.help = "Secret keys of AWS, Google Cloud and Azure in the form that they are issued in",
	.patterns = patterns,
	.examine = examine_cloud_access_key,
};
