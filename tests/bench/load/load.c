/* SPDX-License-Identifier: MIT */
#include "tests/bench/load/load.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/evp.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/loop.h"
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

struct message {
	int64_t due_us, dot_us, answer_us;
	unsigned code;
};

struct load;

struct client {
	struct load *load;
	struct client *next_ready;
	struct bufferevent *stream;
	enum step step;
	size_t message; /* the one it is sending */
};

struct load {
	const struct load_plan *plan;
	struct loop *loop;
	struct timer *pace;
	struct watch *stop;
	SSL_CTX *tls;
	struct client *clients, *ready;
	struct message *messages;
	char *body;
	size_t body_bytes;
	size_t logged_in, next, answered, good, lost;
	int64_t started_us;
	char *auth;
};

static const char words[] =
	"Your order is on its way and will reach you soon. Thank you. ";

/* Text and HTML alternatives, together about `bytes` long. */
static void build_body(struct load *load)
{
	size_t room = load->plan->bytes + 1024;
	load->body = memory_new(room);
	FILE *out = fmemopen(load->body, room, "w");
	size_t each = load->plan->bytes > 900 ? (load->plan->bytes - 600) / 2 : 100;
	for (int part = 0; part < 2; part++) {
		fprintf(out, "--=_b\r\nContent-Type: text/%s; charset=utf-8\r\n\r\n",
			part ? "html" : "plain");
		for (size_t at = 0; at < each; at += 80)
			fprintf(out, part ? "<p>%.*s</p>%08zx\r\n" : "%.*s%15zx\r\n",
				part ? (int)sizeof(words) - 1 : (int)sizeof(words) - 1,
				words, at);
	}
	fputs("--=_b--\r\n.\r\n", out);
	fflush(out);
	load->body_bytes = (size_t)ftell(out);
	fclose(out);
}

static void command(struct client *client, enum step step, const char *text)
{
	client->step = step;
	evbuffer_add(bufferevent_get_output(client->stream), text, strlen(text));
}

static void send_envelope(struct client *client)
{
	const struct load_plan *plan = client->load->plan;
	client->step = STEP_MAIL;
	evbuffer_add_printf(bufferevent_get_output(client->stream),
		"MAIL FROM:<%s>\r\nRCPT TO:<u%zu@d%zu.%s>\r\nDATA\r\n", plan->from,
		client->message, client->message % plan->domains, plan->domain);
}

static void send_content(struct client *client)
{
	struct load *load = client->load;
	const struct load_plan *plan = load->plan;
	struct evbuffer *out = bufferevent_get_output(client->stream);
	evbuffer_add_printf(out,
		"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nFrom: Shop <%s>\r\n"
		"To: <u%zu@d%zu.%s>\r\nSubject: Your order %zu\r\nMessage-ID: <%s-%zu@bench>\r\n"
		"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"=_b\"\r\n"
		"\r\n",
		plan->from, client->message, client->message % plan->domains,
		plan->domain, client->message, plan->prefix, client->message);
	evbuffer_add_reference(out, load->body, load->body_bytes, NULL, NULL);
	load->messages[client->message].dot_us = clock_unix_us();
	client->step = STEP_DOT;
}

static bool is_open_loop(const struct load *load)
{
	return load->plan->rate > 0;
}

static void start_message(struct client *client)
{
	struct load *load = client->load;
	client->message = load->next++;
	if (!is_open_loop(load))
		load->messages[client->message].due_us = clock_unix_us();
	send_envelope(client);
}

static void now_ready(struct client *client)
{
	struct load *load = client->load;
	client->step = STEP_READY;
	if (load->plan->is_idle)
		return;
	bool is_started = load->started_us != 0;
	if (is_started && !is_open_loop(load) && load->next < load->plan->count) {
		start_message(client);
		return;
	}
	client->next_ready = load->ready;
	load->ready = client;
}

/* The messages that are due are given to clients that are ready; the others wait. */
static void on_pace(void *with)
{
	struct load *load = with;
	int64_t now_us = clock_unix_us();
	while (load->ready && load->next < load->plan->count &&
		load->messages[load->next].due_us <= now_us) {
		struct client *client = load->ready;
		load->ready = client->next_ready;
		start_message(client);
	}
	if (load->next < load->plan->count)
		timer_start(load->pace, 1);
}

static void start_all(struct load *load)
{
	while (load->ready && load->next < load->plan->count) {
		struct client *client = load->ready;
		load->ready = client->next_ready;
		start_message(client);
	}
}

static void all_logged_in(struct load *load)
{
	printf("{\"logged_in\": %zu}\n", load->logged_in);
	fflush(stdout);
	load->started_us = clock_unix_us();
	if (!is_open_loop(load)) {
		start_all(load);
		return;
	}
	for (size_t i = 0; i < load->plan->count; i++)
		load->messages[i].due_us = load->started_us +
					   (int64_t)((double)i * 1e6 / load->plan->rate);
	timer_start(load->pace, 0);
}

static void logged_in(struct client *client)
{
	struct load *load = client->load;
	now_ready(client);
	if (++load->logged_in == load->plan->connections)
		all_logged_in(load);
}

static void answered(struct client *client, unsigned code)
{
	struct load *load = client->load;
	struct message *message = &load->messages[client->message];
	message->answer_us = clock_unix_us();
	message->code = code;
	load->good += code == 250;
	if (++load->answered == load->plan->count)
		loop_stop(load->loop);
	else
		now_ready(client);
}

static void on_event(struct bufferevent *stream, short what, void *with);
static void on_read(struct bufferevent *stream, void *with);

static void start_tls(struct client *client)
{
	SSL *ssl = SSL_new(client->load->tls);
	client->stream = bufferevent_openssl_filter_new(loop_base(client->load->loop),
		client->stream, ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(client->stream, on_read, NULL, on_event, client);
	bufferevent_enable(client->stream, EV_READ | EV_WRITE);
}

static void fail(struct client *client, const char *line)
{
	fprintf(stderr, "bench-load: step %d of message %zu: %s\n", client->step,
		client->message, line);
	client->load->lost++;
	loop_stop(client->load->loop);
}

/* The final line of a reply moves the client one step on. */
static void on_reply(struct client *client, unsigned code, const char *line)
{
	static const unsigned wanted[] = { [STEP_GREETING] = 220,
		[STEP_EHLO] = 250,
		[STEP_STARTTLS] = 220,
		[STEP_EHLO_TLS] = 250,
		[STEP_AUTH] = 235,
		[STEP_MAIL] = 250,
		[STEP_RCPT] = 250,
		[STEP_DATA] = 354 };
	if (client->step == STEP_DOT) {
		answered(client, code);
		return;
	}
	if (client->step == STEP_READY || code != wanted[client->step]) {
		fail(client, line);
		return;
	}
	switch (client->step) {
	case STEP_GREETING:
		command(client, STEP_EHLO, "EHLO bench\r\n");
		break;
	case STEP_EHLO:
		command(client, STEP_STARTTLS, "STARTTLS\r\n");
		break;
	case STEP_STARTTLS:
		client->step = STEP_EHLO_TLS;
		start_tls(client);
		break;
	case STEP_EHLO_TLS:
		command(client, STEP_AUTH, client->load->auth);
		break;
	case STEP_AUTH:
		logged_in(client);
		break;
	case STEP_MAIL:
		client->step = STEP_RCPT;
		break;
	case STEP_RCPT:
		client->step = STEP_DATA;
		break;
	case STEP_DATA:
		send_content(client);
		break;
	case STEP_READY:
	case STEP_DOT:
		break;
	}
}

static void on_read(struct bufferevent *stream, void *with)
{
	struct client *client = with;
	char *line;
	while ((line = evbuffer_readln(bufferevent_get_input(client->stream), NULL,
			EVBUFFER_EOL_CRLF))) {
		if (strlen(line) >= 4 && line[3] != '-')
			on_reply(client, (unsigned)strtoul(line, NULL, 10), line);
		free(line);
		if (client->stream != stream)
			return;
	}
}

static void on_event(struct bufferevent *stream, short what, void *with)
{
	struct client *client = with;
	if (what & BEV_EVENT_CONNECTED) {
		int one = 1;
		setsockopt(bufferevent_getfd(stream), IPPROTO_TCP, TCP_NODELAY, &one,
			sizeof(one));
		if (client->step == STEP_EHLO_TLS)
			command(client, STEP_EHLO_TLS, "EHLO bench\r\n");
		return;
	}
	fail(client, what & BEV_EVENT_EOF ? "closed by the server" : "connection error");
}

static void open_client(struct client *client, struct load *load)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(load->plan->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	*client = (struct client){ .load = load };
	client->stream = bufferevent_socket_new(
		loop_base(load->loop), -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(client->stream, on_read, NULL, on_event, client);
	bufferevent_enable(client->stream, EV_READ | EV_WRITE);
	bufferevent_socket_connect(client->stream, (struct sockaddr *)&to, sizeof(to));
}

/* RFC 4616. */
static char *auth_plain(const struct load_plan *plan)
{
	char raw[512], coded[700];
	int size = snprintf(raw, sizeof(raw), "%c%s%c%s", 0, plan->user, 0, plan->secret);
	EVP_EncodeBlock((unsigned char *)coded, (unsigned char *)raw, size);
	char *text = memory_new(800);
	snprintf(text, 800, "AUTH PLAIN %s\r\n", coded);
	return text;
}

static void on_stop(void *with, unsigned what)
{
	loop_stop(with);
}

static void write_results(const struct load *load)
{
	FILE *out = fopen(load->plan->out, "w");
	for (size_t i = 0; out && i < load->plan->count; i++) {
		const struct message *m = &load->messages[i];
		if (m->answer_us)
			fprintf(out, "%s-%zu %lld %lld %lld %u\n", load->plan->prefix, i,
				(long long)m->due_us, (long long)m->dot_us,
				(long long)m->answer_us, m->code);
	}
	if (!out || fclose(out))
		perror(load->plan->out);
	printf("{\"good\": %zu, \"answered\": %zu, \"seconds\": %.3f}\n", load->good,
		load->answered, (double)(clock_unix_us() - load->started_us) / 1e6);
}

int load_run(const struct load_plan *plan)
{
	struct load load = { .plan = plan, .loop = loop_new() };
	load.tls = SSL_CTX_new(TLS_client_method());
	load.auth = auth_plain(plan);
	load.messages = NEW_ARRAY(struct message, plan->count);
	load.clients = NEW_ARRAY(struct client, plan->connections);
	load.pace = timer_new(load.loop, on_pace, &load);
	load.stop = watch_signal(load.loop, SIGTERM, on_stop, load.loop);
	build_body(&load);
	for (size_t i = 0; i < plan->connections; i++)
		open_client(&load.clients[i], &load);
	loop_run(load.loop);
	write_results(&load);
	return load.lost || (!plan->is_idle && load.good != plan->count);
}
