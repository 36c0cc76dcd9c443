/* SPDX-License-Identifier: MIT
 *
 * HTTP POSTs on the event loop (libcurl's multi interface behind it), to a host or to a
 * socket in the file system. Bounded in time and in what it takes as an answer; follows
 * no redirect, asks no proxy, keeps nothing. */
#ifndef SERVICES_SCANNER_HTTP_H
#define SERVICES_SCANNER_HTTP_H

#include "lib/fault.h"
#include "lib/loop.h"
#include "lib/slice.h"

struct http;

struct http_call {
	const char *url;
	const char *socket_path;    /* of a unix socket; NULL = as the URL says */
	const char *const *headers; /* "Name: value", ended by NULL; copied */
	/* Sent one after the other; borrowed until `done`. */
	const struct slice *body;
	size_t n_body;
	int64_t timeout_ms;
	size_t answer_max;
	/* Once, from the loop, never within http_post(). `fault` (FAULT_TEMPORARY) set:
	 * there is no answer; otherwise any status. */
	void (*done)(
		void *with, int status, struct slice answer, const struct fault *fault);
	void *with;
};

struct http *http_open(struct loop *loop);
/* What is under way is dropped; `done` is not called. */
void http_close(struct http *http);
void http_post(struct http *http, const struct http_call *call);

#endif
