/* SPDX-License-Identifier: MIT */
#include "tests/bench/load/load.h"

#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "lib/clock.h"
#include "lib/memory.h"
#include "tests/bench/load/client.h"
#include "tests/bench/load/content.h"

#define LOGINS_MAX 200 /* at a time: a server's accept queue is not what is measured */

struct message {
	int64_t due_us, dot_us, answer_us;
	unsigned code;
};

struct load {
	const struct load_plan *plan;
	struct client_office office;
	char *auths[LOAD_LOGINS];
	struct timer *pace;
	struct watch *stop;
	struct client *clients, *ready;
	struct message *messages;
	size_t opened, logged_in, next, count, answered, good, lost;
	int64_t started_us, cpu_us;
};

static int64_t own_cpu_us(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
	       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static bool is_open_loop(const struct load *load)
{
	return load->plan->rate > 0;
}

static void start_next(struct load *load, struct client *client)
{
	size_t number = load->next++;
	if (!is_open_loop(load))
		load->messages[number].due_us = clock_unix_us();
	client_send(client, number);
}

static struct client *take_ready(struct load *load)
{
	struct client *client = load->ready;
	if (client)
		load->ready = client->next;
	return client;
}

/* The messages that are due are given to clients that are ready; the others wait. */
static void on_pace(void *with)
{
	struct load *load = with;
	if (load->next >= load->count)
		return;
	int64_t wait_us = load->messages[load->next].due_us - clock_unix_us();
	while (wait_us <= 0 && load->ready) {
		start_next(load, take_ready(load));
		if (load->next == load->count)
			return;
		wait_us = load->messages[load->next].due_us - clock_unix_us();
	}
	timer_start(load->pace, wait_us > 2000 ? wait_us / 1000 : 1);
}

static void start_all(struct load *load)
{
	printf("{\"logged_in\": %zu}\n", load->logged_in);
	fflush(stdout);
	load->started_us = clock_unix_us();
	load->cpu_us = own_cpu_us();
	if (load->plan->is_idle)
		return;
	if (is_open_loop(load)) {
		for (size_t i = 0; i < load->count; i++)
			load->messages[i].due_us =
				load->started_us +
				(int64_t)((double)i * 1e6 / load->plan->rate);
		on_pace(load);
		return;
	}
	while (load->ready && load->next < load->count)
		start_next(load, take_ready(load));
}

static void on_failed(void *with, struct client *client, const char *why)
{
	struct load *load = with;
	fprintf(stderr, "bench-load: message %zu, %s\n", client->message, why);
	load->lost++;
	loop_stop(load->office.loop);
}

static void open_next(struct load *load)
{
	const char *auth = load->auths[load->opened % load->plan->login_count];
	struct client *client = &load->clients[load->opened++];
	if (!client_open(client, &load->office, auth))
		on_failed(load, client, "cannot connect");
}

static void give_back(struct load *load, struct client *client)
{
	bool goes_on = load->started_us && !is_open_loop(load) && !load->plan->is_idle;
	if (goes_on && load->next < load->count) {
		start_next(load, client);
		return;
	}
	client->next = load->ready;
	load->ready = client;
}

static void on_logged_in(void *with, struct client *client)
{
	struct load *load = with;
	give_back(load, client);
	if (load->opened < load->plan->connections)
		open_next(load);
	if (++load->logged_in == load->plan->connections)
		start_all(load);
}

static void on_sent(void *with, struct client *client)
{
	struct load *load = with;
	load->messages[client->message].dot_us = clock_unix_us();
}

static void on_answered(void *with, struct client *client, unsigned code)
{
	struct load *load = with;
	struct message *message = &load->messages[client->message];
	message->answer_us = clock_unix_us();
	message->code = code;
	load->good += code == 250;
	if (++load->answered >= load->count)
		loop_stop(load->office.loop);
	else
		give_back(load, client);
}

/* RFC 4616. */
static char *auth_plain(const struct load_login *login)
{
	char raw[512], coded[700];
	int size = snprintf(
		raw, sizeof(raw), "%c%s%c%s", 0, login->user, 0, login->secret);
	EVP_EncodeBlock((unsigned char *)coded, (unsigned char *)raw, size);
	char *text = memory_new(800);
	snprintf(text, 800, "AUTH PLAIN %s\r\n", coded);
	return text;
}

/* No new messages; those under way are waited for. */
static void on_stop(void *with, unsigned what)
{
	struct load *load = with;
	load->count = load->next;
	if (load->answered >= load->count)
		loop_stop(load->office.loop);
}

static void write_results(const struct load *load)
{
	double seconds = (double)(clock_unix_us() - load->started_us) / 1e6;
	double cpu_us = (double)(own_cpu_us() - load->cpu_us);
	FILE *out = fopen(load->plan->out, "w");
	for (size_t i = 0; out && i < load->next; i++) {
		const struct message *m = &load->messages[i];
		if (m->answer_us)
			fprintf(out, "%s-%08zu %lld %lld %lld %u\n", load->plan->prefix,
				i, (long long)m->due_us, (long long)m->dot_us,
				(long long)m->answer_us, m->code);
	}
	if (!out || fclose(out))
		perror(load->plan->out);
	printf("{\"good\": %zu, \"answered\": %zu, \"seconds\": %.6f, \"cpu_us\": %.0f}\n",
		load->good, load->answered, seconds, cpu_us);
}

static void open_office(struct load *load)
{
	const struct load_plan *plan = load->plan;
	load->office = (struct client_office){ .plan = plan,
		.loop = loop_new(),
		.tls = SSL_CTX_new(TLS_client_method()),
		.content = content_new(plan->from, plan->prefix, plan->bytes),
		.with = load,
		.ready = on_logged_in,
		.sent = on_sent,
		.answered = on_answered,
		.failed = on_failed };
	SSL_CTX_set_read_ahead(load->office.tls, 1);
	for (size_t i = 0; i < plan->login_count; i++)
		load->auths[i] = auth_plain(&plan->logins[i]);
}

int load_run(const struct load_plan *plan)
{
	struct load load = { .plan = plan, .count = plan->count };
	open_office(&load);
	load.messages = NEW_ARRAY(struct message, plan->count);
	load.clients = NEW_ARRAY(struct client, plan->connections);
	load.pace = timer_new(load.office.loop, on_pace, &load);
	load.stop = watch_signal(load.office.loop, SIGTERM, on_stop, &load);
	while (load.opened < plan->connections && load.opened < LOGINS_MAX)
		open_next(&load);
	loop_run(load.office.loop);
	write_results(&load);
	return load.lost || load.good != load.answered ||
	       (!plan->is_idle && load.answered != load.count);
}
