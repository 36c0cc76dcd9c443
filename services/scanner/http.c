/* SPDX-License-Identifier: MIT */
#include "services/scanner/http.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/memory.h"

#define CONNECTIONS_MAX 64L

struct http {
	struct loop *loop;
	CURLM *multi;
	struct timer *timer;
	struct request *requests;
};

struct request {
	struct request *next, **at; /* in the list of the http */
	struct http *http;
	struct http_call call;
	CURL *easy;
	struct curl_slist *headers;
	size_t part, sent; /* what of the body has been read */
	struct buffer answer;
	char error[CURL_ERROR_SIZE];
};

static void free_request(struct request *request)
{
	*request->at = request->next;
	if (request->next)
		request->next->at = request->at;
	curl_multi_remove_handle(request->http->multi, request->easy);
	curl_easy_cleanup(request->easy);
	curl_slist_free_all(request->headers);
	buffer_done(&request->answer);
	free(request);
}

static void finish(struct request *request, CURLcode code)
{
	struct fault fault = { 0 };
	long status = 0;
	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_WRITE_ERROR)
		fault_temporary(&fault, "an answer of more than %zu bytes",
			request->call.answer_max);
	else if (code != CURLE_OK)
		fault_temporary(&fault, "%s",
			*request->error ? request->error : curl_easy_strerror(code));
	struct http_call call = request->call;
	struct buffer answer = request->answer;
	buffer_init(&request->answer, 0);
	free_request(request);
	call.done(call.with, (int)status, buffer_slice(&answer),
		code == CURLE_OK ? NULL : &fault);
	buffer_done(&answer);
}

static void finish_all(struct http *http)
{
	CURLMsg *message;
	int left;
	while ((message = curl_multi_info_read(http->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		struct request *request = NULL;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
		finish(request, code);
	}
}

/* libcurl names sockets; one watch serves each. */
struct connection {
	struct http *http;
	struct watch *watch;
	curl_socket_t fd;
};

static void on_socket_ready(void *with, unsigned what)
{
	/* The action may free the connection. */
	struct connection connection = *(struct connection *)with;
	int events = (what & LOOP_READ ? CURL_CSELECT_IN : 0) |
		     (what & LOOP_WRITE ? CURL_CSELECT_OUT : 0);
	int running;
	curl_multi_socket_action(connection.http->multi, connection.fd, events, &running);
	finish_all(connection.http);
}

static int on_socket(
	CURL *easy, curl_socket_t fd, int what, void *with, void *socket_with)
{
	(void)easy;
	struct http *http = with;
	struct connection *connection = socket_with;
	if (what == CURL_POLL_REMOVE) {
		if (connection)
			watch_free(connection->watch);
		free(connection);
		return 0;
	}
	unsigned wanted = (what & CURL_POLL_IN ? LOOP_READ : 0) |
			  (what & CURL_POLL_OUT ? LOOP_WRITE : 0);
	if (connection) {
		watch_change(connection->watch, wanted);
		return 0;
	}
	connection = NEW(struct connection);
	connection->http = http;
	connection->fd = fd;
	connection->watch = watch_new(
		http->loop, fd, wanted, on_socket_ready, connection);
	curl_multi_assign(http->multi, fd, connection);
	return 0;
}

static int on_timeout_wanted(CURLM *multi, long timeout_ms, void *with)
{
	(void)multi;
	struct http *http = with;
	if (timeout_ms < 0)
		timer_stop(http->timer);
	else
		timer_start(http->timer, timeout_ms);
	return 0;
}

static void on_timer(void *with)
{
	struct http *http = with;
	int running;
	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_all(http);
}

struct http *http_open(struct loop *loop)
{
	struct http *http = NEW(struct http);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	http->loop = loop;
	http->timer = timer_new(loop, on_timer, http);
	http->multi = curl_multi_init();
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, CONNECTIONS_MAX);
	return http;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	while (http->requests)
		free_request(http->requests);
	curl_multi_cleanup(http->multi);
	timer_free(http->timer);
	free(http);
}

static size_t read_body(char *to, size_t size, size_t count, void *with)
{
	struct request *request = with;
	size_t room = size * count, filled = 0;
	while (filled < room && request->part < request->call.n_body) {
		struct slice rest = slice_skip(
			request->call.body[request->part], request->sent);
		rest = slice_head(rest, room - filled);
		if (!rest.size) {
			request->part++;
			request->sent = 0;
			continue;
		}
		memcpy(to + filled, rest.data, rest.size);
		filled += rest.size;
		request->sent += rest.size;
	}
	return filled;
}

/* libcurl starts over when a connection turned out dead. */
static int rewind_body(void *with, curl_off_t offset, int origin)
{
	struct request *request = with;
	if (offset != 0 || origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	request->part = request->sent = 0;
	return CURL_SEEKFUNC_OK;
}

static size_t write_answer(char *data, size_t size, size_t count, void *with)
{
	struct request *request = with;
	struct slice bytes = { data, size * count };
	return buffer_append(&request->answer, bytes) ? bytes.size : 0;
}

static void set_options(struct request *request)
{
	const struct http_call *call = &request->call;
	CURL *easy = request->easy;
	curl_off_t size = 0;
	for (size_t i = 0; i < call->n_body; i++)
		size += (curl_off_t)call->body[i].size;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
	curl_easy_setopt(easy, CURLOPT_URL, call->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	if (call->socket_path)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, call->socket_path);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, size);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_body);
	curl_easy_setopt(easy, CURLOPT_READDATA, request);
	curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_body);
	curl_easy_setopt(easy, CURLOPT_SEEKDATA, request);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
}

void http_post(struct http *http, const struct http_call *call)
{
	struct request *request = NEW(struct request);
	request->http = http;
	request->call = *call;
	request->next = http->requests;
	request->at = &http->requests;
	if (request->next)
		request->next->at = &request->next;
	http->requests = request;
	buffer_init(&request->answer, call->answer_max);
	request->headers = curl_slist_append(NULL, "Expect:");
	for (const char *const *header = call->headers; header && *header; header++)
		request->headers = curl_slist_append(request->headers, *header);
	request->easy = curl_easy_init();
	set_options(request);
	curl_multi_add_handle(http->multi, request->easy);
}
