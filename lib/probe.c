/* SPDX-License-Identifier: MIT */
#include "lib/probe.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/memory.h"
#include "lib/metrics.h"

#define HEADER_CEILING  8192
#define BODY_CEILING    1024
#define REQUEST_SECONDS 10
#define PAGE_CEILING    ((size_t)4 << 20)

struct probe {
	struct evhttp *http;
	probe_ready *is_ready;
	void *with;
	char address[INET6_ADDRSTRLEN + 10];
};

static void answer(struct evhttp_request *request, int code, struct slice body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	evhttp_add_header(headers, "Content-Type", "text/plain; version=0.0.4");
	evhttp_add_header(headers, "Cache-Control", "no-store");
	struct evbuffer *out = evhttp_request_get_output_buffer(request);
	if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD)
		evbuffer_add(out, body.data, body.size);
	evhttp_send_reply(request, code, NULL, NULL);
}

static void answer_health(struct evhttp_request *request, void *with)
{
	(void)with;
	answer(request, HTTP_OK, SLICE("ok\n"));
}

static void answer_ready(struct evhttp_request *request, void *with)
{
	struct probe *probe = with;
	struct fault why = { 0 };
	if (probe->is_ready(probe->with, &why)) {
		answer(request, HTTP_OK, SLICE("ready\n"));
		return;
	}
	char body[sizeof(why.text) + 16];
	snprintf(body, sizeof(body), "not ready: %s\n", why.text);
	answer(request, HTTP_SERVUNAVAIL, slice_of(body));
}

static void answer_metrics(struct evhttp_request *request, void *with)
{
	(void)with;
	CLEANUP(buffer_done) struct buffer page;
	buffer_init(&page, PAGE_CEILING);
	if (metrics_print(&page))
		answer(request, HTTP_OK, buffer_slice(&page));
	else
		answer(request, HTTP_INTERNAL, SLICE("more than 4 MB of metrics\n"));
}

static void answer_other(struct evhttp_request *request, void *with)
{
	(void)with;
	answer(request, HTTP_NOTFOUND, SLICE("/healthz, /readyz or /metrics\n"));
}

static void note_address(struct probe *probe, int fd)
{
	/* The port stands at the same place for both families. */
	struct sockaddr_in6 where = { 0 };
	socklen_t size = sizeof(where);
	getsockname(fd, (struct sockaddr *)&where, &size);
	bool is_v6 = where.sin6_family == AF_INET6;
	const void *number = &where.sin6_addr;
	if (!is_v6)
		number = &((struct sockaddr_in *)&where)->sin_addr;
	char text[INET6_ADDRSTRLEN] = "";
	inet_ntop(where.sin6_family, number, text, sizeof(text));
	snprintf(probe->address, sizeof(probe->address), is_v6 ? "[%s]:%u" : "%s:%u",
		text, ntohs(where.sin6_port));
}

/* HOST may be a name, so it is cut off here and resolved by evhttp. */
static bool bind_to(struct probe *probe, const char *address, struct fault *fault)
{
	const char *colon = strrchr(address, ':');
	struct slice host = { address, colon ? (size_t)(colon - address) : 0 };
	if (host.size > 2 && host.data[0] == '[')
		host = (struct slice){ host.data + 1, host.size - 2 };
	char name[256];
	snprintf(name, sizeof(name), "%.*s", SLICE_ARG(host));
	unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
	struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(
		probe->http, name, (uint16_t)port);
	if (!bound)
		return fault_fatal(fault, "can't listen on %s: %s", address,
			evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	note_address(probe, evhttp_bound_socket_get_fd(bound));
	return true;
}

struct probe *probe_open(struct loop *loop, const char *address, probe_ready *is_ready,
	void *with, struct fault *fault)
{
	struct probe *probe = NEW(struct probe);
	*probe = (struct probe){ .is_ready = is_ready, .with = with };
	probe->http = evhttp_new(loop_base(loop));
	evhttp_set_allowed_methods(probe->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(probe->http, HEADER_CEILING);
	evhttp_set_max_body_size(probe->http, BODY_CEILING);
	evhttp_set_timeout(probe->http, REQUEST_SECONDS);
	evhttp_set_cb(probe->http, "/healthz", answer_health, probe);
	evhttp_set_cb(probe->http, "/readyz", answer_ready, probe);
	evhttp_set_cb(probe->http, "/metrics", answer_metrics, probe);
	evhttp_set_gencb(probe->http, answer_other, probe);
	if (bind_to(probe, address, fault))
		return probe;
	probe_close(probe);
	return NULL;
}

const char *probe_address(const struct probe *probe)
{
	return probe->address;
}

void probe_close(struct probe *probe)
{
	if (!probe)
		return;
	evhttp_free(probe->http);
	free(probe);
}
