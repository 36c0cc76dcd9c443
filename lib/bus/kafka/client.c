/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/client.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/bus/kafka/kafka.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"

enum {
	JOIN_MS = 1000,  /* how long one that leaves waits until it is in */
	LEAVE_MS = 2000, /* and then for the broker to let it go */
};

static const struct kafka_setting of_all[] = {
	{ "socket.nagle.disable", "true" },
	{ "socket.keepalive.enable", "true" },
	{ "socket.timeout.ms", "10000" },
	{ "reconnect.backoff.ms", "50" },
	{ "reconnect.backoff.max.ms", "1000" },
	{ "log.connection.close", "false" },
	/* A topic or partition that a broker didn't know yet is found within this time.
	 */
	{ "topic.metadata.refresh.interval.ms", "5000" },
	{ 0 },
};

static const struct kafka_setting of_producer[] = {
	{ "acks", "all" },
	/* Not enable.idempotence: where the first request of a producer to a partition
	 * is refused (its leader isn't ready) and the second, already under way, is
	 * taken, librdkafka 2.0.2 holds the first for written and says so. Seen on a
	 * fresh topic. A repeat is harmless instead. */
	{ "enable.idempotence", "false" },
	/* Topics are made by topic.c only, as they should be. */
	{ "allow.auto.create.topics", "false" },
	{ "linger.ms", "0" },
	/* A broker serves the requests of a connection one after the other. What more of
	 * them there are only wait there, each with a single record; kept back, the
	 * records that come meanwhile go in one request. Halves the broker's work under
	 * load and adds nothing when idle. */
	{ "max.in.flight.requests.per.connection", "2" },
	{ "request.timeout.ms", "10000" },
	{ "retry.backoff.ms", "50" },
	/* More than this many bytes under way: FAULT_TEMPORARY for what comes on top. */
	{ "queue.buffering.max.kbytes", "131072" },
	{ "queue.buffering.max.messages", "100000" },
	{ 0 },
};

static const struct kafka_setting of_consumer[] = {
	{ "enable.auto.commit", "false" },
	{ "enable.auto.offset.store", "false" },
	{ "auto.offset.reset", "earliest" },
	{ "fetch.min.bytes", "1" },
	{ "fetch.wait.max.ms", "100" },
	{ "fetch.error.backoff.ms", "100" },
	{ "fetch.message.max.bytes", "1048576" },
	{ "fetch.max.bytes", "8388608" },
	/* For each partition, since each has a queue of its own. */
	{ "queued.max.messages.kbytes", "4096" },
	{ 0 },
};

static const struct kafka_setting of_member[] = {
	/* Eager assignment: the cooperative assignor of librdkafka 2.0.2 can loop for
	 * ever and loses assignments (fixed in 2.6 and 2.10). */
	{ "partition.assignment.strategy", "range" },
	/* The shortest that a broker with default settings allows. */
	{ "session.timeout.ms", "6000" },
	{ "heartbeat.interval.ms", "500" },
	{ "max.poll.interval.ms", "300000" },
	{ 0 },
};

static const struct kafka_setting of_cursor[] = {
	{ "enable.partition.eof", "true" },
	{ 0 },
};

static const struct kafka_setting *const of_role[][2] = {
	[KAFKA_PRODUCER] = { of_producer, NULL },
	[KAFKA_MEMBER] = { of_consumer, of_member },
	[KAFKA_CURSOR] = { of_consumer, of_cursor },
};

static bool set_all(
	rd_kafka_conf_t *conf, const struct kafka_setting *settings, struct fault *fault)
{
	char why[256];
	for (; settings && settings->name; settings++)
		if (rd_kafka_conf_set(conf, settings->name, settings->value, why,
			    sizeof(why)) != RD_KAFKA_CONF_OK)
			return fault_permanent(fault, "Kafka setting %s=%s: %s",
				settings->name, settings->value, why);
	return true;
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	(void)rk;
	struct kafka_client *client = opaque;
	if (client->is_retired)
		return;
	kafka_note_error(client->kafka, err, reason);
}

static void on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void)rk;
	struct kafka_client *client = opaque;
	if (!client->is_retired)
		client->calls->delivered(client->with, message);
}

/* Without this answer a consumer never leaves: an offer is answered by an assignment
 * only, be it empty, what is to be given up by none. */
static void decline(rd_kafka_t *rk, rd_kafka_resp_err_t what)
{
	rd_kafka_topic_partition_list_t *nothing =
		what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
			? rd_kafka_topic_partition_list_new(0)
			: NULL;
	rd_kafka_assign(rk, nothing);
	if (nothing)
		rd_kafka_topic_partition_list_destroy(nothing);
}

static void on_rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t err,
	rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
	struct kafka_client *client = opaque;
	/* Only the answer that is wanted. It may be what a consumer waits for to end, and
	 * librdkafka 2.0.2 can leave a call that comes while it ends waiting for ever. */
	if (client->is_retired)
		decline(rk, err);
	else
		client->calls->rebalanced(client->with, err, partitions);
}

static void on_committed(rd_kafka_t *rk, rd_kafka_resp_err_t err,
	rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
	(void)rk, (void)partitions;
	struct kafka_client *client = opaque;
	if (!client->is_retired)
		client->calls->committed(client->with, err);
}

/* Library code never logs; what matters comes through on_error(). */
static void on_log(
	const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk, (void)level, (void)facility, (void)text;
}

static rd_kafka_conf_t *new_conf(struct kafka_client *client,
	const struct kafka_setting *more, struct fault *fault)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set_opaque(conf, client);
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_error_cb(conf, on_error);
	if (client->role == KAFKA_PRODUCER)
		rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
	if (client->role == KAFKA_MEMBER) {
		rd_kafka_conf_set_rebalance_cb(conf, on_rebalanced);
		rd_kafka_conf_set_offset_commit_cb(conf, on_committed);
	}
	const struct kafka_setting whose[] = {
		{ "bootstrap.servers", client->kafka->brokers },
		{ "client.id",
			*client->kafka->instance ? client->kafka->instance : "postern" },
		{ 0 },
	};
	if (set_all(conf, of_all, fault) && set_all(conf, whose, fault) &&
		set_all(conf, of_role[client->role][0], fault) &&
		set_all(conf, of_role[client->role][1], fault) &&
		set_all(conf, more, fault))
		return conf;
	rd_kafka_conf_destroy(conf);
	return NULL;
}

static rd_kafka_t *new_handle(struct kafka_client *client,
	const struct kafka_setting *more, struct fault *fault)
{
	char why[256];
	rd_kafka_conf_t *conf = new_conf(client, more, fault);
	if (!conf)
		return NULL;
	rd_kafka_type_t type = client->role == KAFKA_PRODUCER ? RD_KAFKA_PRODUCER
							      : RD_KAFKA_CONSUMER;
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));
	if (!rk) {
		rd_kafka_conf_destroy(conf);
		fault_temporary(fault, "Kafka client: %s", why);
	}
	return rk;
}

struct kafka_client *kafka_client_open(struct kafka *kafka, enum kafka_role role,
	const struct kafka_setting *more, struct fault *fault)
{
	struct kafka_client *client = NEW(struct kafka_client);
	client->kafka = kafka;
	client->role = role;
	client->rk = new_handle(client, more, fault);
	if (!client->rk) {
		free(client);
		return NULL;
	}
	client->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (client->bell < 0)
		abort();
	rd_kafka_queue_t *queue;
	if (role == KAFKA_MEMBER) {
		rd_kafka_poll_set_consumer(client->rk);
		queue = rd_kafka_queue_get_consumer(client->rk);
	} else {
		queue = rd_kafka_queue_get_main(client->rk);
	}
	kafka_client_attach(client, queue);
	rd_kafka_queue_destroy(queue);
	return client;
}

static void on_bell(void *with, unsigned what)
{
	(void)what;
	struct kafka_client *client = with;
	uint64_t rings;
	(void)!read(client->bell, &rings, sizeof(rings));
	client->calls->ready(client->with);
}

void kafka_client_start(
	struct kafka_client *client, const struct kafka_client_calls *calls, void *with)
{
	client->calls = calls;
	client->with = with;
	client->watch = watch_new(
		client->kafka->loop, client->bell, LOOP_READ, on_bell, client);
	kafka_client_ring(client);
}

void kafka_client_ring(struct kafka_client *client)
{
	uint64_t one = 1;
	(void)!write(client->bell, &one, sizeof(one));
}

void kafka_client_attach(struct kafka_client *client, rd_kafka_queue_t *queue)
{
	static const uint64_t one = 1;
	rd_kafka_queue_io_event_enable(queue, client->bell, &one, sizeof(one));
}

void kafka_client_poll(struct kafka_client *client)
{
	if (client->role != KAFKA_MEMBER) {
		rd_kafka_poll(client->rk, 0);
		return;
	}
	/* What isn't served by a callback is an error about a topic of the subscription,
	 * which librdkafka looks at again by itself. */
	rd_kafka_message_t *message;
	while ((message = rd_kafka_consumer_poll(client->rk, 0))) {
		kafka_note_error(
			client->kafka, message->err, rd_kafka_message_errstr(message));
		rd_kafka_message_destroy(message);
	}
	/* Told by an error, by a message or only by what fails later: so it is asked. */
	char why[256];
	client->fatal = rd_kafka_fatal_error(client->rk, why, sizeof(why));
}

struct retirement {
	struct kafka_errand errand;
	struct kafka_client *client;
};

static void serve_until(
	rd_kafka_t *rk, int64_t deadline_ms, bool (*is_over)(rd_kafka_t *))
{
	while (!is_over(rk) && clock_monotonic_ms() < deadline_ms) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 10);
		if (message)
			rd_kafka_message_destroy(message);
	}
}

static bool has_joined(rd_kafka_t *rk)
{
	char *member = rd_kafka_memberid(rk);
	bool is_member = member && *member;
	if (member)
		rd_kafka_mem_free(rk, member);
	return is_member;
}

static bool has_left(rd_kafka_t *rk)
{
	return !has_joined(rk);
}

static bool is_closed(rd_kafka_t *rk)
{
	return rd_kafka_consumer_closed(rk);
}

/* A static member that just closes keeps its share until the session times out, so that
 * it may come back; one that unsubscribes first gives it up at once. While it joins it
 * can do neither. */
static void leave(rd_kafka_t *rk, bool is_subscribed)
{
	/* It may wait for either. */
	decline(rk, RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS);
	decline(rk, RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS);
	rd_kafka_unsubscribe(rk);
	if (is_subscribed)
		serve_until(rk, clock_monotonic_ms() + JOIN_MS, has_joined);
	int64_t deadline_ms = clock_monotonic_ms() + LEAVE_MS;
	serve_until(rk, deadline_ms, has_left);
	/* What is closed while it still has to answer the group waits for that answer for
	 * ever; what is destroyed unclosed does not. */
	if (!has_left(rk))
		return;
	rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
	rd_kafka_error_t *error = rd_kafka_consumer_close_queue(rk, queue);
	if (error)
		rd_kafka_error_destroy(error);
	else
		serve_until(rk, deadline_ms, is_closed);
	rd_kafka_queue_destroy(queue);
}

static void run_retirement(struct kafka_errand *errand)
{
	struct kafka_client *client = ((struct retirement *)errand)->client;
	if (client->role == KAFKA_PRODUCER)
		rd_kafka_purge(
			client->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	if (client->role == KAFKA_MEMBER && !client->fatal)
		leave(client->rk, client->is_joining);
	rd_kafka_destroy_flags(client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void end_retirement(struct kafka_errand *errand)
{
	struct retirement *retirement = (struct retirement *)errand;
	close(retirement->client->bell);
	free(retirement->client);
	free(retirement);
}

void kafka_client_retire(struct kafka_client *client)
{
	if (!client)
		return;
	watch_free(client->watch);
	client->watch = NULL;
	client->is_retired = true;
	struct retirement *retirement = NEW(struct retirement);
	*retirement = (struct retirement){
		.errand = { .run = run_retirement,
			.done = end_retirement,
			.must_run = true },
		.client = client,
	};
	kafka_errands_add(client->kafka->errands, &retirement->errand);
}
