/* SPDX-License-Identifier: MIT */
#include "services/scanner/spam.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "services/scanner/http.h"

#define ANSWER_MAX  ((size_t)1 << 20)
#define HEADERS_MAX 1000

struct spam {
	struct http *http;
	char *url;
	char *socket_path; /* NULL = by the URL */
	int64_t timeout_ms;
};

struct spam *spam_open(
	struct loop *loop, const char *where, int64_t timeout_ms, struct fault *fault)
{
	bool is_socket = strncmp(where, "unix:/", 6) == 0;
	size_t length = strlen(where);
	if (!is_socket && (strncmp(where, "http://", 7) != 0 || length == 7 ||
				  strpbrk(where, "?# @\t"))) {
		fault_permanent(fault,
			"POSTERN_SCANNER_RSPAMD is \"%s\": give http://HOST:PORT or "
			"unix:/PATH of rspamd's normal worker (port 11333), or leave it "
			"empty",
			where);
		return NULL;
	}
	struct spam *spam = NEW(struct spam);
	spam->http = http_open(loop);
	spam->timeout_ms = timeout_ms;
	if (is_socket)
		spam->socket_path = memory_string(slice_of(where + 5));
	while (!is_socket && where[length - 1] == '/')
		length--;
	struct slice base = is_socket ? SLICE("http://localhost")
				      : (struct slice){ where, length };
	spam->url = memory_new(base.size + sizeof("/checkv2"));
	memcpy(spam->url, base.data, base.size);
	memcpy(spam->url + base.size, "/checkv2", sizeof("/checkv2"));
	return spam;
}

void spam_close(struct spam *spam)
{
	if (!spam)
		return;
	http_close(spam->http);
	free(spam->url);
	free(spam->socket_path);
	free(spam);
}

/* A value with a line end would be a header of its own, and rspamd obeys headers. */
static bool is_harmless(const char *value)
{
	for (; *value; value++)
		if ((unsigned char)*value < ' ' || *value == 0x7f)
			return false;
	return true;
}

struct headers {
	struct arena *arena;
	const char **list;
	size_t count;
};

static void add_header(struct headers *headers, const char *name, const char *value)
{
	if (value && *value && is_harmless(value) && headers->count < HEADERS_MAX)
		headers->list[headers->count++] = arena_printf(
			headers->arena, "%s: %s", name, value);
}

static const char **headers_of(struct arena *arena, const Postern__Mail *mail)
{
	struct headers headers = { arena,
		ARENA_ARRAY(arena, const char *, HEADERS_MAX + 1), 0 };
	const Postern__Submission *submission = mail->submission;
	add_header(&headers, "Queue-Id", mail->id);
	add_header(&headers, "IP", submission->client_address);
	add_header(&headers, "Helo", submission->helo);
	add_header(&headers, "User", mail->app);
	add_header(&headers, "From", *mail->envelope->from ? mail->envelope->from : "<>");
	for (size_t i = 0; i < mail->envelope->n_recipients; i++)
		add_header(&headers, "Rcpt", mail->envelope->recipients[i]->address);
	return headers.list;
}

static void on_done(void *with, int status, struct slice bytes, const struct fault *fault)
{
	struct spam_question *question = with;
	struct spam_answer answer = { 0 };
	struct fault why = { 0 };
	if (!fault && spam_answer_parse(question->arena, bytes, &answer, &why)) {
		if (status == 200) {
			question->told(question->with, &answer, NULL);
			return;
		}
		fault_temporary(&why, "rspamd answers with status %d", status);
	}
	question->told(question->with, NULL, fault ? fault : &why);
}

/* As the recipient will see it: our header fields, then the content. */
static size_t body_of(struct spam_question *question)
{
	const Postern__Mail *mail = question->mail;
	question->body = ARENA_ARRAY(question->arena, struct slice, mail->n_headers + 1);
	for (size_t i = 0; i < mail->n_headers; i++)
		question->body[i] = (struct slice){ (const char *)mail->headers[i].data,
			mail->headers[i].len };
	question->body[mail->n_headers] =
		(struct slice){ (const char *)mail->content.data, mail->content.len };
	return mail->n_headers + 1;
}

void spam_ask(struct spam *spam, struct spam_question *question)
{
	size_t n_body = body_of(question);
	http_post(spam->http,
		&(struct http_call){
			.url = spam->url,
			.socket_path = spam->socket_path,
			.headers = headers_of(question->arena, question->mail),
			.body = question->body,
			.n_body = n_body,
			.timeout_ms = spam->timeout_ms,
			.answer_max = ANSWER_MAX,
			.done = on_done,
			.with = question,
		});
}
