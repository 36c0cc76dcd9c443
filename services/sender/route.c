/* SPDX-License-Identifier: MIT */
#include "services/sender/route.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/memory.h"
#include "lib/registry/registry.h"
#include "lib/table.h"
#include "services/sender/mx.h"
#include "services/sender/reach.h"

#define SMTP_PORT 25
/* libunbound caches by TTL; this only saves asking it for every message of a burst. */
#define KEEP_MS 30000
/* What may be better in a moment. A domain that is not there bounces its mail: not for
 * longer than the DNS says so. */
#define KEEP_BAD_MS 1000
#define DOMAINS_MAX 10000

struct waiter {
	struct waiter *next;
	route_found *found;
	void *with;
};

/* What is known of a domain without a written route. */
struct domain {
	struct routes *routes;
	char *name;
	struct dns_query *query; /* under way */
	struct waiter *waiters, **waiters_end;
	struct route *route; /* NULL: `why` */
	struct reply why;
	int64_t until_ms; /* monotonic */
};

struct routes {
	struct routes_options options;
	struct table *domains;
	int64_t forget_ms; /* monotonic: when old ones may be looked for again */
};

struct route *route_hold(struct route *route)
{
	route->references++;
	return route;
}

void route_release(struct route *route)
{
	if (!route || --route->references)
		return;
	for (size_t i = 0; i < route->host_count; i++)
		free(route->hosts[i]);
	free(route->key);
	free(route);
}

static struct route *route_new(Postern__TlsMode tls, uint16_t port)
{
	struct route *route = NEW(struct route);
	*route = (struct route){ .references = 1, .tls = tls, .port = port };
	return route;
}

static void add_host(struct route *route, struct slice host)
{
	if (route->host_count < ROUTE_HOSTS_MAX)
		route->hosts[route->host_count++] = memory_string(host);
}

/* `hosts` are listed in an order that does not depend on chance. */
static void set_key(struct route *route, const char *kind, const struct mx_list *list)
{
	struct buffer key;
	buffer_init(&key, 16384);
	buffer_printf(&key, "%s %d %u", kind, (int)route->tls, route->port);
	for (size_t i = 0; i < route->host_count; i++)
		buffer_printf(&key, " %s", list ? list->rows[i].host : route->hosts[i]);
	route->key = memory_string(buffer_slice(&key));
	buffer_done(&key);
}

static struct slice without_brackets(struct slice host)
{
	if (host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
		host = (struct slice){ host.data + 1, host.size - 2 };
	if (slice_has_prefix_nocase(host, SLICE("IPv6:")))
		host = slice_skip(host, 5);
	return host;
}

static struct route *written_route(const Postern__DestinationRoute *object)
{
	struct route *route = route_new(
		object->tls, object->port ? (uint16_t)object->port : SMTP_PORT);
	route->is_written = true;
	add_host(route, without_brackets(slice_of(object->host)));
	set_key(route, "route", NULL);
	return route;
}

/* RFC 5321 4.1.3. What is no address fails when it is dialled. */
static struct route *literal_route(const char *domain)
{
	struct route *route = route_new(
		POSTERN__TLS_MODE__TLS_MODE_UNSPECIFIED, SMTP_PORT);
	add_host(route, without_brackets(slice_of(domain)));
	set_key(route, "literal", NULL);
	return route;
}

static struct route *mx_route(struct mx_list *list, const char *domain)
{
	struct route *route = route_new(
		POSTERN__TLS_MODE__TLS_MODE_UNSPECIFIED, SMTP_PORT);
	struct mx_list sorted = *list;
	mx_list_shuffle(list, arc4random_uniform);
	for (size_t i = 0; i < list->count; i++)
		add_host(route, slice_of(list->rows[i].host));
	if (list->count == 0)
		add_host(route, slice_of(domain));
	set_key(route, "mx", list->count ? &sorted : NULL);
	return route;
}

static void domain_free(struct domain *domain)
{
	if (domain->query)
		dns_cancel(domain->query);
	while (domain->waiters) {
		struct waiter *next = domain->waiters->next;
		free(domain->waiters);
		domain->waiters = next;
	}
	route_release(domain->route);
	free(domain->name);
	free(domain);
}

static void on_answer(void *with, const struct dns_answer *answer)
{
	struct domain *domain = with;
	struct mx_list list;
	domain->query = NULL;
	route_release(domain->route);
	domain->route = NULL;
	if (mx_list_read(&list, answer, domain->routes->options.helo, &domain->why))
		domain->route = mx_route(&list, domain->name);
	domain->until_ms = clock_monotonic_ms() + (domain->route ? KEEP_MS : KEEP_BAD_MS);
	struct waiter *waiter = domain->waiters;
	domain->waiters = NULL;
	domain->waiters_end = &domain->waiters;
	while (waiter) {
		struct waiter *next = waiter->next;
		waiter->found(waiter->with, domain->route, &domain->why);
		free(waiter);
		waiter = next;
	}
}

static void forget_old(struct routes *routes)
{
	int64_t now_ms = clock_monotonic_ms();
	if (table_size(routes->domains) < DOMAINS_MAX || routes->forget_ms > now_ms)
		return;
	routes->forget_ms = now_ms + KEEP_MS;
	struct table *kept = table_new();
	size_t cursor = 0;
	struct slice name;
	void *value;
	while (table_next(routes->domains, &cursor, &name, &value)) {
		struct domain *domain = value;
		if (domain->query || domain->until_ms > now_ms)
			table_put(kept, name, domain);
		else
			domain_free(domain);
	}
	table_free(routes->domains);
	routes->domains = kept;
}

static struct domain *domain_of(struct routes *routes, const char *name)
{
	struct domain *domain = table_get(routes->domains, slice_of(name));
	if (domain)
		return domain;
	forget_old(routes);
	domain = NEW(struct domain);
	domain->routes = routes;
	domain->name = memory_string(slice_of(name));
	domain->waiters_end = &domain->waiters;
	table_put(routes->domains, slice_of(name), domain);
	return domain;
}

static void find_mx(
	struct routes *routes, const char *name, route_found *found, void *with)
{
	struct domain *domain = domain_of(routes, name);
	if (!domain->query && domain->until_ms > clock_monotonic_ms()) {
		found(with, domain->route, &domain->why);
		return;
	}
	struct waiter *waiter = NEW(struct waiter);
	*waiter = (struct waiter){ NULL, found, with };
	*domain->waiters_end = waiter;
	domain->waiters_end = &waiter->next;
	if (!domain->query)
		domain->query = dns_ask(
			routes->options.dns, name, DNS_MX, on_answer, domain);
}

void route_find(struct routes *routes, const char *domain, route_found *found, void *with)
{
	const Postern__DestinationRoute *object = registry_route(routes->options.registry,
		slice_of(domain), slice_of(routes->options.pool));
	struct route *route = NULL;
	if (object)
		route = written_route(object);
	else if (domain[0] == '[')
		route = literal_route(domain);
	if (!route) {
		find_mx(routes, domain, found, with);
		return;
	}
	found(with, route, NULL);
	route_release(route);
}

struct routes *routes_open(const struct routes_options *options)
{
	struct routes *routes = NEW(struct routes);
	routes->options = *options;
	routes->domains = table_new();
	return routes;
}

void routes_close(struct routes *routes)
{
	if (!routes)
		return;
	size_t cursor = 0;
	struct slice name;
	void *domain;
	while (table_next(routes->domains, &cursor, &name, &domain))
		domain_free(domain);
	table_free(routes->domains);
	free(routes);
}
