/* SPDX-License-Identifier: MIT */
#include "tests/bench/load/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/memory.h"

enum step {
	STEP_GREETING,
	STEP_EHLO,
	STEP_STARTTLS,
	STEP_EHLO_TLS,
	STEP_AUTH,
	STEP_READY,
	STEP_MAIL,
	STEP_RCPT,
	STEP_DATA,
	STEP_DOT,
};

static const unsigned wanted[] = { [STEP_GREETING] = 220,
	[STEP_EHLO] = 250,
	[STEP_STARTTLS] = 220,
	[STEP_EHLO_TLS] = 250,
	[STEP_AUTH] = 235,
	[STEP_MAIL] = 250,
	[STEP_RCPT] = 250,
	[STEP_DATA] = 354 };

static void fail(struct client *client, const char *why)
{
	char text[1200];
	snprintf(text, sizeof(text), "step %u: %s", client->step, why);
	client->office->failed(client->office->with, client, text);
}

static void watch_for_room(struct client *client, bool wants_room)
{
	if (client->wants_room == wants_room)
		return;
	client->wants_room = wants_room;
	watch_change(client->watch, LOOP_READ | (wants_room ? LOOP_WRITE : 0));
}

/* As much as the connection takes; in TLS a record at a time. */
static bool flush(struct client *client)
{
	for (size_t i = 0; i < CONTENT_PIECES; i++) {
		struct content_piece *piece = &client->out[i];
		while (piece->size) {
			ssize_t gone = stream_write(
				&client->stream, piece->bytes, piece->size);
			if (gone == STREAM_ENDED) {
				fail(client, "cannot write");
				return false;
			}
			if (gone == STREAM_WAITS) {
				watch_for_room(
					client, stream_wants_room(&client->stream));
				return true;
			}
			piece->bytes += gone;
			piece->size -= (size_t)gone;
		}
	}
	watch_for_room(client, false);
	if (client->step == STEP_DOT)
		client->office->sent(client->office->with, client);
	return true;
}

static void write_out(struct client *client, enum step step, size_t size)
{
	client->step = step;
	client->out[0] = (struct content_piece){ client->room, size };
	flush(client);
}

static void command(struct client *client, enum step step, const char *text)
{
	size_t size = strlen(text);
	memcpy(client->room, text, size);
	write_out(client, step, size);
}

void client_send(struct client *client, size_t message)
{
	const struct load_plan *plan = client->office->plan;
	bool is_aside = plan->aside_every && message % plan->aside_every == 0;
	size_t domain = plan->aside_every ? message / plan->aside_every : message;
	client->message = message;
	int size = snprintf(client->room, CONTENT_HEAD,
		"MAIL FROM:<%s>\r\nRCPT TO:<u%zu@d%zu.%s>\r\nDATA\r\n", plan->from,
		message, domain % plan->domains, is_aside ? plan->aside : plan->domain);
	write_out(client, STEP_MAIL, (size_t)size);
}

static void send_content(struct client *client)
{
	client->step = STEP_DOT;
	content_pieces(
		client->office->content, client->message, client->room, client->out);
	flush(client);
}

static void get_ready(struct client *client)
{
	const struct client_office *office = client->office;
	client->step = STEP_READY;
	office->ready(office->with, client);
}

static void log_in(struct client *client)
{
	const struct client_office *office = client->office;
	bool is_plain = office->plan->is_plain;
	switch ((enum step)client->step) {
	case STEP_GREETING:
		command(client, is_plain ? STEP_EHLO_TLS : STEP_EHLO, "EHLO bench\r\n");
		break;
	case STEP_EHLO:
		command(client, STEP_STARTTLS, "STARTTLS\r\n");
		break;
	case STEP_STARTTLS:
		stream_start_tls(&client->stream, office->tls);
		command(client, STEP_EHLO_TLS, "EHLO bench\r\n");
		break;
	case STEP_EHLO_TLS:
		if (is_plain)
			get_ready(client);
		else
			command(client, STEP_AUTH, client->auth);
		break;
	default:
		get_ready(client);
	}
}

/* The final line of a reply moves the client one step on. */
static bool on_reply(struct client *client, unsigned code, const char *line)
{
	if (client->step == STEP_DOT) {
		client->step = STEP_READY;
		client->office->answered(client->office->with, client, code);
		return true;
	}
	if (client->step == STEP_READY || code != wanted[client->step]) {
		fail(client, line);
		return false;
	}
	if (client->step < STEP_READY)
		log_in(client);
	else if (client->step == STEP_DATA)
		send_content(client);
	else
		client->step++;
	return true;
}

static bool read_lines(struct client *client)
{
	char *line = client->in, *end = client->in + client->in_size, *stop;
	while ((stop = memchr(line, '\n', (size_t)(end - line)))) {
		*stop = '\0';
		bool is_last = stop - line >= 4 && line[3] != '-';
		if (is_last && !on_reply(client, (unsigned)strtoul(line, NULL, 10), line))
			return false;
		line = stop + 1;
	}
	client->in_size = (size_t)(end - line);
	memmove(client->in, line, client->in_size);
	return true;
}

static void on_ready(void *with, unsigned what)
{
	struct client *client = with;
	if (what & LOOP_WRITE && !flush(client))
		return;
	for (;;) {
		ssize_t got = stream_read(&client->stream, client->in + client->in_size,
			sizeof(client->in) - client->in_size);
		if (got == STREAM_WAITS)
			break;
		if (got == STREAM_ENDED) {
			fail(client, "closed by the server");
			return;
		}
		client->in_size += (size_t)got;
		if (!read_lines(client))
			return;
	}
	/* The handshake's answer goes out with what was to be written. */
	if (client->out[0].size && !client->wants_room)
		flush(client);
}

bool client_open(
	struct client *client, const struct client_office *office, const char *auth)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(office->plan->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;
	*client = (struct client){ .office = office,
		.auth = auth,
		.room = memory_new(CONTENT_HEAD + CONTENT_DIGITS) };
	client->stream.fd = socket(
		AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(client->stream.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	client->watch = watch_new(
		office->loop, client->stream.fd, LOOP_READ, on_ready, client);
	return connect(client->stream.fd, (struct sockaddr *)&to, sizeof(to)) == 0 ||
	       errno == EINPROGRESS;
}

void client_close(struct client *client)
{
	watch_free(client->watch);
	stream_close(&client->stream);
	free(client->room);
}
