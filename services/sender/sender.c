/* SPDX-License-Identifier: MIT */
#include "services/sender/sender.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/dns/dns.h"
#include "lib/file_watch.h"
#include "lib/loop.h"
#include "lib/memory.h"
#include "lib/metrics.h"
#include "lib/registry/registry.h"
#include "lib/topics.h"
#include "services/sender/config.h"
#include "services/sender/delivery.h"
#include "services/sender/room.h"

#define HANDSHAKE_MS 30000 /* nobody's is that slow; the fallback waits for it */
#define RETURNS_MIN  500   /* a second, however small the window */

static void open_metrics(struct sender_metrics *metrics)
{
	const char *name = "postern_sender_recipients_total";
	const char *help = "Recipients by what became of an attempt.";
	*metrics = (struct sender_metrics){
		.delivered = metric_counter(name, "result=\"delivered\"", help),
		.deferred = metric_counter(name, "result=\"deferred\"", help),
		.bounced = metric_counter(name, "result=\"bounced\"", help),
		.expired = metric_counter(name, "result=\"expired\"", help),
		.duplicate = metric_counter(name, "result=\"duplicate\"", help),
		.uncertain = metric_counter("postern_sender_uncertain_total", NULL,
			"Recipients whose server may have taken the message and did not "
			"say so: each is a possible duplicate."),
		.record_faults = metric_counter("postern_sender_record_faults_total",
			NULL,
			"Questions to the delivery record, and entries, that failed."),
		.took = metric_histogram("postern_sender_transaction_seconds", NULL,
			"From MAIL to the last reply of a message at one destination."),
	};
}

static void set_pool(struct sender *sender)
{
	const struct sender_config *config = sender->process->config;
	const Postern__Pool *object = registry_pool(
		sender->process->registry, slice_of(config->pool));
	size_t left_out = pool_set(&sender->pool, config, object);
	if (left_out)
		log_error(&sender->process->log,
			"source addresses of the pool can't be read, sending without them",
			FIELD("pool", config->pool),
			NUMBER("count", (long long)left_out));
}

static void on_registry_change(void *with, struct slice key)
{
	struct sender *sender = with;
	struct slice kind = SLICE("pool/");
	if (key.size == 0 || (slice_has_prefix_nocase(key, kind) &&
				     slice_equal(slice_skip(key, kind.size),
					     slice_of(sender->pool.name))))
		set_pool(sender);
}

static bool open_tls(struct sender *sender, struct fault *fault)
{
	struct process *process = sender->process;
	const struct sender_config *config = process->config;
	sender->tls = tls_open(config->ca_file, fault);
	if (!sender->tls)
		return fault_within(fault, "POSTERN_SENDER_CA_FILE");
	if (!*config->ca_file)
		return true;
	sender->ca_watch = file_watch_new(
		process->loop, config->ca_file, sender_reload, sender, fault);
	return sender->ca_watch || fault_within(fault, "POSTERN_SENDER_CA_FILE");
}

static bool is_bus_local(const struct process *process)
{
	return strncmp(process->bus_where, "local:", 6) == 0;
}

/* Beside the local bus, where a backup or a move takes both; not named .db, which are
 * topics there. */
static const char *record_place(const struct process *process)
{
	const struct sender_config *config = process->config;
	if (*config->record)
		return config->record;
	if (is_bus_local(process))
		return arena_printf(process->arena, "sqlite:%s/deliveries.%s.sqlite",
			process->bus_where + 6, config->pool);
	log_warning(&process->log, "no delivery record: after a kill or a rebalance "
				   "messages may be delivered twice; set "
				   "POSTERN_SENDER_RECORD=redis:HOST:PORT");
	return "none";
}

static bool open_record(struct sender *sender, struct fault *fault)
{
	const struct sender_config *config = sender->process->config;
	const struct record_options options = { .where = record_place(sender->process),
		.pool = config->pool,
		.password = config->record_password,
		.keep_ms = config->record_keep_ms };
	sender->record = record_open(sender->process->loop, &options, fault);
	return sender->record || fault_within(fault, "POSTERN_SENDER_RECORD");
}

/* The whole window once a second, as in room.c; a message is read for it, and on Kafka
 * written anew, several times. */
static struct rest_pace returns_of(const struct process *process)
{
	const struct sender_config *config = process->config;
	size_t part = is_bus_local(process) ? 1 : 8, messages = (size_t)config->window;
	messages = messages > RETURNS_MIN ? messages : RETURNS_MIN;
	return (struct rest_pace){ .messages = messages / part,
		.bytes = (size_t)config->window_bytes / 4 / part };
}

static void open_destinations(struct sender *sender)
{
	struct process *process = sender->process;
	const struct sender_config *config = process->config;
	sender->timeouts = (struct connection_timeouts){ .connect = config->connect_ms,
		.greeting = config->greeting_ms,
		.handshake = config->command_ms < HANDSHAKE_MS ? config->command_ms
							       : HANDSHAKE_MS,
		.command = config->command_ms,
		.data = config->data_ms,
		.final = config->final_ms,
		.transaction = config->transaction_ms,
		.idle = config->idle_ms };
	sender->routes = routes_open(&(struct routes_options){
		process->registry, sender->dns, config->pool, sender->pool.helo });
	sender->destinations = destinations_open(&(struct destinations_options){
		.dial = { { process->loop, sender->tls, &sender->timeouts }, sender->dns,
			&sender->pool },
		.connections = (size_t)config->connections,
		.returns = returns_of(process),
	});
}

/* A shell's limit is often 1,024 files. */
static void raise_file_limit(const struct sender *sender)
{
	const struct sender_config *config = sender->process->config;
	rlim_t wanted = (rlim_t)config->connections + 256;
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < wanted)
		log_warning(&sender->process->log,
			"fewer files may be open than POSTERN_SENDER_CONNECTIONS needs: "
			"connections beyond that will fail; raise the limit or lower the "
			"setting",
			NUMBER("files", (long long)limit.rlim_cur),
			NUMBER("connections", config->connections));
}

/* Each part needs those before it. */
static bool open_parts(struct sender *sender, struct fault *fault)
{
	struct process *process = sender->process;
	const struct sender_config *config = process->config;
	const struct dns_options dns = { .forward = config->dns_forward,
		.root_key = config->dns_root_key };
	sender->family = topic_family_of_pool(process->arena, config->pool);
	const struct stage_plan plan = { .name = arena_printf(process->arena, "sender.%s",
						 config->pool),
		.consumes = sender->family,
		.window = (unsigned)config->window,
		.window_bytes = (size_t)config->window_bytes,
		.work = deliver,
		.with = sender };
	if (!open_tls(sender, fault) || !open_record(sender, fault))
		return false;
	sender->dns = dns_open(process->loop, &dns, fault);
	if (!sender->dns)
		return fault_within(fault, "POSTERN_DNS_FORWARD, POSTERN_DNS_ROOT_KEY");
	open_destinations(sender);
	sender->room = room_open(sender);
	sender->stage = stage_open(process, &plan, fault);
	return sender->stage != NULL;
}

bool sender_open(struct process *process, void **ret_self, struct fault *fault)
{
	struct sender *sender = NEW(struct sender);
	sender->process = process;
	sender->deliveries = table_new();
	open_metrics(&sender->metrics);
	raise_file_limit(sender);
	set_pool(sender);
	if (!open_parts(sender, fault)) {
		sender_close(sender);
		return false;
	}
	registry_listen(process->registry, on_registry_change, sender);
	log_info(&process->log, "sender open", FIELD("pool", sender->pool.name),
		FIELD("helo", sender->pool.helo),
		NUMBER("sources", (long long)sender->pool.source_count));
	*ret_self = sender;
	return true;
}

static void on_drained(void *with)
{
	struct sender *sender = with;
	process_drained(sender->process);
}

/* What goes over a connection now is finished; everything else goes back. */
void sender_drain(void *self)
{
	struct sender *sender = self;
	sender->is_draining = true;
	stage_drain(sender->stage, on_drained, sender);
	destinations_recall(sender->destinations);
}

void sender_reload(void *self)
{
	struct sender *sender = self;
	struct fault fault;
	if (tls_reload(sender->tls, &fault))
		log_info(&sender->process->log, "certificate authorities read");
	else
		log_error(&sender->process->log,
			"certificate authorities can't be read, the old ones stay",
			FIELD("reason", fault.text));
}

/* What was in hand comes again: its jobs go unsettled. */
static void drop_deliveries(struct sender *sender)
{
	size_t cursor = 0;
	struct slice id;
	void *delivery;
	while (table_next(sender->deliveries, &cursor, &id, &delivery))
		delivery_drop(delivery);
	table_free(sender->deliveries);
}

void sender_close(void *self)
{
	struct sender *sender = self;
	drop_deliveries(sender);
	room_close(sender->room);
	if (sender->stage)
		stage_close(sender->stage);
	destinations_close(sender->destinations);
	routes_close(sender->routes);
	record_close(sender->record);
	dns_close(sender->dns);
	file_watch_free(sender->ca_watch);
	tls_close(sender->tls);
	free(sender);
}
