/* SPDX-License-Identifier: MIT */
#include "cli/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/quantity.h"
#include "lib/printable.h"

#define NAME_MOST 64
#define TEXT_MOST 256

static void set_text(struct arena *arena, void *field, const char *text)
{
	*(char **)field = arena_string(arena, slice_of(text));
}

static const char *print_text(
	const struct value *value, struct arena *arena, const void *field)
{
	return *(char *const *)field;
}

static bool is_made_of(const char *text, const char *characters, size_t most)
{
	size_t size = strspn(text, characters);
	return size && size <= most && !text[size];
}

static bool read_name(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	if (!is_made_of(text, "abcdefghijklmnopqrstuvwxyz0123456789._-", NAME_MOST) ||
		strchr("._-", text[0]))
		return false;
	set_text(arena, field, text);
	return true;
}

const struct value name_value = {
	.allowed =
		"lower-case letters, digits, '.', '_' and '-', beginning with a letter "
		"or digit, at most 64",
	.read = read_name,
	.print = print_text,
};

static bool read_text(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	if (!*text || strlen(text) > TEXT_MOST ||
		strcmp(printable_string(arena, text), text) != 0)
		return false;
	set_text(arena, field, text);
	return true;
}

const struct value text_value = {
	.allowed = "1 to 256 bytes of text on one line",
	.read = read_text,
	.print = print_text,
};

static bool read_file(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	if (strchr(text, '/') || text[0] == '.')
		return false;
	return read_text(value, arena, text, field, fault);
}

const struct value file_value = {
	.allowed = "the name of a file in the signer's key folder, without any '/'",
	.read = read_file,
	.print = print_text,
};

static bool read_detector(const struct value *value, struct arena *arena,
	const char *text, void *field, struct fault *fault)
{
	if (strcmp(text, "*") != 0 &&
		!is_made_of(text, "abcdefghijklmnopqrstuvwxyz0123456789_", NAME_MOST))
		return false;
	set_text(arena, field, text);
	return true;
}

const struct value detector_value = {
	.allowed = "the name of a detector, such as card_number, or \"*\" for all",
	.read = read_detector,
	.print = print_text,
};

/* --- numbers --------------------------------------------------------------------------
 */

static bool parse_count(const char *text, uint64_t most, uint64_t *ret_count)
{
	/* bytes_parse() without its suffixes. */
	return is_made_of(text, "0123456789", 19) &&
	       bytes_parse(slice_of(text), ret_count) && *ret_count >= 1 &&
	       *ret_count <= most;
}

static bool read_count(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	uint64_t count;
	if (!parse_count(text, INT32_MAX, &count))
		return false;
	*(uint32_t *)field = (uint32_t)count;
	return true;
}

static const char *print_count(
	const struct value *value, struct arena *arena, const void *field)
{
	uint32_t count = *(const uint32_t *)field;
	return count ? arena_printf(arena, "%u", count) : "";
}

const struct value count_value = {
	.allowed = "a whole number from 1",
	.read = read_count,
	.print = print_count,
	.is_number = true,
};

static bool read_port(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	uint64_t count;
	if (!parse_count(text, 65535, &count))
		return false;
	*(uint32_t *)field = (uint32_t)count;
	return true;
}

const struct value port_value = {
	.allowed = "a port from 1 to 65535",
	.read = read_port,
	.print = print_count,
	.is_number = true,
};

static bool read_count64(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	uint64_t count;
	if (!parse_count(text, INT64_MAX, &count))
		return false;
	*(uint64_t *)field = count;
	return true;
}

static const char *print_count64(
	const struct value *value, struct arena *arena, const void *field)
{
	uint64_t count = *(const uint64_t *)field;
	return count ? arena_printf(arena, "%llu", (unsigned long long)count) : "";
}

const struct value count64_value = {
	.allowed = "a whole number from 1",
	.read = read_count64,
	.print = print_count64,
	.is_number = true,
};

static bool read_bytes(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	uint64_t bytes;
	if (!bytes_parse(slice_of(text), &bytes) || !bytes)
		return false;
	*(uint64_t *)field = bytes;
	return true;
}

static const char *print_bytes(
	const struct value *value, struct arena *arena, const void *field)
{
	uint64_t bytes = *(const uint64_t *)field;
	return bytes ? bytes_print(arena, bytes) : "";
}

const struct value bytes_value = {
	.allowed = "a number of bytes from 1, with k, M or G for 1024 times as much each",
	.read = read_bytes,
	.print = print_bytes,
	.is_number = true,
};

static bool read_duration(const struct value *value, struct arena *arena,
	const char *text, void *field, struct fault *fault)
{
	int64_t ms;
	if (!duration_parse(slice_of(text), &ms) || !ms)
		return false;
	*(uint64_t *)field = (uint64_t)ms;
	return true;
}

static const char *print_duration(
	const struct value *value, struct arena *arena, const void *field)
{
	uint64_t ms = *(const uint64_t *)field;
	return ms ? duration_print(arena, (int64_t)ms) : "";
}

const struct value duration_value = {
	.allowed = DURATION_FORM,
	.read = read_duration,
	.print = print_duration,
};

static bool read_score(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	if (!is_made_of(text, "0123456789.", 16))
		return false;
	char *end;
	double score = strtod(text, &end);
	if (*end || !(score > 0) || score > 1e6)
		return false;
	*(double *)field = score;
	return true;
}

static const char *print_score(
	const struct value *value, struct arena *arena, const void *field)
{
	double score = *(const double *)field;
	return score != 0 ? arena_printf(arena, "%.15g", score) : "";
}

const struct value score_value = {
	.allowed = "a score above 0, such as 7.5",
	.read = read_score,
	.print = print_score,
	.is_number = true,
};

static const char *print_moment(
	const struct value *value, struct arena *arena, const void *field)
{
	int64_t us = *(const int64_t *)field;
	return us ? moment_print(arena, us) : "";
}

const struct value moment_value = { .print = print_moment };

/* --- choices --------------------------------------------------------------------------
 */

bool choice_read(const struct value *value, struct arena *arena, const char *text,
	void *field, struct fault *fault)
{
	for (const struct choice *choice = value->choices; choice->word; choice++)
		if (strcmp(choice->word, text) == 0) {
			*(int *)field = choice->number;
			return true;
		}
	return false;
}

const char *choice_print(
	const struct value *value, struct arena *arena, const void *field)
{
	for (const struct choice *choice = value->choices; choice->word; choice++)
		if (choice->number == *(const int *)field)
			return choice->word;
	return "";
}

const char *value_allowed(const struct value *value, struct arena *arena)
{
	if (value->allowed)
		return value->allowed;
	const char *words = "";
	for (const struct choice *choice = value->choices; choice->word; choice++)
		words = arena_printf(
			arena, "%s%s%s", words, *words ? ", " : "", choice->word);
	return words;
}
