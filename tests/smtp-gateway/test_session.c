/* SPDX-License-Identifier: MIT
 *
 * Runs tests/dialogues, each twice: segment by segment, and byte by byte. A line is:
 *     C: text        the client sends it with CRLF; C lines in a row are one segment
 *     C- text        the same without CRLF; \r \n \t \0 \xHH \\ are escapes
 *     C*N text       N times with CRLF; %d is the number, from 1
 *     C+N c          the character N times, without CRLF
 *     S: pattern     exactly one reply line; * stands for anything
 *     S*N pattern    N such lines
 *     M: pattern     some line of the last stored mail matches;  M! pattern: none does
 *     login          in TLS, says EHLO and AUTH
 *     plain          begins without TLS
 *     whole          only segment by segment
 *     app WORD VALUE, limit WORD N, store KIND, bus up|down, wait SECONDS, memory N,
 *     drain, end, closed, stored N
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/smtp-gateway/verb.h"
#include "tests/smtp-gateway/driver.h"

#define FOLDER "tests/dialogues"

static struct dirent **files;
static int file_count;

struct dialogue {
	struct driver driver;
	const char *file;
	int line;
	bool by_bytes;
	struct buffer segment;
};

static bool glob(struct slice pattern, struct slice text)
{
	while (pattern.size) {
		if (pattern.data[0] == '*') {
			pattern = slice_skip(pattern, 1);
			for (size_t i = 0; i <= text.size; i++)
				if (glob(pattern, slice_skip(text, i)))
					return true;
			return false;
		}
		if (!text.size || text.data[0] != pattern.data[0])
			return false;
		pattern = slice_skip(pattern, 1);
		text = slice_skip(text, 1);
	}
	return text.size == 0;
}

static void send_segment(struct dialogue *dialogue)
{
	struct slice bytes = buffer_slice(&dialogue->segment);
	size_t step = dialogue->by_bytes ? 1 : bytes.size;
	for (; bytes.size; bytes = slice_skip(bytes, step))
		driver_feed(&dialogue->driver, slice_head(bytes, step));
	buffer_clear(&dialogue->segment);
}

static void expect_line(struct dialogue *dialogue, const char *pattern)
{
	struct slice output = buffer_slice(&dialogue->driver.output), line;
	const char *end = output.size ? memmem(output.data, output.size, "\r\n", 2)
				      : NULL;
	ck_assert_msg(end, "%s:%d: no reply, wanted %s", dialogue->file, dialogue->line,
		pattern);
	line = slice_head(output, (size_t)(end - output.data));
	ck_assert_msg(glob(slice_of(pattern), line), "%s:%d%s: \"%.*s\", wanted \"%s\"",
		dialogue->file, dialogue->line, dialogue->by_bytes ? " (bytes)" : "",
		SLICE_ARG(line), pattern);
	buffer_consume(&dialogue->driver.output, line.size + 2);
}

static void expect_mail(struct dialogue *dialogue, const char *pattern, bool wanted)
{
	struct slice dump = buffer_slice(&dialogue->driver.dump), rest = dump, line;
	bool found = false;
	while (slice_split(&rest, '\n', &line))
		found = found || glob(slice_of(pattern), line);
	ck_assert_msg(found == wanted, "%s:%d: %s%s in\n%.*s", dialogue->file,
		dialogue->line, wanted ? "no " : "", pattern, SLICE_ARG(dump));
}

static void append_escaped(struct buffer *out, const char *text)
{
	for (; *text; text++) {
		char byte = *text;
		if (byte == '\\') {
			static const char names[] = "rnt0\\", bytes[] = "\r\n\t\0\\";
			const char *name = strchr(names, *++text);
			if (*text == 'x') {
				byte = (char)strtoul(
					(char[]){ text[1], text[2], 0 }, NULL, 16);
				text += 2;
			} else {
				ck_assert(name && *name);
				byte = bytes[name - names];
			}
		}
		buffer_append(out, (struct slice){ &byte, 1 });
	}
}

static void client_line(struct dialogue *dialogue, const char *text)
{
	struct buffer *segment = &dialogue->segment;
	char *rest = (char *)text + 3;
	unsigned long count;
	switch (text[1]) {
	case ':':
		buffer_printf(segment, "%s\r\n", text[2] ? text + 3 : "");
		break;
	case '-':
		append_escaped(segment, text + 3);
		break;
	case '+':
		count = strtoul(text + 2, &rest, 10);
		for (unsigned long i = 0; i < count; i++)
			buffer_append(segment, (struct slice){ rest + 1, 1 });
		break;
	default:
		count = strtoul(text + 2, &rest, 10);
		for (unsigned long i = 1; i <= count; i++) {
			const char *mark = strstr(rest + 1, "%d");
			int front = mark ? (int)(mark - rest - 1) : (int)strlen(rest + 1);
			buffer_printf(segment, "%.*s", front, rest + 1);
			if (mark)
				buffer_printf(segment, "%lu%s", i, mark + 2);
			buffer_printf(segment, "\r\n");
		}
	}
}

static void log_in(struct dialogue *dialogue)
{
	driver_feed(&dialogue->driver,
		SLICE("EHLO client.example\r\nAUTH PLAIN AHNob3AAc2VjcmV0\r\n"));
	struct slice output = buffer_slice(&dialogue->driver.output);
	ck_assert(memmem(output.data, output.size, "\r\n235 2.7.0 ", 12));
	buffer_clear(&dialogue->driver.output);
}

static void add_pair(struct driver *driver, const char *value)
{
	Postern__SenderPair *pair = ARENA_NEW(driver->arena, Postern__SenderPair);
	const char *blank = strchr(value, ' ');
	postern__sender_pair__init(pair);
	pair->envelope = arena_string(
		driver->arena, (struct slice){ value, (size_t)(blank - value) });
	pair->header = arena_string(driver->arena, slice_of(blank + 1));
	driver->pairs[driver->app.n_senders++] = pair;
}

static void set_app(struct dialogue *dialogue, const char *word, const char *value)
{
	static const struct {
		const char *name;
		size_t offset;
	} numbers[] = {
		{ "message_bytes", offsetof(Postern__Limits, message_bytes) },
		{ "messages_per_hour", offsetof(Postern__Limits, messages_per_hour) },
		{ "bytes_per_day", offsetof(Postern__Limits, bytes_per_day) },
	};
	struct driver *driver = &dialogue->driver;
	static char *networks[1];
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (strcmp(word, numbers[i].name) == 0)
			*(uint64_t *)((char *)&driver->limits + numbers[i].offset) =
				strtoull(value, NULL, 10);
	if (strcmp(word, "recipients") == 0)
		driver->limits.recipients = (uint32_t)strtoul(value, NULL, 10);
	if (strcmp(word, "suspended") == 0)
		driver->app.state = POSTERN__APP_STATE__APP_SUSPENDED;
	if (strcmp(word, "revoked") == 0)
		driver->app.state = POSTERN__APP_STATE__APP_REVOKED;
	if (strcmp(word, "pool") == 0)
		driver->app.pool = arena_string(driver->arena, slice_of(value));
	if (strcmp(word, "sender") == 0)
		add_pair(driver, value);
	if (strcmp(word, "network") == 0) {
		networks[0] = arena_string(driver->arena, slice_of(value));
		driver->app.networks = networks;
		driver->app.n_networks = 1;
	}
	driver_tell_app(driver);
}

static void set_limit(struct session_limits *limits, const char *word, long value)
{
	if (strcmp(word, "message_bytes") == 0)
		limits->message_bytes = (size_t)value;
	else if (strcmp(word, "header_bytes") == 0)
		limits->header_bytes = (size_t)value;
	else if (strcmp(word, "header_fields") == 0)
		limits->header_fields = (unsigned)value;
	else if (strcmp(word, "received") == 0)
		limits->received = (unsigned)value;
	else if (strcmp(word, "commands") == 0)
		limits->commands = (unsigned)value;
	else if (strcmp(word, "bad_commands") == 0)
		limits->bad_commands = (unsigned)value;
	else
		ck_abort_msg("limit %s", word);
}

static void direct(struct dialogue *dialogue, char *line)
{
	struct driver *driver = &dialogue->driver;
	char *word = strchrnul(line, ' ');
	if (*word)
		*word++ = '\0';
	char *value = strchrnul(word, ' ');
	if (strcmp(line, "app") == 0 || strcmp(line, "limit") == 0) {
		if (*value)
			*value++ = '\0';
		if (line[0] == 'a')
			set_app(dialogue, word, value);
		else
			set_limit(&driver->world.limits, word, strtol(value, NULL, 10));
	} else if (strcmp(line, "login") == 0) {
		log_in(dialogue);
	} else if (strcmp(line, "store") == 0) {
		driver->store = *word == 't'   ? FAULT_TEMPORARY
				: *word == 'p' ? FAULT_PERMANENT
					       : FAULT_NONE;
	} else if (strcmp(line, "bus") == 0) {
		driver->is_down = strcmp(word, "down") == 0;
	} else if (strcmp(line, "wait") == 0) {
		driver->now_us += strtol(word, NULL, 10) * 1000000;
	} else if (strcmp(line, "memory") == 0) {
		driver->held_ceiling = (size_t)strtol(word, NULL, 10);
	} else if (strcmp(line, "drain") == 0) {
		session_drain(driver->session);
		driver_pump(driver);
	} else if (strcmp(line, "end") == 0) {
		session_end(driver->session, "4.4.2", "Time-out");
		driver_pump(driver);
	} else if (strcmp(line, "closed") == 0) {
		ck_assert_msg(driver->is_closed, "%s:%d", dialogue->file, dialogue->line);
	} else if (strcmp(line, "stored") == 0) {
		ck_assert_int_eq((long)driver->stored, strtol(word, NULL, 10));
	} else if (strcmp(line, "whole") != 0 && strcmp(line, "plain") != 0) {
		ck_abort_msg("%s:%d: %s", dialogue->file, dialogue->line, line);
	}
}

static void run_line(struct dialogue *dialogue, char *line)
{
	if (line[0] == 'C' && line[1] && strchr(":-*+", line[1])) {
		client_line(dialogue, line);
		return;
	}
	send_segment(dialogue);
	if (strncmp(line, "S: ", 3) == 0) {
		expect_line(dialogue, line + 3);
	} else if (strncmp(line, "S*", 2) == 0) {
		char *pattern;
		unsigned long count = strtoul(line + 2, &pattern, 10);
		while (count--)
			expect_line(dialogue, pattern + 1);
	} else if (strncmp(line, "M: ", 3) == 0 || strncmp(line, "M! ", 3) == 0) {
		expect_mail(dialogue, line + 3, line[1] == ':');
	} else if (line[0] && line[0] != '#') {
		direct(dialogue, line);
	}
}

static void run(const char *file, const char *text, bool by_bytes)
{
	struct dialogue dialogue = { .file = file, .by_bytes = by_bytes };
	bool begins_plain = strncmp(text, "plain\n", 6) == 0;
	struct slice rest = slice_of(text), line;
	buffer_init(&dialogue.segment, 64 << 20);
	driver_init(&dialogue.driver, !begins_plain);
	driver_pump(&dialogue.driver);
	while (slice_split(&rest, '\n', &line)) {
		char *copy = arena_string(dialogue.driver.arena, line);
		dialogue.line++;
		run_line(&dialogue, copy);
	}
	send_segment(&dialogue);
	struct slice left = buffer_slice(&dialogue.driver.output);
	ck_assert_msg(
		left.size == 0, "%s: unexpected reply: %.*s", file, SLICE_ARG(left));
	driver_done(&dialogue.driver);
	buffer_done(&dialogue.segment);
}

START_TEST(a_dialogue_goes_as_written)
{
	char path[512], text[65536];
	snprintf(path, sizeof(path), "%s/%s", FOLDER, files[_i]->d_name);
	FILE *stream = fopen(path, "r");
	ck_assert_msg(stream, "%s", path);
	size_t size = fread(text, 1, sizeof(text) - 1, stream);
	ck_assert_uint_lt(size, sizeof(text) - 1);
	text[size] = '\0';
	fclose(stream);
	run(files[_i]->d_name, text, false);
	if (!strstr(text, "\nwhole\n"))
		run(files[_i]->d_name, text, true);
}
END_TEST

START_TEST(the_dialogues_are_there)
{
	ck_assert_int_ge(file_count, 60);
}
END_TEST

START_TEST(verbs_have_names_of_their_own_and_states)
{
	for (const struct verb *const *a = verb_registry; *a; a++) {
		ck_assert((*a)->name && (*a)->act && (*a)->states);
		for (const struct verb *const *b = a + 1; *b; b++)
			ck_assert_str_ne((*a)->name, (*b)->name);
	}
}
END_TEST

START_TEST(an_idle_session_keeps_no_buffers)
{
	struct driver driver;
	driver_init(&driver, true);
	driver_feed(
		&driver, SLICE("EHLO client.example\r\nAUTH PLAIN AHNob3AAc2VjcmV0\r\n"
			       "MAIL FROM:<bounces@shop.example>\r\n"
			       "RCPT TO:<ann@customer.example>\r\nDATA\r\n"
			       "From: a@shop.example\r\n\r\nHello\r\n.\r\n"));
	ck_assert_uint_eq(driver.stored, 1);
	ck_assert_uint_eq(driver.held_bytes, 0);
	ck_assert_uint_eq(session_output(driver.session).size, 0);
	ck_assert_ptr_null(session_output(driver.session).data);
	driver_done(&driver);
}
END_TEST

static int is_dialogue(const struct dirent *entry)
{
	return strstr(entry->d_name, ".dialogue") != NULL;
}

Suite *session_suite(void)
{
	Suite *suite = suite_create("session");
	TCase *all = tcase_create("all");
	file_count = scandir(FOLDER, &files, is_dialogue, alphasort);
	tcase_add_loop_test(all, a_dialogue_goes_as_written, 0, file_count);
	tcase_add_test(all, the_dialogues_are_there);
	tcase_add_test(all, verbs_have_names_of_their_own_and_states);
	tcase_add_test(all, an_idle_session_keeps_no_buffers);
	suite_add_tcase(suite, all);
	return suite;
}
