/* SPDX-License-Identifier: MIT */
#include "tests/bench/sink/sink.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"

#define TARPIT_MS 5000

struct door {
	struct sink *sink;
	struct evconnlistener *listener;
	enum sink_manner manner;
};

struct sink {
	const struct sink_plan *plan;
	struct loop *loop;
	struct door doors[SINK_MANNERS];
	FILE *out;
	size_t taken;
};

struct session {
	struct door *door;
	struct bufferevent *stream;
	struct timer *late; /* of the tarpit */
	size_t seen;        /* bytes of the data in which no end was found */
	bool in_data;
};

static void answer(struct session *session, const char *text)
{
	evbuffer_add(bufferevent_get_output(session->stream), text, strlen(text));
}

static void on_command(struct session *session, const char *line)
{
	bool defers = session->door->manner == SINK_DEFERS;
	if (strncasecmp(line, "EHLO", 4) == 0)
		answer(session,
			"250-bench\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE\r\n"
			"250 ENHANCEDSTATUSCODES\r\n");
	else if (strncasecmp(line, "RCPT", 4) == 0 && defers)
		answer(session, "451 4.3.0 later\r\n");
	else if (strncasecmp(line, "DATA", 4) == 0 && defers)
		answer(session, "503 5.5.1 no recipients\r\n");
	else if (strncasecmp(line, "DATA", 4) == 0) {
		session->in_data = true;
		session->seen = 0;
		answer(session, "354 go\r\n");
	} else if (strncasecmp(line, "QUIT", 4) == 0)
		answer(session, "221 2.0.0 bye\r\n");
	else
		answer(session, "250 2.0.0 ok\r\n");
}

static void store(const struct sink *sink, const char *content, size_t size)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%zu.eml", sink->plan->samples, sink->taken);
	FILE *file = fopen(path, "w");
	if (file && fwrite(content, 1, size, file) != size)
		perror(path);
	if (file)
		fclose(file);
}

static size_t count_signatures(const char *content, size_t size)
{
	const char *end = memmem(content, size, "\r\n\r\n", 4);
	size_t count = 0;
	for (const char *at = content; end && at < end; count++) {
		at = memmem(at, (size_t)(end - at), "DKIM-Signature:", 15);
		if (!at)
			break;
		at += 15;
	}
	return count;
}

/* Dots are not unstuffed: the samples are made of mail whose lines don't begin with one.
 */
static void take(struct session *session, const char *content, size_t size)
{
	struct sink *sink = session->door->sink;
	int64_t now_us = clock_unix_us();
	const char *token = memmem(content, size, "Message-ID: <", 13);
	token = token ? token + 13 : "?@";
	fprintf(sink->out, "%.*s %lld %zu %zu\n", (int)strcspn(token, "@>\r"), token,
		(long long)now_us, size, count_signatures(content, size));
	if (sink->plan->samples && sink->taken++ % sink->plan->sample == 0)
		store(sink, content, size);
}

static bool read_data(struct session *session, struct evbuffer *in)
{
	struct evbuffer_ptr from;
	evbuffer_ptr_set(in, &from, session->seen, EVBUFFER_PTR_SET);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n.\r\n", 5, &from);
	if (end.pos < 0) {
		size_t size = evbuffer_get_length(in);
		session->seen = size > 4 ? size - 4 : 0;
		return false;
	}
	size_t size = (size_t)end.pos + 2;
	take(session, (const char *)evbuffer_pullup(in, (ev_ssize_t)size), size);
	evbuffer_drain(in, size + 3);
	session->in_data = false;
	answer(session, "250 2.0.0 taken\r\n");
	return true;
}

static bool read_command(struct session *session, struct evbuffer *in)
{
	char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF);
	if (!line)
		return false;
	on_command(session, line);
	free(line);
	return true;
}

static void read_all(void *with)
{
	struct session *session = with;
	struct evbuffer *in = bufferevent_get_input(session->stream);
	while (session->in_data ? read_data(session, in) : read_command(session, in))
		;
}

static void on_read(struct bufferevent *stream, void *with)
{
	struct session *session = with;
	if (session->door->manner == SINK_TAKES || session->door->manner == SINK_DEFERS)
		read_all(session);
	else if (session->door->manner == SINK_TARPITS &&
		 !timer_is_running(session->late))
		timer_start(session->late, TARPIT_MS);
}

static void on_event(struct bufferevent *stream, short what, void *with)
{
	struct session *session = with;
	timer_free(session->late);
	bufferevent_free(stream);
	free(session);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *address, int size, void *with)
{
	struct door *door = with;
	struct session *session = NEW(struct session);
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	session->door = door;
	session->late = timer_new(door->sink->loop, read_all, session);
	session->stream = bufferevent_socket_new(
		loop_base(door->sink->loop), fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(session->stream, on_read, NULL, on_event, session);
	bufferevent_enable(session->stream, EV_READ | EV_WRITE);
	if (door->manner != SINK_IS_SILENT)
		answer(session, "220 bench ESMTP\r\n");
}

struct sink *sink_open(const struct sink_plan *plan, struct loop *loop)
{
	struct sink *sink = NEW(struct sink);
	*sink = (struct sink){ .plan = plan, .loop = loop, .out = fopen(plan->out, "a") };
	if (!sink->out) {
		perror(plan->out);
		return NULL;
	}
	setvbuf(sink->out, NULL, _IOLBF, 0);
	for (int i = 0; i < SINK_MANNERS; i++) {
		if (!plan->ports[i])
			continue;
		struct door *door = &sink->doors[i];
		struct sockaddr_in at = { .sin_family = AF_INET,
			.sin_port = htons((unsigned short)plan->ports[i]),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		*door = (struct door){ .sink = sink, .manner = (enum sink_manner)i };
		door->listener = evconnlistener_new_bind(loop_base(loop), on_accept, door,
			LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 1024,
			(struct sockaddr *)&at, sizeof(at));
		if (!door->listener) {
			perror("bench-sink: listen");
			return NULL;
		}
	}
	return sink;
}

void sink_close(struct sink *sink)
{
	for (int i = 0; i < SINK_MANNERS; i++)
		if (sink->doors[i].listener)
			evconnlistener_free(sink->doors[i].listener);
	fclose(sink->out);
	free(sink);
}
