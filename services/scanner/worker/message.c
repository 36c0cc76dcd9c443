/* SPDX-License-Identifier: MIT */
#include "services/scanner/worker/message.h"

#include <gmime/gmime.h>
#include <string.h>

#include "services/scanner/worker/html.h"
#include "services/scanner/worker/report.h"
#include "services/scanner/worker/text.h"

#define HEADERS_MAX 1000

struct walk {
	struct arena *arena;
	const Postern__WorkerPlan *limits;
	struct message *message;
	size_t room, leaves; /* allocated parts; those with content */
	uint64_t bytes;      /* decoded so far */
	const char *number;  /* of the object at hand */
	unsigned depth;
};

static void walk_object(struct walk *walk, GMimeObject *object);

void message_init(void)
{
	g_mime_init();
}

static void pass_limit(struct walk *walk, const char *limit)
{
	if (!walk->message->excess)
		walk->message->excess = limit;
}

static struct part *add_part(struct walk *walk, const char *label)
{
	struct message *message = walk->message;
	if (message->n_parts == walk->room) {
		size_t room = walk->room ? walk->room * 2 : 8;
		struct part *parts = ARENA_ARRAY(walk->arena, struct part, room);
		if (message->n_parts)
			memcpy(parts, message->parts, message->n_parts * sizeof(*parts));
		message->parts = parts;
		walk->room = room;
	}
	struct part *part = &message->parts[message->n_parts++];
	part->label = label;
	return part;
}

/* Subjects and file names are text that leaves, too. */
static void add_words(struct walk *walk, const char *label, struct slice words)
{
	if (words.size && walk->limits->dlp)
		add_part(walk, label)->text = text_fold(
			walk->arena, arena_copy(walk->arena, words));
}

static bool check_headers(struct walk *walk, GMimeObject *object)
{
	if (g_mime_header_list_get_count(g_mime_object_get_header_list(object)) <=
		HEADERS_MAX)
		return true;
	pass_limit(walk, "more header fields than allowed");
	return false;
}

static bool is_encoded(GMimeDataWrapper *content)
{
	switch (g_mime_data_wrapper_get_encoding(content)) {
	case GMIME_CONTENT_ENCODING_DEFAULT:
	case GMIME_CONTENT_ENCODING_7BIT:
	case GMIME_CONTENT_ENCODING_8BIT:
	case GMIME_CONTENT_ENCODING_BINARY:
		return false;
	default:
		return true;
	}
}

/* What stands in the message as it is. False: GMime has a copy of its own. */
static bool borrow(GMimeStream *stream, struct slice *ret_bytes)
{
	if (!GMIME_IS_STREAM_MEM(stream) ||
		g_mime_stream_mem_get_owner(GMIME_STREAM_MEM(stream)))
		return false;
	const GByteArray *whole = g_mime_stream_mem_get_byte_array(
		GMIME_STREAM_MEM(stream));
	struct slice rest = { (const char *)whole->data, whole->len };
	rest = slice_skip(rest, (size_t)stream->bound_start);
	*ret_bytes = slice_head(rest, (size_t)g_mime_stream_length(stream));
	return true;
}

static struct slice decode(struct walk *walk, GMimePart *part)
{
	GMimeDataWrapper *content = g_mime_part_get_content(part);
	if (!content)
		return (struct slice){ 0 };
	struct slice bytes = { 0 };
	if (!is_encoded(content) &&
		borrow(g_mime_data_wrapper_get_stream(content), &bytes))
		return bytes;
	GMimeStream *stream = g_mime_stream_mem_new();
	if (g_mime_data_wrapper_write_to_stream(content, stream) < 0) {
		pass_limit(walk, "a part that can't be decoded");
	} else {
		GByteArray *array = g_mime_stream_mem_get_byte_array(
			GMIME_STREAM_MEM(stream));
		bytes = arena_copy(walk->arena,
			(struct slice){ (const char *)array->data, array->len });
	}
	g_object_unref(stream);
	return bytes;
}

static bool begins_like_html(struct slice bytes)
{
	bytes = slice_trim(bytes);
	return slice_has_prefix_nocase(bytes, SLICE("<!doctype html")) ||
	       slice_has_prefix_nocase(bytes, SLICE("<html"));
}

static struct slice text_of(struct walk *walk, GMimeContentType *type, struct slice bytes)
{
	bool is_text = g_mime_content_type_is_type(type, "text", "*");
	if (!is_text && !text_is_likely(bytes))
		return (struct slice){ 0 };
	const char *charset = g_mime_content_type_get_parameter(type, "charset");
	struct slice text = text_decode(
		walk->arena, bytes, charset ? g_mime_charset_iconv_name(charset) : NULL);
	if (g_mime_content_type_is_type(type, "text", "html") ||
		g_mime_content_type_is_type(type, "application", "xhtml+xml") ||
		begins_like_html(text))
		text = html_text(walk->arena, text);
	return text_fold(walk->arena, text);
}

/* NULL: nothing that can be parsed. The caller owns the message, which borrows `content`:
 * GMime only reads an array that is not its own. */
static GMimeMessage *parse(GByteArray *content)
{
	GMimeStream *stream = g_mime_stream_mem_new();
	g_mime_stream_mem_set_byte_array(GMIME_STREAM_MEM(stream), content);
	GMimeParser *parser = g_mime_parser_new_with_stream(stream);
	GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
	g_object_unref(parser);
	g_object_unref(stream);
	return message;
}

static void walk_subject(struct walk *walk, GMimeMessage *message)
{
	if (!walk->limits->dlp)
		return;
	const char *subject = g_mime_message_get_subject(message);
	add_words(walk,
		walk->depth ? arena_printf(walk->arena, "subject in %s", walk->number)
			    : "subject",
		slice_of(subject));
}

static void walk_message(struct walk *walk, GMimeMessage *message)
{
	if (!check_headers(walk, GMIME_OBJECT(message)))
		return;
	walk_subject(walk, message);
	GMimeObject *object = g_mime_message_get_mime_part(message);
	if (object)
		walk_object(walk, object);
}

static void walk_bytes(struct walk *walk, struct slice content)
{
	GByteArray array = { (guint8 *)content.data, (guint)content.size };
	GMimeMessage *message = parse(&array);
	if (!message)
		return;
	walk_message(walk, message);
	g_object_unref(message);
}

static bool is_verbatim(GMimePart *leaf, GMimeContentType *type)
{
	GMimeContentEncoding encoding = g_mime_part_get_content_encoding(leaf);
	return encoding != GMIME_CONTENT_ENCODING_BASE64 &&
	       encoding != GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE &&
	       encoding != GMIME_CONTENT_ENCODING_UUENCODE &&
	       g_mime_content_type_is_type(type, "text", "plain") &&
	       !g_mime_part_get_filename(leaf);
}

static void walk_leaf(struct walk *walk, GMimePart *leaf)
{
	const char *name = g_mime_part_get_filename(leaf);
	const char *label = walk->number;
	if (name && *name) {
		label = arena_printf(walk->arena, "%s (%s)", walk->number,
			report_text(walk->arena, name));
		add_words(walk,
			arena_printf(walk->arena, "file name of %s", walk->number),
			slice_of(name));
	}
	if (walk->leaves++ == walk->limits->parts) {
		pass_limit(walk, "more MIME parts than allowed");
		return;
	}
	struct slice content = decode(walk, leaf);
	walk->bytes += content.size;
	if (walk->bytes > walk->limits->unpacked_bytes) {
		pass_limit(walk, "more decoded content than allowed");
		return;
	}
	struct part *part = add_part(walk, label);
	part->content = content;
	GMimeContentType *type = g_mime_object_get_content_type(GMIME_OBJECT(leaf));
	part->is_verbatim = is_verbatim(leaf, type);
	/* Encoded, which RFC 2046 5.2.1 forbids and some programs do. */
	if (g_mime_content_type_is_type(type, "message", "rfc822") ||
		g_mime_content_type_is_type(type, "message", "global"))
		walk_bytes(walk, content);
	else if (walk->limits->dlp)
		part->text = text_of(walk, type, content);
}

/* Text around the parts, which readers skip. */
static void walk_margins(struct walk *walk, GMimeMultipart *multipart)
{
	const char *label = arena_printf(
		walk->arena, "text around the parts of %s", walk->number);
	add_words(walk, label, slice_of(g_mime_multipart_get_prologue(multipart)));
	add_words(walk, label, slice_of(g_mime_multipart_get_epilogue(multipart)));
}

static void walk_children(struct walk *walk, GMimeMultipart *multipart)
{
	const char *outer = walk->number;
	walk_margins(walk, multipart);
	int count = g_mime_multipart_get_count(multipart);
	for (int i = 0; i < count && !walk->message->excess; i++) {
		walk->number = walk->depth > 1
				       ? arena_printf(walk->arena, "%s.%d", outer, i + 1)
				       : arena_printf(walk->arena, "%d", i + 1);
		walk_object(walk, g_mime_multipart_get_part(multipart, i));
	}
	walk->number = outer;
}

static void walk_object(struct walk *walk, GMimeObject *object)
{
	if (walk->depth >= walk->limits->depth) {
		pass_limit(walk, "MIME parts nested deeper than allowed");
		return;
	}
	if (!check_headers(walk, object))
		return;
	walk->depth++;
	if (GMIME_IS_MULTIPART(object)) {
		walk_children(walk, GMIME_MULTIPART(object));
	} else if (GMIME_IS_MESSAGE_PART(object)) {
		GMimeMessage *message = g_mime_message_part_get_message(
			GMIME_MESSAGE_PART(object));
		if (message)
			walk_message(walk, message);
	} else if (GMIME_IS_PART(object)) {
		walk_leaf(walk, GMIME_PART(object));
	}
	walk->depth--;
}

void message_open(struct arena *arena, struct slice content,
	const Postern__WorkerPlan *limits, struct message *ret_message)
{
	*ret_message = (struct message){ 0 };
	struct walk walk = {
		.arena = arena, .limits = limits, .message = ret_message, .number = "1"
	};
	walk_bytes(&walk, content);
	/* Not mail to GMime, but it will travel all the same. */
	if (!ret_message->n_parts && !ret_message->excess)
		add_words(&walk, "1", content);
}
