/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/gateway.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/address.h"
#include "lib/file_watch.h"
#include "lib/memory.h"
#include "lib/metrics.h"
#include "lib/registry/registry.h"
#include "lib/table.h"
#include "services/smtp-gateway/acceptor.h"
#include "services/smtp-gateway/connection.h"

/* For the bus, the probe and the log. */
#define OTHER_FILES 256

static void make_metrics(struct gateway_metrics *metrics)
{
	static const char logins[] = "postern_gateway_logins_total";
	static const char messages[] = "postern_gateway_messages_total";
	*metrics = (struct gateway_metrics){
		.connections = metric_gauge(
			"postern_gateway_connections", NULL, "Open connections."),
		.turned_away = metric_counter("postern_gateway_turned_away_total", NULL,
			"Connections refused for being one too many."),
		.timeouts = metric_counter("postern_gateway_timeouts_total", NULL,
			"Connections closed because a request took too long."),
		.logins = metric_counter(logins, "result=\"good\"", "Logins by result."),
		.failed_logins = metric_counter(
			logins, "result=\"refused\"", "Logins by result."),
		.accepted = metric_counter(messages, "result=\"accepted\"",
			"Messages answered with 250 or 451 after their data."),
		.deferred = metric_counter(messages, "result=\"deferred\"",
			"Messages answered with 250 or 451 after their data."),
		.refused = metric_counter("postern_gateway_refusals_total", NULL,
			"Replies of 4xx and 5xx."),
		.content_bytes = metric_counter("postern_gateway_content_bytes_total",
			NULL, "Bytes of content of complete messages."),
		.certificate_expiry = metric_gauge(
			"postern_gateway_certificate_expiry_seconds", NULL,
			"When the TLS certificate expires, in Unix time."),
	};
}

/* As many files as the kernel lets us have; what that means for connections is said. */
static void raise_files(struct gateway *gateway)
{
	struct rlimit limit;
	gateway->most_connections = (size_t)gateway->config->connections;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	size_t files = limit.rlim_max > 2 * OTHER_FILES ? limit.rlim_max - OTHER_FILES
							: OTHER_FILES;
	if (files >= gateway->most_connections)
		return;
	gateway->most_connections = files;
	log_warning(&gateway->process->log,
		"fewer connections than POSTERN_GATEWAY_CONNECTIONS: raise the limit of "
		"open files (ulimit -n, LimitNOFILE)",
		NUMBER("connections", (long long)files));
}

static bool set_hostname(struct gateway *gateway, struct fault *fault)
{
	char name[256] = "", ascii[DOMAIN_MAX + 1];
	const char *wanted = gateway->config->hostname;
	gethostname(name, sizeof(name) - 1);
	struct fault why = { 0 };
	if (!domain_to_ascii(slice_of(*wanted ? wanted : name), ascii, &why))
		return fault_permanent(fault,
			"the host name \"%s\" is %s: set POSTERN_GATEWAY_HOSTNAME",
			*wanted ? wanted : name, why.text);
	gateway->world.hostname = arena_string(gateway->process->arena, slice_of(ascii));
	return true;
}

static void set_limits(struct gateway *gateway)
{
	const struct gateway_config *config = gateway->config;
	gateway->world.instance = gateway->process->instance;
	gateway->world.limits = (struct session_limits){
		.message_bytes = (size_t)config->message_bytes,
		.header_bytes = (size_t)config->header_bytes,
		.header_fields = (unsigned)config->header_fields,
		.received = (unsigned)config->received,
		.recipients = (unsigned)config->recipients,
		.commands = (unsigned)config->commands,
		.bad_commands = (unsigned)config->bad_commands,
		.auth_failures = (unsigned)config->auth_failures,
	};
}

static void count_connections(struct gateway *gateway)
{
	metric_set(gateway->metrics.connections, (int64_t)gateway->connections);
}

/* False: there are enough from that address. */
static bool enter_address(struct gateway *gateway, const char *address)
{
	size_t *count = table_get(gateway->addresses, slice_of(address));
	if (!count) {
		count = NEW(size_t);
		table_put(gateway->addresses, slice_of(address), count);
	}
	if (*count >= (size_t)gateway->config->connections_per_address)
		return false;
	++*count;
	return true;
}

static void leave_address(struct gateway *gateway, const char *address)
{
	size_t *count = table_get(gateway->addresses, slice_of(address));
	if (--*count == 0)
		free(table_remove(gateway->addresses, slice_of(address)));
}

static void drained_if_empty(struct gateway *gateway)
{
	if (gateway->is_draining && gateway->connections == 0)
		process_drained(gateway->process);
}

void gateway_left(struct gateway *gateway, const char *client_address)
{
	leave_address(gateway, client_address);
	gateway->connections--;
	count_connections(gateway);
	drained_if_empty(gateway);
}

static void take(struct gateway *gateway, int fd, const char *address, bool is_tls)
{
	static const char busy[] = "421 4.3.2 Too many connections, try again later\r\n";
	if (gateway->connections < gateway->most_connections &&
		enter_address(gateway, address)) {
		gateway->connections++;
		count_connections(gateway);
		connection_new(gateway, fd, address, is_tls);
		return;
	}
	metric_add(gateway->metrics.turned_away, 1);
	if (!is_tls)
		(void)!send(fd, busy, sizeof(busy) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void take_plain(void *with, int fd, const char *address)
{
	take(with, fd, address, false);
}

static void take_tls(void *with, int fd, const char *address)
{
	take(with, fd, address, true);
}

static bool listen_at(struct gateway *gateway, struct fault *fault)
{
	const struct gateway_config *config = gateway->config;
	const char *const where[] = { config->submission, config->submissions };
	static const char *const settings[] = { "POSTERN_GATEWAY_SUBMISSION",
		"POSTERN_GATEWAY_SUBMISSIONS" };
	acceptor_taken *const taken[] = { take_plain, take_tls };
	if (!*where[0] && !*where[1])
		return fault_permanent(fault,
			"POSTERN_GATEWAY_SUBMISSION and "
			"POSTERN_GATEWAY_SUBMISSIONS are both empty");
	for (size_t i = 0; i < 2; i++) {
		if (!*where[i])
			continue;
		gateway->acceptors[i] = acceptor_open(
			gateway->process->loop, where[i], taken[i], gateway, fault);
		if (!gateway->acceptors[i])
			return fault_within(fault, settings[i]);
		log_info(&gateway->process->log, "listening", FIELD("address", where[i]),
			FIELD("tls", i ? "from the start" : "STARTTLS"),
			NUMBER("port", acceptor_port(gateway->acceptors[i])));
	}
	return true;
}

/* Keys are "app/NAME" and "credential/NAME/CREDENTIAL". */
static void on_control(void *with, struct slice key)
{
	struct gateway *gateway = with;
	struct slice app = key, kind;
	if (!slice_split(&app, '/', &kind))
		return;
	if (slice_equal(kind, SLICE("credential"))) {
		struct slice rest = app;
		slice_split(&rest, '/', &app);
	} else if (!slice_equal(kind, SLICE("app"))) {
		return;
	}
	for (struct connection *connection = gateway->first, *next; connection;
		connection = next) {
		next = connection_next(connection);
		connection_review(connection, app);
	}
}

void gateway_reload(void *self)
{
	struct gateway *gateway = self;
	struct fault fault = { 0 };
	if (!certificate_reload(gateway->certificate, &fault)) {
		log_error(&gateway->process->log,
			"certificate not loaded, the one before stays in use",
			FIELD("reason", fault.text));
		return;
	}
	metric_set(gateway->metrics.certificate_expiry,
		certificate_expires_s(gateway->certificate));
	log_info(&gateway->process->log, "certificate loaded",
		NUMBER("expires", certificate_expires_s(gateway->certificate)));
}

static bool open_certificate(struct gateway *gateway, struct fault *fault)
{
	const char *const files[] = { gateway->config->certificate,
		gateway->config->key };
	gateway->certificate = certificate_open(files[0], files[1], fault);
	for (size_t i = 0; i < 2 && gateway->certificate; i++) {
		gateway->watches[i] = file_watch_new(
			gateway->process->loop, files[i], gateway_reload, gateway, fault);
		if (!gateway->watches[i])
			return fault_within(fault, i ? "POSTERN_GATEWAY_KEY"
						     : "POSTERN_GATEWAY_CERTIFICATE");
	}
	if (gateway->certificate)
		metric_set(gateway->metrics.certificate_expiry,
			certificate_expires_s(gateway->certificate));
	return gateway->certificate != NULL;
}

bool gateway_open(struct process *process, void **ret_self, struct fault *fault)
{
	struct gateway *gateway = NEW(struct gateway);
	gateway->process = process;
	gateway->config = process->config;
	gateway->world = connection_world;
	gateway->meters = meters_new();
	gateway->addresses = table_new();
	gateway->stores = stores_new(process, gateway->config->store_timeout_ms);
	make_metrics(&gateway->metrics);
	set_limits(gateway);
	raise_files(gateway);
	if (!set_hostname(gateway, fault) || !open_certificate(gateway, fault) ||
		!listen_at(gateway, fault)) {
		gateway_close(gateway);
		return false;
	}
	registry_listen(process->registry, on_control, gateway);
	*ret_self = gateway;
	return true;
}

static void stop_listening(struct gateway *gateway)
{
	for (size_t i = 0; i < 2; i++) {
		acceptor_close(gateway->acceptors[i]);
		gateway->acceptors[i] = NULL;
	}
}

void gateway_drain(void *self)
{
	struct gateway *gateway = self;
	stop_listening(gateway);
	for (struct connection *connection = gateway->first, *next; connection;
		connection = next) {
		next = connection_next(connection);
		connection_drain(connection);
	}
	gateway->is_draining = true;
	drained_if_empty(gateway);
}

void gateway_close(void *self)
{
	struct gateway *gateway = self;
	gateway->is_draining = false;
	stop_listening(gateway);
	while (gateway->first)
		connection_free(gateway->first);
	for (size_t i = 0; i < 2; i++)
		file_watch_free(gateway->watches[i]);
	stores_free(gateway->stores);
	certificate_close(gateway->certificate);
	meters_free(gateway->meters);
	table_free(gateway->addresses);
	free(gateway);
}
