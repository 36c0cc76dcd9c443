/* SPDX-License-Identifier: MIT */
#include "lib/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/memory.h"

/* A field ends once it has so many bytes, escaped; a line has room for more fields than
 * any has. */
#define FIELD_CEILING 1024
#define LINE_CEILING  (64 * 2 * FIELD_CEILING)

static enum log_level lowest = LOG_INFO;
static const char *const level_names[] = { "debug", "info", "warning", "error" };

void log_set_level(enum log_level level)
{
	lowest = level;
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(*level_names); i++)
		if (strcmp(name, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return true;
		}
	return false;
}

static bool is_plain(unsigned char byte)
{
	return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

static void write_escaped(struct buffer *line, unsigned char byte)
{
	if (byte == '"' || byte == '\\')
		buffer_printf(line, "\\%c", byte);
	else
		buffer_printf(line, "\\u%04x", byte);
}

/* Bytes that are not ASCII text are escaped one by one: a log line is ASCII whatever the
 * wire sent. */
static void write_string(struct buffer *line, struct slice text)
{
	size_t end = buffer_size(line) + FIELD_CEILING;
	buffer_append(line, SLICE("\""));
	text = slice_head(text, FIELD_CEILING);
	for (size_t i = 0; i < text.size && buffer_size(line) < end;) {
		size_t from = i;
		while (i < text.size && is_plain((unsigned char)text.data[i]))
			i++;
		buffer_append(line, (struct slice){ text.data + from, i - from });
		if (i < text.size)
			write_escaped(line, (unsigned char)text.data[i++]);
	}
	buffer_append(line, SLICE("\""));
}

static void write_fields(struct buffer *line, const struct log_field *field)
{
	for (; field && field->name; field++) {
		buffer_printf(line, ",\"%s\":", field->name);
		if (field->is_number)
			buffer_printf(line, "%lld", field->number);
		else
			write_string(line, field->text);
	}
}

static void write_context(struct buffer *line, const struct log *log)
{
	if (!log)
		return;
	write_context(line, log->parent);
	write_fields(line, log->fields);
}

void log_write(const struct log *log, enum log_level level, const char *event,
	const struct log_field *fields)
{
	if (level < lowest)
		return;
	CLEANUP(buffer_done) struct buffer line;
	buffer_init(&line, LINE_CEILING);
	int64_t now_ms = clock_unix_ms();
	time_t seconds = now_ms / 1000;
	struct tm utc;
	char stamp[32];
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &utc));
	buffer_printf(&line, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"event\":", stamp,
		(int)(now_ms % 1000), level_names[level]);
	write_string(&line, slice_of(event));
	write_context(&line, log);
	write_fields(&line, fields);
	buffer_append(&line, SLICE("}\n"));
	struct slice bytes = buffer_slice(&line);
	(void)!write(STDERR_FILENO, bytes.data, bytes.size);
}

const char *redact(struct slice address, char *buffer, size_t size)
{
	const char *at = address.size ? memrchr(address.data, '@', address.size) : NULL;
	if (!at || at == address.data)
		snprintf(buffer, size, "%s", address.size ? "***" : "");
	else
		snprintf(buffer, size, "%c**%.*s", address.data[0],
			(int)(address.data + address.size - at), at);
	return buffer;
}
