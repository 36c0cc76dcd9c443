/* SPDX-License-Identifier: MIT */
#include "lib/encoded_word.h"

#include <stdint.h>
#include <string.h>

#include "lib/utf8.h"

enum charset {
	CHARSET_UNKNOWN,
	CHARSET_UTF8,
	CHARSET_LATIN1,
	CHARSET_SUPERSET, /* of ASCII; bytes from 0x80 up are something else */
	CHARSET_SHIFTED,  /* ISO-2022-JP: ESC $ begins pairs, ESC ( ends them */
};

static const struct {
	const char *name; /* with a final '*' all that begin so */
	enum charset charset;
} charsets[] = {
	{ "utf-8", CHARSET_UTF8 },
	{ "utf8", CHARSET_UTF8 },
	{ "us-ascii", CHARSET_LATIN1 },
	{ "iso-8859-1", CHARSET_LATIN1 },
	{ "iso-8859-*", CHARSET_SUPERSET },
	{ "windows-*", CHARSET_SUPERSET },
	{ "cp125*", CHARSET_SUPERSET },
	{ "koi8-*", CHARSET_SUPERSET },
	{ "gb2312", CHARSET_SUPERSET },
	{ "gbk", CHARSET_SUPERSET },
	{ "gb18030", CHARSET_SUPERSET },
	{ "big5*", CHARSET_SUPERSET },
	{ "shift_jis", CHARSET_SUPERSET },
	{ "euc-*", CHARSET_SUPERSET },
	{ "ks_c_5601*", CHARSET_SUPERSET },
	{ "tis-620", CHARSET_SUPERSET },
	{ "iso-2022-jp*", CHARSET_SHIFTED },
};

struct word {
	enum charset charset;
	bool is_base64;
	struct slice payload;
};

struct decoder {
	struct buffer *out;
	char pending[4]; /* bytes of a UTF-8 character that is not whole yet */
	size_t pending_size;
	unsigned escape; /* bytes of an escape sequence seen */
	bool in_pairs;
};

static enum charset find_charset(struct slice name)
{
	/* RFC 2231 5: a language may follow. */
	const char *star = name.size ? memchr(name.data, '*', name.size) : NULL;
	if (star)
		name.size = (size_t)(star - name.data);
	for (size_t i = 0; i < sizeof(charsets) / sizeof(*charsets); i++) {
		struct slice row = slice_of(charsets[i].name);
		bool is_prefix = row.data[row.size - 1] == '*';
		row.size -= is_prefix;
		if (is_prefix ? slice_has_prefix_nocase(name, row)
			      : slice_equal_nocase(name, row))
			return charsets[i].charset;
	}
	return CHARSET_UNKNOWN;
}

/* "=?charset?B?payload?=" at the front of `text`; its size, or 0. Blanks within the
 * payload are let through, as many readers do. */
static size_t parse_word(struct slice text, struct word *ret_word)
{
	struct slice rest = slice_skip(text, 2), charset, encoding, payload;
	if (text.size < 8 || memcmp(text.data, "=?", 2) != 0 ||
		!slice_split(&rest, '?', &charset) || charset.size > 64 ||
		!slice_split(&rest, '?', &encoding) || encoding.size != 1 ||
		!slice_split(&rest, '?', &payload) || rest.size == 0 ||
		rest.data[0] != '=')
		return 0;
	ret_word->charset = find_charset(charset);
	ret_word->is_base64 = (encoding.data[0] | 0x20) == 'b';
	ret_word->payload = payload;
	if (!ret_word->is_base64 && (encoding.data[0] | 0x20) != 'q')
		return 0;
	return (size_t)(rest.data - text.data) + 1;
}

static bool put(struct decoder *decoder, struct slice text)
{
	return buffer_append(decoder->out, text);
}

static bool put_replacement(struct decoder *decoder)
{
	return put(decoder, SLICE(UTF8_REPLACEMENT));
}

static bool put_point(struct decoder *decoder, unsigned char latin1)
{
	char bytes[2] = { (char)(0xc0 | latin1 >> 6), (char)(0x80 | (latin1 & 0x3f)) };
	/* C1 controls are controls like the others. */
	if (latin1 < 0x20 || (latin1 >= 0x7f && latin1 < 0xa0))
		return put(decoder, SLICE(" "));
	if (latin1 >= 0x80)
		return put(decoder, (struct slice){ bytes, 2 });
	bytes[0] = (char)latin1;
	return put(decoder, (struct slice){ bytes, 1 });
}

static size_t utf8_length(unsigned char lead)
{
	return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

/* Words may cut a character in two, against RFC 2047 5: the pending bytes go on. */
static bool put_utf8(struct decoder *decoder, unsigned char byte)
{
	bool goes_on = (byte & 0xc0) == 0x80;
	if (decoder->pending_size && !goes_on) {
		decoder->pending_size = 0;
		if (!put_replacement(decoder))
			return false;
	}
	if (byte < 0x80)
		return put_point(decoder, byte);
	if (goes_on && decoder->pending_size == 0)
		return put_replacement(decoder);
	decoder->pending[decoder->pending_size++] = (char)byte;
	if (decoder->pending_size < utf8_length((unsigned char)decoder->pending[0]))
		return true;
	struct slice whole = { decoder->pending, decoder->pending_size };
	uint32_t point;
	decoder->pending_size = 0;
	if (utf8_decode(whole, &point) != whole.size)
		return put_replacement(decoder);
	if (point >= 0x80 && point < 0xa0)
		return put(decoder, SLICE(" "));
	return put(decoder, whole);
}

static bool put_shifted(struct decoder *decoder, unsigned char byte)
{
	if (byte == 0x1b) {
		decoder->escape = 1;
		return true;
	}
	if (decoder->escape) {
		if (decoder->escape == 1)
			decoder->in_pairs = byte == '$';
		/* "ESC ( B", "ESC $ B"; "ESC $ ( D" has one byte more. */
		decoder->escape = decoder->escape == 2 && byte != '(' ? 0 : 2;
		return true;
	}
	if (decoder->in_pairs || byte >= 0x80)
		return put_replacement(decoder);
	return put_point(decoder, byte);
}

static bool put_byte(struct decoder *decoder, enum charset charset, unsigned char byte)
{
	switch (charset) {
	case CHARSET_UTF8:
		return put_utf8(decoder, byte);
	case CHARSET_SHIFTED:
		return put_shifted(decoder, byte);
	case CHARSET_SUPERSET:
		return byte >= 0x80 ? put_replacement(decoder) : put_point(decoder, byte);
	case CHARSET_LATIN1:
	case CHARSET_UNKNOWN:
	default:
		return put_point(decoder, byte);
	}
}

static int base64_value(char byte)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = byte ? strchr(digits, byte) : NULL;
	return found ? (int)(found - digits) : -1;
}

static bool decode_base64(struct decoder *decoder, const struct word *word)
{
	uint32_t bits = 0;
	unsigned held = 0;
	for (size_t i = 0; i < word->payload.size; i++) {
		int value = base64_value(word->payload.data[i]);
		if (value < 0)
			continue;
		bits = (bits << 6 | (uint32_t)value) & 0xffffff;
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		if (!put_byte(decoder, word->charset, (unsigned char)(bits >> held)))
			return false;
	}
	return true;
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool decode_quoted(struct decoder *decoder, const struct word *word)
{
	struct slice payload = word->payload;
	for (size_t i = 0; i < payload.size; i++) {
		unsigned char byte = (unsigned char)payload.data[i];
		int high = i + 2 < payload.size ? hex_value(payload.data[i + 1]) : -1;
		int low = i + 2 < payload.size ? hex_value(payload.data[i + 2]) : -1;
		if (byte == '=' && high >= 0 && low >= 0) {
			byte = (unsigned char)(high << 4 | low);
			i += 2;
		} else if (byte == '_') {
			byte = ' ';
		}
		if (!put_byte(decoder, word->charset, byte))
			return false;
	}
	return true;
}

static bool decode_word(struct decoder *decoder, const struct word *word)
{
	/* RFC 2047 6.2: shifts end with the word; only cut UTF-8 is forgiven. */
	decoder->in_pairs = false;
	decoder->escape = 0;
	return word->is_base64 ? decode_base64(decoder, word)
			       : decode_quoted(decoder, word);
}

static bool end_words(struct decoder *decoder)
{
	bool is_cut = decoder->pending_size > 0;
	decoder->pending_size = 0;
	return !is_cut || put_replacement(decoder);
}

static size_t blank_length(struct slice text)
{
	size_t i = 0;
	while (i < text.size && memchr(" \t\r\n", text.data[i], 4))
		i++;
	return i;
}

static bool put_plain(struct decoder *decoder, char byte)
{
	return byte == '\r' || byte == '\n' || put_utf8(decoder, (unsigned char)byte);
}

void encoded_words_decode(struct slice text, struct buffer *out)
{
	struct decoder decoder = { .out = out };
	bool has_room = true, after_word = false;
	while (text.size > 0 && has_room) {
		struct word word;
		/* Blanks between two encoded words are not shown (RFC 2047 6.2). */
		size_t skip = after_word ? blank_length(text) : 0;
		size_t size = parse_word(slice_skip(text, skip), &word);
		bool is_word = size > 0 && word.charset != CHARSET_UNKNOWN;
		if (is_word) {
			/* What was cut in plain text can't go on in a word. */
			has_room = (after_word || end_words(&decoder)) &&
				   decode_word(&decoder, &word);
		} else {
			skip = 0;
			size = 1;
			has_room = (!after_word || end_words(&decoder)) &&
				   put_plain(&decoder, text.data[0]);
		}
		after_word = is_word;
		text = slice_skip(text, skip + size);
	}
	if (has_room)
		end_words(&decoder);
}
