/* SPDX-License-Identifier: MIT */
#include "tests/smtp-gateway/server.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bus/bus.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/mail.h"
#include "lib/registry/credential.h"
#include "lib/topics.h"
#include "services/smtp-gateway/gateway.h"

static uint16_t free_port(void)
{
	struct sockaddr_in where = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(where);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert(bind(fd, (struct sockaddr *)&where, size) == 0);
	getsockname(fd, (struct sockaddr *)&where, &size);
	close(fd);
	return ntohs(where.sin_port);
}

static const char *path_of(struct server *server, const char *name)
{
	return arena_printf(server->arena, "%s/%s", server->folder, name);
}

static void write_file(struct server *server, const char *name, const char *text)
{
	FILE *file = fopen(path_of(server, name), "w");
	fputs(text, file);
	fclose(file);
}

void server_break_certificate(struct server *server)
{
	write_file(server, "certificate.pem", "no certificate\n");
}

void server_write_certificate(struct server *server, const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x509 = X509_new();
	X509_set_version(x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
	X509_gmtime_adj(X509_getm_notBefore(x509), -60);
	X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
	X509_set_pubkey(x509, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
		(const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x509, X509_get_subject_name(x509));
	X509_sign(x509, key, EVP_sha256());
	FILE *file = fopen(path_of(server, "key.pem"), "w");
	PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	file = fopen(path_of(server, "certificate.pem"), "w");
	PEM_write_X509(file, x509);
	fclose(file);
	X509_free(x509);
	EVP_PKEY_free(key);
}

static void published(void *with, const struct fault *fault)
{
	bool *is_durable = with;
	ck_assert_msg(!fault, "%s", fault ? fault->text : "");
	*is_durable = true;
}

static void turn(struct server *server)
{
	struct timer *timer = timer_new(
		server->loop, (loop_call *)loop_stop, server->loop);
	timer_start(timer, 10);
	loop_run(server->loop);
	timer_free(timer);
}

static void tell(struct server *server, Postern__Object *object)
{
	bool is_durable = false;
	object->version = RECORD_VERSION;
	const struct bus_record record = { .topic = TOPIC_CONTROL,
		.key = object_key(server->arena, object),
		.value = record_encode(server->arena, &object->base) };
	bus_publish(server->bus, &record, published, &is_durable);
	while (!is_durable)
		turn(server);
}

void server_set_app(struct server *server, Postern__AppState state, const char *network)
{
	Postern__Object object = POSTERN__OBJECT__INIT;
	Postern__App app = POSTERN__APP__INIT;
	Postern__SenderPair pair = POSTERN__SENDER_PAIR__INIT, *pairs[] = { &pair };
	char *networks[] = { (char *)network };
	pair.envelope = pair.header = (char *)"*@shop.example";
	app.name = (char *)"shop";
	app.state = state;
	app.lane = POSTERN__LANE__LANE_URGENT;
	app.senders = pairs;
	app.n_senders = 1;
	app.networks = networks;
	app.n_networks = network != NULL;
	object.kind_case = POSTERN__OBJECT__KIND_APP;
	object.app = &app;
	tell(server, &object);
}

static void tell_credential(struct server *server)
{
	Postern__Object object = POSTERN__OBJECT__INIT;
	Postern__Credential credential = POSTERN__CREDENTIAL__INIT;
	credential_mint(server->arena, &credential, server->secret);
	credential.app = (char *)"shop";
	credential.name = (char *)"main";
	object.kind_case = POSTERN__OBJECT__KIND_CREDENTIAL;
	object.credential = &credential;
	tell(server, &object);
}

static void set(const char *name, const char *value)
{
	char full[128];
	snprintf(full, sizeof(full), "POSTERN_%s", name);
	setenv(full, value, 1);
}

static void set_all(struct server *server, const char *const *settings)
{
	set("BUS", arena_printf(server->arena, "local:%s/bus", server->folder));
	set("GATEWAY_SUBMISSION",
		arena_printf(server->arena, "127.0.0.1:%u", server->port));
	set("GATEWAY_SUBMISSIONS",
		arena_printf(server->arena, "127.0.0.1:%u", server->tls_port));
	set("GATEWAY_CERTIFICATE", path_of(server, "certificate.pem"));
	set("GATEWAY_KEY", path_of(server, "key.pem"));
	set("GATEWAY_HOSTNAME", "mx.postern.example");
	for (; settings && *settings; settings++) {
		const char *value = strchr(*settings, '=') + 1;
		set(arena_printf(server->arena, "GATEWAY_%.*s",
			    (int)(value - *settings) - 1, *settings),
			value);
	}
}

static void run(struct server *server, const char *const *settings)
{
	char *argv[] = { (char *)"smtp-gateway", NULL };
	int log = open(path_of(server, "log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	set_all(server, settings);
	/* A file size limit then acts as a full disk does. */
	signal(SIGXFSZ, SIG_IGN);
	dup2(log, STDERR_FILENO);
	close(log);
	exit(service_main(1, argv,
		&(struct service){ .name = "smtp-gateway",
			.summary = "Test.",
			.settings = gateway_settings,
			.config_size = sizeof(struct gateway_config),
			.open = gateway_open,
			.drain = gateway_drain,
			.reload = gateway_reload,
			.close = gateway_close }));
}

static bool is_listening(uint16_t port)
{
	struct sockaddr_in where = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool connects = connect(fd, (struct sockaddr *)&where, sizeof(where)) == 0;
	close(fd);
	return connects;
}

static void print_log(struct server *server)
{
	char line[1000];
	FILE *file = fopen(path_of(server, "log"), "r");
	while (file && fgets(line, sizeof(line), file))
		fprintf(stderr, "  %s", line);
	if (file)
		fclose(file);
}

void server_start(struct server *server, const char *const *settings)
{
	struct fault fault = { 0 };
	*server = (struct server){ .arena = arena_new(),
		.folder = "/tmp/gateway.XXXXXX" };
	ck_assert_ptr_nonnull(mkdtemp(server->folder));
	server_write_certificate(server, "first");
	server->port = free_port();
	server->tls_port = free_port();
	/* Before this process has a bus, which a child must not share. */
	server->pid = fork();
	if (server->pid == 0)
		run(server, settings);
	server->loop = loop_new();
	struct bus_options options = {
		.where = arena_printf(server->arena, "local:%s/bus", server->folder),
		.instance = "test",
		.topics = postern_topics,
	};
	server->bus = bus_open(&options, server->loop, &fault);
	ck_assert_msg(server->bus, "%s", fault.text);
	server_set_app(server, POSTERN__APP_STATE__APP_ACTIVE, NULL);
	tell_credential(server);
	for (int i = 0; i < 500 && !is_listening(server->tls_port); i++)
		turn(server);
	if (!is_listening(server->tls_port))
		print_log(server);
	ck_assert(is_listening(server->tls_port));
}

void server_await_end(struct server *server)
{
	int status = -1;
	for (int i = 0; i < 500 && waitpid(server->pid, &status, WNOHANG) == 0; i++)
		usleep(10000);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		print_log(server);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
	server->pid = 0;
}

void server_stop(struct server *server)
{
	if (server->pid) {
		kill(server->pid, SIGTERM);
		server_await_end(server);
	}
	bus_close(server->bus);
	loop_free(server->loop);
	const char *command = arena_printf(server->arena, "rm -rf %s", server->folder);
	ck_assert_int_eq(system(command), 0);
	arena_free(server->arena);
}

struct reading {
	struct server *server;
	struct server_record *records;
	size_t count, most;
	bool has_ended;
};

static void seen(
	void *with, const struct bus_delivery *delivery, const struct fault *fault)
{
	struct reading *reading = with;
	ck_assert_msg(!fault, "%s", fault ? fault->text : "");
	if (!delivery) {
		reading->has_ended = true;
		return;
	}
	if (reading->count < reading->most)
		reading->records[reading->count++] = (struct server_record){
			arena_copy(reading->server->arena, delivery->key),
			arena_copy(reading->server->arena, delivery->value)
		};
}

size_t server_read(struct server *server, const char *topic,
	struct server_record *ret_records, size_t wanted)
{
	struct reading reading = { server, ret_records, 0, wanted, false };
	const struct bus_range range = { .topic = topic };
	int64_t end_ms = clock_monotonic_ms() + 3000;
	while (reading.count < wanted && clock_monotonic_ms() < end_ms) {
		reading.count = 0;
		reading.has_ended = false;
		struct bus_browser *browser = bus_browse(
			server->bus, &range, seen, &reading, NULL);
		while (!reading.has_ended)
			turn(server);
		bus_unbrowse(browser);
	}
	return reading.count;
}
