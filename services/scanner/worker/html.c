/* SPDX-License-Identifier: MIT */
#include "services/scanner/worker/html.h"

#include <stdint.h>
#include <string.h>

#include "services/scanner/worker/text.h"

#define ENTITY_MAX 12

struct strip {
	struct slice rest; /* input */
	char *out;
	size_t size;
	bool in_space; /* the last character out was white space */
};

/* These stand inside a word or number; every other tag ends a line. */
static const char *const inline_tags[] = { "a", "abbr", "acronym", "b", "bdi", "bdo",
	"big", "cite", "code", "data", "em", "font", "i", "ins", "kbd", "mark", "o:p",
	"q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt",
	"u", "var", "wbr", NULL };

static const struct entity {
	const char *name;
	uint32_t character;
} entities[] = {
	{ "amp", '&' },
	{ "apos", '\'' },
	{ "colon", ':' },
	{ "comma", ',' },
	{ "dash", 0x2010 },
	{ "emsp", 0x2003 },
	{ "ensp", 0x2002 },
	{ "equals", '=' },
	{ "figdash", 0x2012 },
	{ "gt", '>' },
	{ "hyphen", 0x2010 },
	{ "lowbar", '_' },
	{ "lt", '<' },
	{ "mdash", 0x2014 },
	{ "minus", 0x2212 },
	{ "nbsp", 0xa0 },
	{ "ndash", 0x2013 },
	{ "num", '#' },
	{ "numsp", 0x2007 },
	{ "period", '.' },
	{ "plus", '+' },
	{ "quot", '"' },
	{ "shy", 0xad },
	{ "sol", '/' },
	{ "thinsp", 0x2009 },
	{ "zwj", 0x200d },
	{ "zwnj", 0x200c },
	{ NULL, 0 },
};

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n' ||
	       byte == '\f';
}

static bool is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static void put(struct strip *strip, char byte)
{
	strip->out[strip->size++] = byte;
	strip->in_space = false;
}

/* Runs of white space give one; a line end outweighs a space. */
static void put_space(struct strip *strip, char byte)
{
	if (!strip->in_space && strip->size)
		strip->out[strip->size++] = byte;
	else if (strip->size && byte == '\n')
		strip->out[strip->size - 1] = byte;
	strip->in_space = true;
}

static void skip_past(struct strip *strip, struct slice mark)
{
	const char *found = strip->rest.size ? memmem(strip->rest.data, strip->rest.size,
						       mark.data, mark.size)
					     : NULL;
	size_t count = found ? (size_t)(found - strip->rest.data) + mark.size
			     : strip->rest.size;
	strip->rest = slice_skip(strip->rest, count);
}

/* To the '>' that ends the tag; one inside a quoted value does not. */
static void skip_attributes(struct strip *strip)
{
	char quote = 0, before = 0;
	size_t at = 0;
	for (; at < strip->rest.size; at++) {
		char byte = strip->rest.data[at];
		if (quote) {
			if (byte == quote)
				quote = 0;
		} else if (byte == '>') {
			break;
		} else if ((byte == '"' || byte == '\'') && before == '=') {
			quote = byte;
		}
		if (!is_space(byte))
			before = byte;
	}
	/* A quote that never closes hides nothing: the tag ends at the first '>'. */
	if (at == strip->rest.size)
		skip_past(strip, SLICE(">"));
	else
		strip->rest = slice_skip(strip->rest, at + 1);
}

static bool is_inline(struct slice name)
{
	for (const char *const *tag = inline_tags; *tag; tag++)
		if (slice_equal_nocase(name, slice_of(*tag)))
			return true;
	return false;
}

/* Up to "</NAME", without case; what lies between is neither tags nor entities. */
static struct slice take_raw(struct strip *strip, struct slice name)
{
	struct slice all = strip->rest;
	for (size_t at = 0; at + 2 + name.size <= all.size; at++) {
		const char *open = memchr(all.data + at, '<', all.size - at);
		if (!open)
			break;
		at = (size_t)(open - all.data);
		struct slice end = slice_skip(all, at);
		if (end.size > 2 && end.data[1] == '/' &&
			slice_has_prefix_nocase(slice_skip(end, 2), name)) {
			strip->rest = end;
			return slice_head(all, at);
		}
	}
	strip->rest = (struct slice){ 0 };
	return all;
}

static void strip_tag(struct strip *strip, bool is_end)
{
	size_t length = 0;
	while (length < strip->rest.size && !is_space(strip->rest.data[length]) &&
		strip->rest.data[length] != '>' && strip->rest.data[length] != '/')
		length++;
	struct slice name = slice_head(strip->rest, length);
	strip->rest = slice_skip(strip->rest, length);
	skip_attributes(strip);
	if (!is_inline(name))
		put_space(strip, '\n');
	if (is_end)
		return;
	if (slice_equal_nocase(name, SLICE("style"))) {
		take_raw(strip, name);
	} else if (slice_equal_nocase(name, SLICE("script"))) {
		/* Mail carries data there (schema.org orders and invoices). */
		struct slice script = take_raw(strip, name);
		for (size_t i = 0; i < script.size; i++)
			put(strip, script.data[i]);
	}
}

/* `rest` begins behind '<'. */
static void strip_markup(struct strip *strip)
{
	struct slice rest = strip->rest;
	if (slice_has_prefix_nocase(rest, SLICE("!--"))) {
		strip->rest = slice_skip(rest, 3);
		skip_past(strip, SLICE("-->"));
	} else if (rest.size && (rest.data[0] == '!' || rest.data[0] == '?')) {
		skip_past(strip, SLICE(">"));
	} else if (rest.size && is_letter(rest.data[0])) {
		strip_tag(strip, false);
	} else if (rest.size > 1 && rest.data[0] == '/' && is_letter(rest.data[1])) {
		strip->rest = slice_skip(rest, 1);
		strip_tag(strip, true);
	} else {
		put(strip, '<');
	}
}

static unsigned digit_value(char byte)
{
	if (byte >= '0' && byte <= '9')
		return (unsigned)(byte - '0');
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? (unsigned)(byte - 'a') + 10 : 16;
}

/* `name` is what stands between '&' and ';'. 0: no entity. */
static uint32_t entity_character(struct slice name)
{
	if (name.size > 1 && name.data[0] == '#') {
		bool is_hex = name.data[1] == 'x' || name.data[1] == 'X';
		uint32_t base = is_hex ? 16 : 10, character = 0;
		struct slice digits = slice_skip(name, is_hex ? 2 : 1);
		for (size_t i = 0; i < digits.size; i++)
			character = character * base + digit_value(digits.data[i]);
		return character <= 0x10ffff ? character : 0;
	}
	for (const struct entity *row = entities; row->name; row++)
		if (slice_equal(name, slice_of(row->name)))
			return row->character;
	return 0;
}

/* Bytes of the entity's name behind '&': "#52", "#x34", "nbsp". */
static size_t entity_length(struct slice rest)
{
	bool is_number = rest.size && rest.data[0] == '#';
	bool is_hex = is_number && rest.size > 1 && (rest.data[1] | 0x20) == 'x';
	size_t length = is_hex ? 2 : is_number ? 1 : 0;
	unsigned base = is_hex ? 16 : 10;
	while (length < rest.size && length < ENTITY_MAX &&
		(is_number ? digit_value(rest.data[length]) < base
			   : is_letter(rest.data[length])))
		length++;
	return length;
}

/* `rest` begins behind '&'. The semicolon may be missing, as browsers accept. */
static void strip_entity(struct strip *strip)
{
	size_t length = entity_length(strip->rest);
	uint32_t character = entity_character(slice_head(strip->rest, length));
	if (!character) {
		put(strip, '&');
		return;
	}
	if (length < strip->rest.size && strip->rest.data[length] == ';')
		length++;
	strip->rest = slice_skip(strip->rest, length);
	if (character < 0x80 && is_space((char)character)) {
		put_space(strip, ' ');
		return;
	}
	strip->size += text_put_utf8(strip->out + strip->size, character);
	strip->in_space = false;
}

struct slice html_text(struct arena *arena, struct slice html)
{
	struct strip strip = { .rest = html, .out = arena_alloc(arena, html.size + 1) };
	while (strip.rest.size) {
		char byte = strip.rest.data[0];
		strip.rest = slice_skip(strip.rest, 1);
		if (byte == '<')
			strip_markup(&strip);
		else if (byte == '&')
			strip_entity(&strip);
		else if (is_space(byte))
			put_space(&strip, ' ');
		else
			put(&strip, byte);
	}
	return (struct slice){ strip.out, strip.size };
}
