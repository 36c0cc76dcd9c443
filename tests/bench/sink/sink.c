/* SPDX-License-Identifier: MIT */
#include "tests/bench/sink/sink.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"
#include "tests/bench/sink/session.h"

#define FLUSH_MS 20

struct sink {
	const struct sink_plan *plan;
	struct loop *loop;
	struct session_door doors[SINK_MANNERS];
	struct evconnlistener *listeners[SINK_MANNERS];
	SSL_CTX *tls;
	FILE *out;
	struct timer *flush;
	size_t begun;
};

static size_t count_signatures(const char *head, size_t size)
{
	const char *end = memmem(head, size, "\r\n\r\n", 4);
	size_t count = 0;
	for (const char *at = head; end && at < end; count++) {
		at = memmem(at, (size_t)(end - at), "DKIM-Signature:", 15);
		if (!at)
			break;
		at += 15;
	}
	return count;
}

static void take(void *with, const char *head, size_t head_size, size_t size)
{
	struct sink *sink = with;
	int64_t now_us = clock_unix_us();
	const char *token = memmem(head, head_size, "Message-ID: <", 13);
	token = token ? token + 13 : "?@";
	fprintf(sink->out, "%.*s %lld %zu %zu\n", (int)strcspn(token, "@>\r"), token,
		(long long)now_us, size, count_signatures(head, head_size));
	if (!timer_is_running(sink->flush))
		timer_start(sink->flush, FLUSH_MS);
}

static void on_flush(void *with)
{
	struct sink *sink = with;
	fflush(sink->out);
}

static int sample(void *with)
{
	struct sink *sink = with;
	char path[4096];
	if (!sink->plan->samples || sink->begun++ % sink->plan->sample)
		return -1;
	snprintf(path, sizeof(path), "%s/%zu.eml", sink->plan->samples, sink->begun);
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *address, int size, void *with)
{
	session_open(with, fd);
}

static bool open_door(struct sink *sink, enum sink_manner manner)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((unsigned short)sink->plan->ports[manner]),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct session_door *door = &sink->doors[manner];
	*door = (struct session_door){ .manner = manner,
		.loop = sink->loop,
		.tls = sink->tls,
		.with = sink,
		.take = take,
		.sample = sample };
	sink->listeners[manner] = evconnlistener_new_bind(loop_base(sink->loop),
		on_accept, door, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 1024,
		(struct sockaddr *)&at, sizeof(at));
	if (!sink->listeners[manner])
		perror("bench-sink: listen");
	return sink->listeners[manner] != NULL;
}

static bool open_tls(struct sink *sink)
{
	const struct sink_plan *plan = sink->plan;
	if (!plan->ports[SINK_SUBMITS])
		return true;
	sink->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_read_ahead(sink->tls, 1);
	if (SSL_CTX_use_certificate_chain_file(sink->tls, plan->certificate) == 1 &&
		SSL_CTX_use_PrivateKey_file(sink->tls, plan->key, SSL_FILETYPE_PEM) == 1)
		return true;
	fprintf(stderr, "bench-sink: cannot use %s\n", plan->certificate);
	return false;
}

struct sink *sink_open(const struct sink_plan *plan, struct loop *loop)
{
	struct sink *sink = NEW(struct sink);
	*sink = (struct sink){ .plan = plan, .loop = loop, .out = fopen(plan->out, "a") };
	if (!sink->out) {
		perror(plan->out);
		return NULL;
	}
	setvbuf(sink->out, NULL, _IOFBF, 1 << 16);
	sink->flush = timer_new(loop, on_flush, sink);
	if (!open_tls(sink))
		return NULL;
	for (int i = 0; i < SINK_MANNERS; i++)
		if (plan->ports[i] && !open_door(sink, (enum sink_manner)i))
			return NULL;
	return sink;
}

void sink_close(struct sink *sink)
{
	for (int i = 0; i < SINK_MANNERS; i++)
		if (sink->listeners[i])
			evconnlistener_free(sink->listeners[i]);
	timer_free(sink->flush);
	fclose(sink->out);
	SSL_CTX_free(sink->tls);
	free(sink);
}
