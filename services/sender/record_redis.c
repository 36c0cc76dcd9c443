/* SPDX-License-Identifier: MIT
 *
 * The delivery record in Redis (hiredis): one hash for each message, gone after the time
 * to keep it. hiredis 0.14 has neither time-outs nor reconnects of its own: both are
 * here. Whatever Redis does, every question is answered within a fraction of a second. */
#include <hiredis/async.h>
#include <hiredis/adapters/libevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"
#include "services/sender/record_engine.h"

#define ASK_MS           300 /* a delivery waits for the answer */
#define WRITE_MS         1000
#define RECONNECT_MS     100
#define RECONNECT_MAX_MS 5000
#define REDIS_PORT       6379
#define KEY              "postern:delivered:"

struct request {
	TAILQ_ENTRY(request) entry;
	struct redis *redis;
	int64_t deadline_ms; /* monotonic */
	size_t count;
	record_told *told; /* a question; otherwise `written` */
	record_written *written;
	void *with;
};
TAILQ_HEAD(requests, request);

struct redis {
	struct record record;
	struct loop *loop;
	char host[256], password[256];
	int port, database;
	int64_t keep_ms, reconnect_ms;
	redisAsyncContext *context; /* NULL: away */
	struct timer *reconnect;
	struct requests asked;   /* of Redis, in order */
	struct requests refused; /* to be answered from the loop: it is away */
	struct timer *patience;
	char why[192]; /* it is away */
	bool is_closing;
};

static void connect_to(struct redis *redis);

static void answer(
	struct request *request, const struct slice *notes, const struct fault *fault)
{
	if (request->told) {
		struct slice *none = NEW_ARRAY(struct slice, request->count + 1);
		request->told(request->with, notes ? notes : none, fault);
		free(none);
	} else {
		request->written(request->with, fault);
	}
	free(request);
}

static void set_patience(struct redis *redis)
{
	const struct request *first = TAILQ_FIRST(&redis->asked);
	if (!TAILQ_EMPTY(&redis->refused))
		timer_start(redis->patience, 0);
	else if (first)
		timer_start(redis->patience, first->deadline_ms - clock_monotonic_ms());
	else
		timer_stop(redis->patience);
}

static void note_away(struct redis *redis, const char *why)
{
	redis->context = NULL;
	snprintf(redis->why, sizeof(redis->why), "%s", why);
	timer_start(redis->reconnect, redis->reconnect_ms);
	redis->reconnect_ms *= 2;
	if (redis->reconnect_ms > RECONNECT_MAX_MS)
		redis->reconnect_ms = RECONNECT_MAX_MS;
}

/* Every request in hand is called back with no reply. */
static void hang_up(struct redis *redis, const char *why)
{
	redisAsyncContext *context = redis->context;
	if (!context)
		return;
	note_away(redis, why);
	redisAsyncFree(context);
}

static void on_patience(void *with)
{
	struct redis *redis = with;
	struct requests refused = TAILQ_HEAD_INITIALIZER(refused);
	struct request *request;
	TAILQ_CONCAT(&refused, &redis->refused, entry);
	while ((request = TAILQ_FIRST(&refused))) {
		struct fault fault;
		fault_temporary(&fault, "Redis is away: %s", redis->why);
		TAILQ_REMOVE(&refused, request, entry);
		answer(request, NULL, &fault);
	}
	request = TAILQ_FIRST(&redis->asked);
	if (request && request->deadline_ms <= clock_monotonic_ms())
		hang_up(redis, "it does not answer in time");
	set_patience(redis);
}

static bool read_notes(const redisReply *reply, size_t count, struct slice *notes)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		const redisReply *note = reply->element[i];
		if (note->type == REDIS_REPLY_STRING)
			notes[i] = (struct slice){ note->str, (size_t)note->len };
	}
	return true;
}

/* EXEC answers with the replies of its commands, or with nil where nothing was done. */
static bool is_executed(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return false;
	for (size_t i = 0; i < reply->elements; i++)
		if (reply->element[i]->type == REDIS_REPLY_ERROR)
			return false;
	return true;
}

static void on_reply(redisAsyncContext *context, void *data, void *with)
{
	(void)context;
	const redisReply *reply = data;
	struct request *request = with;
	struct redis *redis = request->redis;
	struct fault fault = { 0 };
	TAILQ_REMOVE(&redis->asked, request, entry);
	if (redis->is_closing) {
		free(request);
		return;
	}
	struct slice *notes = NEW_ARRAY(struct slice, request->count + 1);
	if (!reply)
		fault_temporary(&fault, "Redis is away: %s", redis->why);
	else if (reply->type == REDIS_REPLY_ERROR)
		fault_temporary(&fault, "Redis says: %.200s", reply->str);
	else if (request->told ? !read_notes(reply, request->count, notes)
			       : !is_executed(reply))
		fault_temporary(&fault, "Redis has something else under that key");
	answer(request, notes, fault.kind ? &fault : NULL);
	free(notes);
	set_patience(redis);
}

static void on_connected(const redisAsyncContext *context, int status)
{
	struct redis *redis = context->data;
	if (status == REDIS_OK)
		redis->reconnect_ms = RECONNECT_MS;
	else if (redis->context == context)
		note_away(redis, context->errstr); /* hiredis frees the context */
}

static void on_disconnected(const redisAsyncContext *context, int status)
{
	struct redis *redis = context->data;
	if (redis->context == context)
		note_away(redis, status == REDIS_OK ? "disconnected" : context->errstr);
}

/* What AUTH or SELECT say decides the connection; the requests behind them would fail one
 * by one, or land in another database. */
static void on_prepared(redisAsyncContext *context, void *data, void *with)
{
	struct redis *redis = with;
	const redisReply *reply = data;
	if (reply && reply->type == REDIS_REPLY_ERROR && redis->context == context)
		hang_up(redis, reply->str);
}

static void on_reconnect(void *with)
{
	connect_to(with);
}

static void connect_to(struct redis *redis)
{
	redisAsyncContext *context = redisAsyncConnect(redis->host, redis->port);
	if (!context || context->err) {
		note_away(redis, context ? context->errstr : "no memory");
		if (context)
			redisAsyncFree(context);
		return;
	}
	context->data = redis;
	redis->context = context;
	redisLibeventAttach(context, loop_base(redis->loop));
	redisAsyncSetConnectCallback(context, on_connected);
	redisAsyncSetDisconnectCallback(context, on_disconnected);
	if (*redis->password)
		redisAsyncCommand(
			context, on_prepared, redis, "AUTH %s", redis->password);
	if (redis->database)
		redisAsyncCommand(
			context, on_prepared, redis, "SELECT %d", redis->database);
}

static struct request *request_new(struct redis *redis, struct request request)
{
	struct request *copy = NEW(struct request);
	*copy = request;
	copy->redis = redis;
	copy->deadline_ms = clock_monotonic_ms() + (copy->told ? ASK_MS : WRITE_MS);
	return copy;
}

static void enqueue(struct redis *redis, struct request *request, bool is_asked)
{
	if (is_asked)
		TAILQ_INSERT_TAIL(&redis->asked, request, entry);
	else
		TAILQ_INSERT_TAIL(&redis->refused, request, entry);
	set_patience(redis);
}

static void redis_ask(struct record *record, struct slice message,
	const struct slice *recipients, size_t count, record_told *told, void *with)
{
	struct redis *redis = (struct redis *)record;
	struct request *request = request_new(
		redis, (struct request){ .count = count, .told = told, .with = with });
	if (!redis->context) {
		enqueue(redis, request, false);
		return;
	}
	const char **words = NEW_ARRAY(const char *, count + 2);
	size_t *sizes = NEW_ARRAY(size_t, count + 2);
	char key[128];
	sizes[1] = (size_t)snprintf(
		key, sizeof(key), KEY "%.*s", SLICE_ARG(slice_head(message, 64)));
	words[0] = "HMGET";
	sizes[0] = 5;
	words[1] = key;
	for (size_t i = 0; i < count; i++) {
		words[i + 2] = recipients[i].data;
		sizes[i + 2] = recipients[i].size;
	}
	int result = redisAsyncCommandArgv(
		redis->context, on_reply, request, (int)count + 2, words, sizes);
	enqueue(redis, request, result == REDIS_OK);
	free(words);
	free(sizes);
}

/* All or nothing, and never without a time to live. The first note on a recipient stays.
 */
static void redis_write(struct record *record, struct slice message,
	const struct record_entry *entries, size_t count, record_written *written,
	void *with)
{
	struct redis *redis = (struct redis *)record;
	redisAsyncContext *context = redis->context;
	struct request *request = request_new(
		redis, (struct request){ .written = written, .with = with });
	if (!context) {
		enqueue(redis, request, false);
		return;
	}
	struct slice id = slice_head(message, 64);
	redisAsyncCommand(context, NULL, NULL, "MULTI");
	for (size_t i = 0; i < count; i++)
		redisAsyncCommand(context, NULL, NULL, "HSETNX " KEY "%b %b %b", id.data,
			id.size, entries[i].recipient.data, entries[i].recipient.size,
			entries[i].note.data, entries[i].note.size);
	redisAsyncCommand(context, NULL, NULL, "PEXPIRE " KEY "%b %lld", id.data, id.size,
		(long long)redis->keep_ms);
	int result = redisAsyncCommand(context, on_reply, request, "EXEC");
	enqueue(redis, request, result == REDIS_OK);
}

static bool read_where(struct redis *redis, const char *where, struct fault *fault)
{
	int end = 0;
	redis->port = REDIS_PORT;
	bool is_read = sscanf(where, "[%255[0-9a-fA-F:.]]%n:%d%n", redis->host, &end,
			       &redis->port, &end) >= 1 &&
		       end > 0;
	if (!is_read) {
		end = 0;
		is_read = sscanf(where, "%255[^:/]%n:%d%n", redis->host, &end,
				  &redis->port, &end) >= 1;
	}
	const char *rest = where + end;
	if (is_read && *rest == '/') {
		end = 0;
		is_read = sscanf(rest, "/%d%n", &redis->database, &end) == 1;
		rest += end;
	}
	if (is_read && !*rest && redis->port > 0 && redis->port < 65536 &&
		redis->database >= 0)
		return true;
	return fault_permanent(fault,
		"delivery record \"redis:%s\": HOST:PORT is needed, and a number of a "
		"database if there is a slash behind it",
		where);
}

static struct record *redis_open(struct loop *loop, const struct record_options *options,
	const char *where, struct fault *fault)
{
	struct redis *redis = NEW(struct redis);
	*redis = (struct redis){ .record = { &redis_record },
		.loop = loop,
		.keep_ms = options->keep_ms,
		.reconnect_ms = RECONNECT_MS };
	snprintf(redis->password, sizeof(redis->password), "%s",
		options->password ? options->password : "");
	if (!read_where(redis, where, fault)) {
		free(redis);
		return NULL;
	}
	TAILQ_INIT(&redis->asked);
	TAILQ_INIT(&redis->refused);
	redis->reconnect = timer_new(loop, on_reconnect, redis);
	redis->patience = timer_new(loop, on_patience, redis);
	connect_to(redis);
	return &redis->record;
}

static void redis_close(struct record *record)
{
	struct redis *redis = (struct redis *)record;
	struct request *request;
	redisAsyncContext *context = redis->context;
	redis->is_closing = true;
	redis->context = NULL;
	if (context)
		redisAsyncFree(context);
	while ((request = TAILQ_FIRST(&redis->refused))) {
		TAILQ_REMOVE(&redis->refused, request, entry);
		free(request);
	}
	timer_free(redis->reconnect);
	timer_free(redis->patience);
	free(redis);
}

const struct record_engine redis_record = {
	.name = "redis",
	.open = redis_open,
	.close = redis_close,
	.ask = redis_ask,
	.write = redis_write,
};
