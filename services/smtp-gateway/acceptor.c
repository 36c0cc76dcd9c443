/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/acceptor.h"

#include <arpa/inet.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/memory.h"
#include "lib/slice.h"

#define BACKLOG 1024
#define REST_MS 200

struct acceptor {
	struct evconnlistener *listener;
	struct timer *rest;
	acceptor_taken *taken;
	void *with;
};

static void print_address(const struct sockaddr *where, char text[INET6_ADDRSTRLEN])
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)where;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)where;
	text[0] = '\0';
	if (where->sa_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, text, INET6_ADDRSTRLEN);
	else if (where->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, INET6_ADDRSTRLEN);
	else if (where->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, text, INET6_ADDRSTRLEN);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *where, int size, void *with)
{
	(void)listener, (void)size;
	struct acceptor *acceptor = with;
	char address[INET6_ADDRSTRLEN];
	int on = 1;
	print_address(where, address);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	acceptor->taken(acceptor->with, fd, address);
}

/* Mostly EMFILE: the connection stays in the backlog, and accept() would fail again at
 * once, as fast as it can. */
static void on_error(struct evconnlistener *listener, void *with)
{
	struct acceptor *acceptor = with;
	evconnlistener_disable(listener);
	timer_start(acceptor->rest, REST_MS);
}

static void on_rested(void *with)
{
	struct acceptor *acceptor = with;
	evconnlistener_enable(acceptor->listener);
}

static struct addrinfo *look_up(const char *where, struct fault *fault)
{
	const char *colon = strrchr(where, ':');
	struct slice host = { where, colon ? (size_t)(colon - where) : 0 };
	if (host.size > 2 && host.data[0] == '[')
		host = (struct slice){ host.data + 1, host.size - 2 };
	char name[256];
	snprintf(name, sizeof(name), "%.*s", SLICE_ARG(host));
	const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int code = colon ? getaddrinfo(name, colon + 1, &hints, &found) : EAI_NONAME;
	if (code)
		fault_fatal(fault, "can't listen on %s: %s", where, gai_strerror(code));
	return found;
}

struct acceptor *acceptor_open(struct loop *loop, const char *where,
	acceptor_taken *taken, void *with, struct fault *fault)
{
	struct addrinfo *found = look_up(where, fault);
	if (!found)
		return NULL;
	struct acceptor *acceptor = NEW(struct acceptor);
	*acceptor = (struct acceptor){ .taken = taken, .with = with };
	acceptor->rest = timer_new(loop, on_rested, acceptor);
	acceptor->listener = evconnlistener_new_bind(loop_base(loop), on_accept, acceptor,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
		BACKLOG, found->ai_addr, (int)found->ai_addrlen);
	freeaddrinfo(found);
	if (!acceptor->listener) {
		fault_fatal(fault, "can't listen on %s: %s", where,
			evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
		acceptor_close(acceptor);
		return NULL;
	}
	evconnlistener_set_error_cb(acceptor->listener, on_error);
	return acceptor;
}

void acceptor_close(struct acceptor *acceptor)
{
	if (!acceptor)
		return;
	timer_free(acceptor->rest);
	if (acceptor->listener)
		evconnlistener_free(acceptor->listener);
	free(acceptor);
}

uint16_t acceptor_port(const struct acceptor *acceptor)
{
	struct sockaddr_in6 where = { 0 };
	socklen_t size = sizeof(where);
	getsockname(evconnlistener_get_fd(acceptor->listener), (struct sockaddr *)&where,
		&size);
	/* The port is at the same place in both families. */
	return ntohs(where.sin6_port);
}
