/* SPDX-License-Identifier: MIT */
#include "services/sender/dial.h"

#include <stdlib.h>
#include <string.h>

#include "lib/dns/dns.h"
#include "lib/dns/rdata.h"
#include "lib/loop.h"
#include "lib/memory.h"

#define ADDRESSES_OF_HOST 4
#define ADDRESSES_MAX     6  /* tried in all */
#define ANSWERS_MAX       16 /* addresses of one host that are looked at */

struct dial {
	struct dial_options options;
	struct route *route;
	const struct dial_calls *calls;
	void *with;
	struct timer *later; /* calls back from the loop */
	size_t host;         /* whose addresses are being tried */
	struct dns_query *ipv4, *ipv6;
	struct endpoint addresses[ANSWERS_MAX];
	size_t address_count, address;
	unsigned tried;
	bool without_tls; /* the handshake failed, and the route does not insist */
	struct connection *connection;
	/* The best reason not to have a connection so far. */
	struct reply why;
	bool is_dns_sure; /* every host that was looked up has no address to use */
};

static void next_host(struct dial *dial);
static void next_address(struct dial *dial);
static void try_address(struct dial *dial);

static const char *host_of(const struct dial *dial)
{
	return dial->route->hosts[dial->host];
}

void dial_free(struct dial *dial)
{
	if (!dial)
		return;
	if (dial->ipv4)
		dns_cancel(dial->ipv4);
	if (dial->ipv6)
		dns_cancel(dial->ipv6);
	connection_free(dial->connection);
	timer_free(dial->later);
	route_release(dial->route);
	free(dial);
}

/* An operator's route that leads nowhere is his mistake, which he will mend: the mail
 * waits. */
static void fail(struct dial *dial)
{
	struct reply why = dial->why;
	if (!why.code)
		reply_set(&why, 451, "4.4.4", "no mail host could be tried");
	bool is_final = dial->is_dns_sure && !dial->route->is_written &&
			reply_is_permanent(&why);
	dial->calls->failed(dial->with, &why, is_final);
	dial_free(dial);
}

/* What a server said is worth more than a host without a usable address. */
static void note(struct dial *dial, unsigned code, const char *enhanced, const char *why)
{
	if (code >= 500 && !dial->is_dns_sure)
		return;
	reply_set(&dial->why, code, enhanced, "%s: %s", host_of(dial), why);
}

static void on_idle(void *with)
{
	struct dial *dial = with;
	struct connection *connection = dial->connection;
	dial->connection = NULL;
	dial->calls->ready(dial->with, connection);
	dial_free(dial);
}

static void on_done(void *with)
{
	(void)with;
}

static bool may_go_without_tls(const struct dial *dial)
{
	return dial->route->tls == POSTERN__TLS_MODE__TLS_MODE_UNSPECIFIED ||
	       dial->route->tls == POSTERN__TLS_MODE__TLS_OPPORTUNISTIC;
}

static void on_closed(void *with, const struct reply *why)
{
	struct dial *dial = with;
	bool tls_failed = connection_tls_failed(dial->connection);
	char to[ENDPOINT_TEXT];
	endpoint_print(&dial->addresses[dial->address], to);
	dial->connection = NULL;
	dial->is_dns_sure = false;
	if (why)
		reply_set(&dial->why, why->code, why->enhanced, "%s (%s): %s",
			host_of(dial), to, why->text);
	if (tls_failed && may_go_without_tls(dial) && !dial->without_tls) {
		dial->without_tls = true;
		try_address(dial);
	} else {
		next_address(dial);
	}
}

static const struct connection_calls calls_of_connection = { on_idle, on_done,
	on_closed };

static void try_address(struct dial *dial)
{
	struct connection_target target = {
		.to = dial->addresses[dial->address],
		.host = host_of(dial),
		.helo = dial->options.pool->helo,
		.tls = dial->without_tls ? POSTERN__TLS_MODE__TLS_NONE : dial->route->tls,
	};
	if (!pool_next_source(
		    dial->options.pool, target.to.address.ss_family, &target.from)) {
		dial->is_dns_sure = false;
		note(dial, 451, "4.4.4", "the pool has no source address of its family");
		next_address(dial);
		return;
	}
	dial->tried++;
	dial->connection = connection_open(
		&dial->options.connection, &target, &calls_of_connection, dial);
}

static void next_address(struct dial *dial)
{
	dial->address++;
	dial->without_tls = false;
	if (dial->tried >= ADDRESSES_MAX)
		fail(dial);
	else if (dial->address < dial->address_count && dial->address < ADDRESSES_OF_HOST)
		try_address(dial);
	else
		next_host(dial);
}

static void shuffle(struct endpoint *addresses, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t j = arc4random_uniform((uint32_t)i);
		struct endpoint address = addresses[i - 1];
		addresses[i - 1] = addresses[j];
		addresses[j] = address;
	}
}

/* All of the host's addresses are known. */
static void try_host(struct dial *dial)
{
	if (dial->address_count == 0) {
		next_host(dial);
		return;
	}
	shuffle(dial->addresses, dial->address_count);
	dial->address = 0;
	try_address(dial);
}

static void add_address(struct dial *dial, const struct endpoint *address)
{
	char text[ENDPOINT_TEXT], why[128];
	if (dial->address_count == ANSWERS_MAX)
		return;
	if (dial->route->is_written || endpoint_is_public(address)) {
		dial->addresses[dial->address_count++] = *address;
		return;
	}
	endpoint_print(address, text);
	snprintf(why, sizeof(why), "%s is not on the public internet", text);
	note(dial, 550, "5.4.4", why);
}

static void add_answer(
	struct dial *dial, const struct dns_answer *answer, enum dns_type type)
{
	if (answer->outcome == DNS_FAILED) {
		dial->is_dns_sure = false;
		note(dial, 451, "4.4.3", answer->why ? answer->why : "no answer");
	} else if (answer->outcome != DNS_FOUND && dial->address_count == 0 &&
		   !dial->why.code) {
		note(dial, 550, "5.4.4", "the host has no address");
	}
	for (size_t i = 0; i < answer->count; i++) {
		struct endpoint address;
		struct in_addr ipv4;
		struct in6_addr ipv6;
		if (type == DNS_A && rdata_a(answer->data[i], &ipv4))
			endpoint_of_ipv4(ipv4, dial->route->port, &address);
		else if (type == DNS_AAAA && rdata_aaaa(answer->data[i], &ipv6))
			endpoint_of_ipv6(ipv6, dial->route->port, &address);
		else
			continue;
		add_address(dial, &address);
	}
}

static void on_ipv4(void *with, const struct dns_answer *answer)
{
	struct dial *dial = with;
	dial->ipv4 = NULL;
	add_answer(dial, answer, DNS_A);
	if (!dial->ipv6)
		try_host(dial);
}

static void on_ipv6(void *with, const struct dns_answer *answer)
{
	struct dial *dial = with;
	dial->ipv6 = NULL;
	add_answer(dial, answer, DNS_AAAA);
	if (!dial->ipv4)
		try_host(dial);
}

static void look_up(struct dial *dial)
{
	struct endpoint literal;
	dial->address_count = 0;
	if (endpoint_parse(host_of(dial), dial->route->port, &literal)) {
		add_address(dial, &literal);
		try_host(dial);
		return;
	}
	dial->ipv4 = dns_ask(dial->options.dns, host_of(dial), DNS_A, on_ipv4, dial);
	dial->ipv6 = dns_ask(dial->options.dns, host_of(dial), DNS_AAAA, on_ipv6, dial);
}

static void next_host(struct dial *dial)
{
	if (++dial->host < dial->route->host_count)
		look_up(dial);
	else
		fail(dial);
}

static void on_later(void *with)
{
	look_up(with);
}

struct dial *dial_start(const struct dial_options *options, struct route *route,
	const struct dial_calls *calls, void *with)
{
	struct dial *dial = NEW(struct dial);
	*dial = (struct dial){ .options = *options,
		.route = route_hold(route),
		.calls = calls,
		.with = with,
		.is_dns_sure = true };
	dial->later = timer_new(options->connection.loop, on_later, dial);
	timer_start(dial->later, 0);
	return dial;
}
