/* SPDX-License-Identifier: MIT */
#include "lib/dns/dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>

#include "lib/dns/name.h"
#include "lib/loop.h"
#include "lib/memory.h"

#define TIMEOUT_MS  10000
#define RECORDS_MAX 256 /* of one answer; what comes after is not looked at */
#define CLASS_IN    1

struct dns_query {
	struct dns *dns;
	struct dns_query *next, **link;
	struct timer *deadline;
	int id;                /* libunbound's; -1: it was never asked */
	enum dns_outcome late; /* what the deadline answers */
	const char *why;
	dns_answered *answered;
	void *with;
};

struct dns {
	struct loop *loop;
	struct ub_ctx *unbound;
	struct watch *watch;
	int64_t timeout_ms;
	struct dns_query *queries;
};

/* A resolver answers late for every name whose servers are slow, and libunbound counts
 * that against the resolver: in the end it asks it nothing at all for infra-host-ttl, 15
 * minutes by default. Forgetting within seconds costs a retransmission here and there.
 * (A low infra-cache-max-rtt fails sooner, but gets to that end within seconds: measured,
 * 40 s after the resolver was back still no answer.)
 * A missing name may just have been published by an operator who waits for mail to leave:
 * hence the bound on negative answers. */
static const struct {
	const char *name, *value;
} options_of_unbound[] = {
	{ "infra-host-ttl:", "10" },
	{ "cache-max-negative-ttl:", "60" },
	{ "outgoing-range:", "256" },
	{ "outgoing-num-tcp:", "16" },
	{ "msg-cache-size:", "8m" },
	{ "rrset-cache-size:", "16m" },
};

/* libunbound answers these itself, though a resolver that we are told to ask may well
 * serve them. It keeps answering `localhost.` and `invalid.` (RFC 6761). */
static const char *const zones_to_ask_for[] = { "test.", "home.arpa." };

static bool set_option(
	struct ub_ctx *unbound, const char *name, const char *value, struct fault *fault)
{
	int error = ub_ctx_set_option(unbound, name, value);
	return error == UB_NOERROR || fault_fatal(fault, "libunbound: %s %s: %s", name,
					      value, ub_strerror(error));
}

static bool set_options(struct ub_ctx *unbound, struct fault *fault)
{
	for (size_t i = 0; i < sizeof(options_of_unbound) / sizeof(*options_of_unbound);
		i++)
		if (!set_option(unbound, options_of_unbound[i].name,
			    options_of_unbound[i].value, fault))
			return false;
	return true;
}

static bool is_ip_address(const char *text)
{
	struct in6_addr address;
	return inet_pton(AF_INET, text, &address) == 1 ||
	       inet_pton(AF_INET6, text, &address) == 1;
}

/* "127.0.0.1:53", "[::1]:53", or either without a port, as libunbound's "127.0.0.1@53".
 */
static bool set_forward(struct ub_ctx *unbound, const char *forward, struct fault *fault)
{
	char host[INET6_ADDRSTRLEN + 1], address[INET6_ADDRSTRLEN + 16];
	int port = 53, end = 0;
	bool is_read = sscanf(forward, "[%45[0-9a-fA-F:.]]%n:%d%n", host, &end, &port,
			       &end) >= 1 &&
		       end > 0;
	if (!is_read) {
		end = 0;
		is_read = sscanf(forward, "%45[0-9.]%n:%d%n", host, &end, &port, &end) >=
			  1;
	}
	if (!is_read || forward[end] || !is_ip_address(host) || port < 1 || port > 65535)
		return fault_permanent(fault,
			"resolver \"%s\": an address and a port are needed, as "
			"127.0.0.1:53 or [::1]:53",
			forward);
	snprintf(address, sizeof(address), "%s@%d", host, port);
	int error = ub_ctx_set_fwd(unbound, address);
	return error == UB_NOERROR ||
	       fault_permanent(fault, "resolver \"%s\": %s", forward, ub_strerror(error));
}

/* False without a fault: the system names no resolver, so libunbound asks from the root
 * servers down. */
static bool set_system_forwards(struct ub_ctx *unbound)
{
	FILE *file = fopen("/etc/resolv.conf", "re");
	if (!file)
		return false;
	bool has_any = false;
	char line[512], address[64];
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " nameserver %63[^ \t\r\n#;]", address) == 1 &&
			ub_ctx_set_fwd(unbound, address) == UB_NOERROR)
			has_any = true;
	fclose(file);
	return has_any;
}

static bool set_servers(struct ub_ctx *unbound, const char *forward, struct fault *fault)
{
	bool is_forwarding = true;
	if (forward && *forward) {
		if (!set_forward(unbound, forward, fault))
			return false;
	} else {
		is_forwarding = set_system_forwards(unbound);
	}
	/* A resolver on loopback is one we were told of; a delegation to loopback that
	 * some zone publishes is not. */
	return set_option(
		unbound, "do-not-query-localhost:", is_forwarding ? "no" : "yes", fault);
}

static bool set_root_key(struct ub_ctx *unbound, const char *path, struct fault *fault)
{
	if (!path || !*path)
		return true;
	/* libunbound itself would look only at the first question. */
	FILE *file = fopen(path, "re");
	if (!file)
		return fault_permanent(fault, "trust anchor %s: %m", path);
	fclose(file);
	int error = ub_ctx_add_ta_file(unbound, path);
	return error == UB_NOERROR ||
	       fault_permanent(fault, "trust anchor %s: %s", path, ub_strerror(error));
}

/* Removing a zone makes libunbound fix its configuration, so this comes last. */
static bool finalize(struct ub_ctx *unbound, struct fault *fault)
{
	for (size_t i = 0; i < sizeof(zones_to_ask_for) / sizeof(*zones_to_ask_for);
		i++) {
		int error = ub_ctx_zone_remove(unbound, zones_to_ask_for[i]);
		if (error != UB_NOERROR)
			return fault_permanent(fault, "libunbound does not start: %s",
				ub_strerror(error));
	}
	return true;
}

static void on_readable(void *with, unsigned what)
{
	(void)what;
	struct dns *dns = with;
	ub_process(dns->unbound);
}

struct dns *dns_open(
	struct loop *loop, const struct dns_options *options, struct fault *fault)
{
	struct ub_ctx *unbound = ub_ctx_create();
	if (!unbound) {
		fault_fatal(fault, "libunbound does not start: %m");
		return NULL;
	}
	/* Its own log lines would stand between the JSON lines of ours. */
	ub_ctx_debugout(unbound, NULL);
	ub_ctx_async(unbound, 1);
	if (!set_options(unbound, fault) ||
		!set_servers(unbound, options->forward, fault) ||
		!set_root_key(unbound, options->root_key, fault) ||
		!finalize(unbound, fault)) {
		ub_ctx_delete(unbound);
		return NULL;
	}
	struct dns *dns = NEW(struct dns);
	dns->loop = loop;
	dns->unbound = unbound;
	dns->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
	dns->watch = watch_new(loop, ub_fd(unbound), LOOP_READ, on_readable, dns);
	return dns;
}

static void query_free(struct dns_query *query)
{
	*query->link = query->next;
	if (query->next)
		query->next->link = query->link;
	timer_free(query->deadline);
	free(query);
}

void dns_cancel(struct dns_query *query)
{
	if (query->id >= 0)
		ub_cancel(query->dns->unbound, query->id);
	query_free(query);
}

void dns_close(struct dns *dns)
{
	if (!dns)
		return;
	while (dns->queries)
		dns_cancel(dns->queries);
	watch_free(dns->watch);
	ub_ctx_delete(dns->unbound);
	free(dns);
}

static void finish(struct dns_query *query, const struct dns_answer *answer)
{
	dns_answered *answered = query->answered;
	void *with = query->with;
	query_free(query);
	answered(with, answer);
}

static void on_deadline(void *with)
{
	struct dns_query *query = with;
	struct dns_answer answer = { .outcome = query->late, .why = query->why };
	if (query->id >= 0)
		ub_cancel(query->dns->unbound, query->id);
	finish(query, &answer);
}

static const char *why_of_rcode(int rcode)
{
	switch (rcode) {
	case 1:
		return "FORMERR";
	case 2:
		return "SERVFAIL: no server answered, or none with a usable answer";
	case 4:
		return "NOTIMP";
	case 5:
		return "REFUSED";
	default:
		return "the server answered with an error";
	}
}

static size_t borrow_data(const struct ub_result *result, struct slice data[RECORDS_MAX])
{
	size_t count = 0;
	while (count < RECORDS_MAX && result->data[count]) {
		data[count] = (struct slice){ result->data[count], result->len[count] };
		count++;
	}
	return count;
}

enum { RCODE_NO_ERROR = 0, RCODE_NO_NAME = 3 };

static void on_result(void *with, int error, struct ub_result *result)
{
	struct slice data[RECORDS_MAX];
	struct dns_answer answer = { .outcome = DNS_FAILED };
	if (error) {
		answer.why = ub_strerror(error);
	} else if (result->bogus) { /* data may be there all the same */
		answer.why = result->why_bogus ? result->why_bogus : "DNSSEC: bogus";
	} else if (result->rcode == RCODE_NO_ERROR) {
		answer.count = borrow_data(result, data);
		answer.data = data;
		answer.outcome = answer.count > 0 ? DNS_FOUND : DNS_NO_DATA;
		answer.is_secure = result->secure;
	} else if (result->rcode == RCODE_NO_NAME) {
		answer.outcome = DNS_NO_NAME;
		answer.is_secure = result->secure;
	} else {
		answer.why = why_of_rcode(result->rcode);
	}
	finish(with, &answer);
	ub_resolve_free(result);
}

/* Leaves the question to the timer: nothing is called back before dns_ask() returned. */
static void answer_soon(
	struct dns_query *query, enum dns_outcome outcome, const char *why)
{
	query->id = -1;
	query->late = outcome;
	query->why = why;
	timer_start(query->deadline, 0);
}

struct dns_query *dns_ask(struct dns *dns, const char *name, enum dns_type type,
	dns_answered *answered, void *with)
{
	struct dns_query *query = NEW(struct dns_query);
	*query = (struct dns_query){ .dns = dns,
		.answered = answered,
		.with = with,
		.next = dns->queries,
		.link = &dns->queries,
		.late = DNS_FAILED,
		.why = "no answer in time" };
	if (dns->queries)
		dns->queries->link = &query->next;
	dns->queries = query;
	query->deadline = timer_new(dns->loop, on_deadline, query);
	if (!name_is_valid(slice_of(name))) {
		answer_soon(query, DNS_NO_NAME, NULL);
		return query;
	}
	int error = ub_resolve_async(
		dns->unbound, name, type, CLASS_IN, query, on_result, &query->id);
	if (error == UB_NOERROR)
		timer_start(query->deadline, dns->timeout_ms);
	else
		answer_soon(query, DNS_FAILED, ub_strerror(error));
	return query;
}
