/* SPDX-License-Identifier: MIT */
#include "tests/bench/sink/session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/memory.h"
#include "tests/bench/stream.h"

#define TARPIT_MS 5000
#define HEAD_SIZE 8192 /* of a message; its header fits */
#define LINE_SIZE 4096
#define WINDOW    600 /* where the end of the data is looked for */

struct session {
	const struct session_door *door;
	struct stream stream;
	struct watch *watch;
	struct timer *late; /* of the tarpit */
	bool in_data, starts_tls;
	int sample;  /* file, or -1 */
	size_t size; /* of the message so far */
	size_t head_size, line_size;
	char tail[4]; /* the last bytes seen */
	char head[HEAD_SIZE], lines[LINE_SIZE];
};

/* One for all: what is read is dealt with at once. */
static char bytes[1 << 18];

static void session_free(struct session *session)
{
	timer_free(session->late);
	watch_free(session->watch);
	stream_close(&session->stream);
	if (session->sample >= 0)
		close(session->sample);
	free(session);
}

static void answer(struct session *session, const char *text)
{
	stream_write(&session->stream, text, strlen(text));
}

static const char *ehlo(const struct session *session)
{
	if (session->door->manner != SINK_SUBMITS)
		return "250-bench\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE\r\n"
		       "250 ENHANCEDSTATUSCODES\r\n";
	return session->stream.tls ? "250-bench\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n"
				   : "250-bench\r\n250 STARTTLS\r\n";
}

static void begin_data(struct session *session)
{
	session->in_data = true;
	session->size = session->head_size = 0;
	memset(session->tail, 0, sizeof(session->tail));
	session->sample = session->door->sample(session->door->with);
	answer(session, "354 go\r\n");
}

static void on_command(struct session *session, const char *line)
{
	bool defers = session->door->manner == SINK_DEFERS;
	if (strncasecmp(line, "EHLO", 4) == 0)
		answer(session, ehlo(session));
	else if (strncasecmp(line, "STARTTLS", 8) == 0) {
		answer(session, "220 go\r\n");
		stream_start_tls(&session->stream, session->door->tls);
	} else if (strncasecmp(line, "AUTH", 4) == 0)
		answer(session, "235 2.7.0 ok\r\n");
	else if (strncasecmp(line, "RCPT", 4) == 0 && defers)
		answer(session, "451 4.3.0 later\r\n");
	else if (strncasecmp(line, "DATA", 4) == 0 && defers)
		answer(session, "503 5.5.1 no recipients\r\n");
	else if (strncasecmp(line, "DATA", 4) == 0)
		begin_data(session);
	else if (strncasecmp(line, "QUIT", 4) == 0)
		answer(session, "221 2.0.0 bye\r\n");
	else
		answer(session, "250 2.0.0 ok\r\n");
}

/* How many of these bytes belong to the message, with its final dot; 0 if that is not
 * among them. A client may send commands right behind it, but few. */
static size_t find_end(const struct session *session, const char *data, size_t size)
{
	char window[sizeof(session->tail) + WINDOW];
	size_t last = size < WINDOW ? size : WINDOW;
	size_t before = sizeof(session->tail);
	if (size >= WINDOW + before)
		memcpy(window, data + size - last - before, before);
	else
		memcpy(window, session->tail, before);
	memcpy(window + before, data + size - last, last);
	const char *end = memmem(window, before + last, "\r\n.\r\n", 5);
	return end ? size - last + (size_t)(end - window) + 5 - before : 0;
}

static void keep_tail(struct session *session, const char *data, size_t size)
{
	size_t room = sizeof(session->tail);
	if (size < room) {
		memmove(session->tail, session->tail + size, room - size);
		memcpy(session->tail + room - size, data, size);
	} else {
		memcpy(session->tail, data + size - room, room);
	}
}

static void keep(struct session *session, const char *data, size_t size)
{
	size_t room = sizeof(session->head) - session->head_size;
	size_t kept = size < room ? size : room;
	memcpy(session->head + session->head_size, data, kept);
	session->head_size += kept;
	session->size += size;
	if (session->sample >= 0 && write(session->sample, data, size) != (ssize_t)size)
		abort();
}

/* Dots are not unstuffed: the mail is made of lines that don't begin with one. */
static size_t on_data(struct session *session, const char *data, size_t size)
{
	size_t end = find_end(session, data, size);
	if (!end) {
		keep(session, data, size);
		keep_tail(session, data, size);
		return size;
	}
	keep(session, data, end > 3 ? end - 3 : 0);
	session->in_data = false;
	if (session->sample >= 0)
		close(session->sample);
	session->sample = -1;
	session->door->take(
		session->door->with, session->head, session->head_size, session->size);
	answer(session, "250 2.0.0 taken\r\n");
	return end;
}

static bool is_slow(const struct session *session)
{
	return session->door->manner == SINK_TARPITS;
}

/* One command of those that wait; false if there is no whole one. */
static bool read_line(struct session *session)
{
	char *stop = memchr(session->lines, '\n', session->line_size);
	if (!stop)
		return false;
	*stop = '\0';
	on_command(session, session->lines);
	session->line_size -= (size_t)(stop + 1 - session->lines);
	memmove(session->lines, stop + 1, session->line_size);
	return true;
}

static size_t on_lines(struct session *session, const char *data, size_t size)
{
	size_t room = sizeof(session->lines) - session->line_size;
	const char *stop = memchr(data, '\n', size);
	size_t taken = stop ? (size_t)(stop + 1 - data) : size;
	if (taken > room)
		return 0;
	memcpy(session->lines + session->line_size, data, taken);
	session->line_size += taken;
	if (!is_slow(session))
		read_line(session);
	else if (!timer_is_running(session->late))
		timer_start(session->late, TARPIT_MS);
	return taken;
}

static void on_late(void *with)
{
	struct session *session = with;
	if (read_line(session) && memchr(session->lines, '\n', session->line_size))
		timer_start(session->late, TARPIT_MS);
}

static bool on_bytes(struct session *session, const char *data, size_t size)
{
	while (size) {
		size_t taken = session->in_data ? on_data(session, data, size)
						: on_lines(session, data, size);
		if (!taken)
			return false;
		data += taken;
		size -= taken;
	}
	return true;
}

static void on_ready(void *with, unsigned what)
{
	struct session *session = with;
	for (;;) {
		ssize_t got = stream_read(&session->stream, bytes, sizeof(bytes));
		if (got == STREAM_WAITS)
			return;
		if (got == STREAM_ENDED ||
			(session->door->manner != SINK_IS_SILENT &&
				!on_bytes(session, bytes, (size_t)got))) {
			session_free(session);
			return;
		}
		/* A plain connection that gave less than was asked for is empty. */
		if (!session->stream.tls && (size_t)got < sizeof(bytes))
			return;
	}
}

void session_open(const struct session_door *door, int fd)
{
	struct session *session = NEW(struct session);
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	session->door = door;
	session->stream.fd = fd;
	session->sample = -1;
	session->late = timer_new(door->loop, on_late, session);
	session->watch = watch_new(door->loop, fd, LOOP_READ, on_ready, session);
	if (door->manner != SINK_IS_SILENT)
		answer(session, "220 bench ESMTP\r\n");
}
