/* SPDX-License-Identifier: MIT */
#include "lib/mailbox.h"

#include <string.h>

#include "lib/encoded_word.h"
#include "lib/header.h"
#include "lib/memory.h"
#include "lib/utf8.h"

static const char only_one[] =
	"it must hold exactly one mailbox: no list, no group, no route";

static bool contains(struct slice text, const char *part)
{
	return text.size && memmem(text.data, text.size, part, strlen(part));
}

/* RFC 5322 4.2: a folded line of blanks only ends the header for some readers. */
static bool has_blank_line(struct slice value)
{
	struct slice line;
	slice_split(&value, '\n', &line);
	while (slice_split(&value, '\n', &line))
		if (slice_trim(line).size == 0)
			return true;
	return false;
}

static bool check_text(struct slice line, struct fault *fault)
{
	uint32_t point;
	size_t length;
	for (; line.size; line = slice_skip(line, length)) {
		length = utf8_decode(line, &point);
		if (length == 0)
			return fault_permanent(fault, "it is not valid UTF-8");
		if (point != '\t' && utf8_is_deceptive(point))
			return fault_permanent(fault, "it has hidden characters");
	}
	return true;
}

/* The size of the quoted string at the front, quotes included; 0 if it does not end. */
static size_t quoted_length(struct slice text)
{
	for (size_t i = 1; i < text.size; i++) {
		if (text.data[i] == '"')
			return i + 1;
		if (text.data[i] == '\\')
			i++;
	}
	return 0;
}

static bool check_single(struct slice line, struct fault *fault)
{
	bool in_literal = false;
	for (size_t i = 0; i < line.size; i++) {
		char byte = line.data[i];
		if (byte == '"') {
			size_t length = quoted_length(slice_skip(line, i));
			if (length == 0)
				return fault_permanent(fault, "a quote does not end");
			i += length - 1;
		} else if (byte == '[' || byte == ']') {
			in_literal = byte == '[';
		} else if (strchr(",;:", byte) && !in_literal) {
			return fault_permanent(fault, "%s", only_one);
		}
	}
	return true;
}

static void append_quoted(struct buffer *phrase, struct slice quoted)
{
	for (size_t i = 1; i < quoted.size - 1; i++) {
		if (quoted.data[i] == '\\')
			i++;
		buffer_append(phrase, (struct slice){ quoted.data + i, 1 });
	}
}

/* RFC 5322 3.2.5 with the dots of obs-phrase, which everybody writes. Takes what stands
 * before '<' off `rest` and appends it without its quotes. */
static bool take_phrase(struct slice *rest, struct buffer *phrase, struct fault *fault)
{
	while (rest->size > 0 && rest->data[0] != '<') {
		size_t length = 1;
		if (rest->data[0] == '"') {
			length = quoted_length(*rest);
			append_quoted(phrase, slice_head(*rest, length));
		} else if (strchr("()[]@\\>", rest->data[0])) {
			return fault_permanent(fault,
				"a display name with \"%c\" must be in quotes",
				rest->data[0]);
		} else {
			buffer_append(phrase, slice_head(*rest, 1));
		}
		*rest = slice_skip(*rest, length);
	}
	return true;
}

/* A comment may follow the address, as cron writes it, if no reader can take any of it
 * for an address or an encoded word. */
static bool take_tail(struct slice rest, struct slice *ret_comment, struct fault *fault)
{
	rest = slice_trim(rest);
	*ret_comment = (struct slice){ 0 };
	if (rest.size == 0)
		return true;
	if (rest.size < 2 || rest.data[0] != '(' || rest.data[rest.size - 1] != ')')
		return fault_permanent(fault, "characters after the address");
	*ret_comment = (struct slice){ rest.data + 1, rest.size - 2 };
	for (size_t i = 0; i < ret_comment->size; i++)
		if (strchr("()<>[]@\\\"=", ret_comment->data[i]))
			return fault_permanent(
				fault, "its comment has \"%c\"", ret_comment->data[i]);
	return true;
}

struct look_alike {
	uint32_t from, to;
	char ascii; /* 0: nobody sees it */
};

/* How a reader's eye, or his program, takes characters that are not ASCII. */
static const struct look_alike look_alikes[] = {
	{ 0x00a0, 0x00a0, ' ' },
	{ 0x00ad, 0x00ad, 0 },
	{ 0x2000, 0x200a, ' ' },
	{ 0x200b, 0x200d, 0 },
	{ 0x2018, 0x201f, ' ' },
	{ 0x2024, 0x2024, '.' },
	{ 0x202f, 0x202f, ' ' },
	{ 0x205f, 0x205f, ' ' },
	{ 0x2060, 0x2060, 0 },
	{ 0x3000, 0x3000, ' ' },
	{ 0x3002, 0x3002, '.' },
	{ 0xfe52, 0xfe52, '.' },
	{ 0xfe6b, 0xfe6b, '@' },
	{ 0xfeff, 0xfeff, 0 },
	{ 0xff61, 0xff61, '.' },
};

static struct slice as_seen(struct arena *arena, struct slice text)
{
	char *seen = arena_alloc(arena, text.size + 1);
	size_t size = 0, length;
	uint32_t point;
	for (; text.size; text = slice_skip(text, length)) {
		length = utf8_decode(text, &point);
		const struct look_alike *row = look_alikes;
		const struct look_alike *end = row + sizeof(look_alikes) / sizeof(*row);
		while (row < end && (point < row->from || point > row->to))
			row++;
		if (row < end && row->ascii)
			seen[size++] = row->ascii;
		else if (row == end && point >= 0xff01 && point <= 0xff5e)
			seen[size++] = (char)(point - 0xff01 + '!');
		else if (row == end) {
			memcpy(seen + size, text.data, length);
			size += length;
		}
	}
	return (struct slice){ seen, size };
}

static bool ends_word(char byte)
{
	return !byte || strchr(" \t<>()[],;:\"", byte);
}

/* The word around the '@' at `at`, without punctuation at its ends. */
static struct slice word_around(struct slice text, size_t at)
{
	size_t from = at, to = at + 1;
	while (from > 0 && !ends_word(text.data[from - 1]))
		from--;
	while (to < text.size && !ends_word(text.data[to]))
		to++;
	while (from < at && strchr("'`.", text.data[from]))
		from++;
	while (to > at + 1 && strchr("'`.!?", text.data[to - 1]))
		to--;
	return (struct slice){ text.data + from, to - from };
}

/* A word with something before the '@' and a dot after it is read as an address. */
static bool find_shown(struct arena *arena, struct mailbox *mailbox, struct fault *fault)
{
	struct slice seen = as_seen(arena, mailbox->display);
	for (size_t i = 0; i < seen.size; i++) {
		struct address shown;
		struct slice word = { 0 };
		if (seen.data[i] == '@')
			word = word_around(seen, i);
		const char *at = word.size ? memchr(word.data, '@', word.size) : NULL;
		if (!at || at == word.data ||
			!memchr(at, '.', (size_t)(word.data + word.size - at)))
			continue;
		i = (size_t)(word.data + word.size - seen.data);
		if (!address_parse(word, &shown, NULL))
			return fault_permanent(fault,
				"its display name shows something like an address");
		if (address_equal(&shown, &mailbox->address))
			continue;
		if (mailbox->shown.whole.size && !address_equal(&shown, &mailbox->shown))
			return fault_permanent(
				fault, "its display name shows several addresses");
		mailbox->shown = shown;
	}
	return true;
}

static bool set_display(struct arena *arena, struct mailbox *mailbox, struct slice phrase,
	struct fault *fault)
{
	CLEANUP(buffer_done) struct buffer decoded;
	/* One byte becomes three at most, so nothing is cut. */
	buffer_init(&decoded, 3 * MAILBOX_MAX);
	encoded_words_decode(slice_trim(phrase), &decoded);
	mailbox->display = slice_trim(arena_copy(arena, buffer_slice(&decoded)));
	/* What is left could be decoded by somebody else, or a second time. */
	if (contains(mailbox->display, "=?") && contains(mailbox->display, "?="))
		return fault_permanent(fault, "its display name has an encoded word that "
					      "can't be read; use UTF-8");
	return check_text(mailbox->display, fault) && find_shown(arena, mailbox, fault);
}

static bool parse_line(struct arena *arena, struct slice line,
	struct mailbox *ret_mailbox, struct fault *fault)
{
	CLEANUP(buffer_done) struct buffer phrase;
	buffer_init(&phrase, MAILBOX_MAX);
	struct mailbox mailbox = { 0 };
	struct slice rest = line, comment;
	if (contains(line, "<")) {
		if (!take_phrase(&rest, &phrase, fault) ||
			!address_take_path(&rest, &mailbox.address, fault))
			return false;
	} else if (!address_take(&rest, &mailbox.address, fault)) {
		return false;
	}
	if (mailbox.address.whole.size == 0)
		return fault_permanent(fault, "its address is empty");
	/* Some readers decode encoded words even here. */
	if (contains(mailbox.address.whole, "=?"))
		return fault_permanent(fault, "its address looks like an encoded word");
	if (!take_tail(rest, &comment, fault))
		return false;
	struct slice name = buffer_slice(&phrase);
	if (!set_display(arena, &mailbox, slice_trim(name).size ? name : comment, fault))
		return false;
	*ret_mailbox = mailbox;
	return true;
}

bool mailbox_parse(struct arena *arena, struct slice value, struct mailbox *ret_mailbox,
	struct fault *fault)
{
	if (value.size > MAILBOX_MAX)
		return fault_permanent(
			fault, "it is longer than %d characters", MAILBOX_MAX);
	if (has_blank_line(value))
		return fault_permanent(fault, "it has an empty line");
	struct slice line = header_unfold(arena, value);
	if (line.size == 0)
		return fault_permanent(fault, "it is empty");
	return check_text(line, fault) && check_single(line, fault) &&
	       parse_line(arena, line, ret_mailbox, fault);
}

bool mailbox_from(struct arena *arena, struct slice message, struct mailbox *ret_mailbox,
	struct fault *fault)
{
	struct header_field field, from = { 0 };
	enum header_step step;
	while ((step = header_next(&message, &field, fault)) == HEADER_FIELD) {
		if (!header_is(&field, "From"))
			continue;
		if (from.name.size)
			return fault_permanent(fault, "more than one From field");
		from = field;
	}
	if (step == HEADER_BROKEN)
		return false;
	if (!from.name.size)
		return fault_permanent(fault, "no From field");
	return mailbox_parse(arena, from.value, ret_mailbox, fault) ||
	       fault_within(fault, "From");
}
