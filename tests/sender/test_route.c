/* SPDX-License-Identifier: MIT
 *
 * Where mail goes: addresses, MX answers, and routes over a real name server. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/dns/dns.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mail.h"
#include "lib/registry/registry.h"
#include "services/sender/destination.h"
#include "services/sender/mx.h"
#include "services/sender/reach.h"
#include "services/sender/route.h"

#define ROWS(table) (int)(sizeof(table) / sizeof(*(table)))

/* --- addresses --- */

static const struct {
	const char *address;
	bool is_public;
} addresses[] = {
	{ "8.8.8.8", true },
	{ "0.0.0.0", false },
	{ "0.1.2.3", false },
	{ "10.1.2.3", false },
	{ "11.0.0.1", true },
	{ "100.63.255.255", true },
	{ "100.64.0.1", false },
	{ "100.127.255.255", false },
	{ "100.128.0.1", true },
	{ "127.0.0.1", false },
	{ "127.255.255.255", false },
	{ "169.254.169.254", false },
	{ "172.15.0.1", true },
	{ "172.16.0.1", false },
	{ "172.31.255.255", false },
	{ "172.32.0.1", true },
	{ "192.0.0.1", false },
	{ "192.0.2.1", false },
	{ "192.168.1.1", false },
	{ "198.17.0.1", true },
	{ "198.18.0.1", false },
	{ "198.19.255.255", false },
	{ "198.51.100.1", false },
	{ "203.0.113.1", false },
	{ "223.255.255.255", true },
	{ "224.0.0.1", false },
	{ "240.0.0.1", false },
	{ "255.255.255.255", false },
	{ "2606:4700::1111", true },
	{ "::", false },
	{ "::1", false },
	{ "::ffff:127.0.0.1", false },
	{ "::ffff:10.0.0.1", false },
	{ "::ffff:8.8.8.8", true },
	{ "::8.8.8.8", false },
	{ "64:ff9b::127.0.0.1", false },
	{ "64:ff9b::8.8.8.8", true },
	{ "100::1", false },
	{ "fe80::1", false },
	{ "fc00::1", false },
	{ "fd12:3456::1", false },
	{ "fec0::1", false },
	{ "ff02::1", false },
	{ "2001:db8::1", false },
	{ "2001::1", false },
	{ "2001:200::1", true },
	{ "2002:7f00:1::1", false },
	{ "2002:a00:1::1", false },
	{ "2002:808:808::1", true },
	{ "3fff::1", false },
};

START_TEST(only_public_addresses_are_public)
{
	struct endpoint endpoint;
	char text[ENDPOINT_TEXT];
	ck_assert(endpoint_parse(addresses[_i].address, 25, &endpoint));
	endpoint_print(&endpoint, text);
	ck_assert_msg(
		endpoint_is_public(&endpoint) == addresses[_i].is_public, "%s", text);
}
END_TEST

START_TEST(a_name_is_no_address)
{
	static const char *const names[] = { "example.com", "1.2.3", "1.2.3.4.5",
		"1.2.3.256", "0x7f.1", "2130706433", "[::1]", "127.1", "" };
	struct endpoint endpoint;
	for (int i = 0; i < ROWS(names); i++)
		ck_assert_msg(!endpoint_parse(names[i], 25, &endpoint), "%s", names[i]);
}
END_TEST

/* --- MX answers --- */

/* "10 mx.example" as RDATA; "10 ." is the null MX, "!" is damaged. */
static struct slice rdata_of(struct arena *arena, const char *text)
{
	char *rdata = arena_zalloc(arena, 300), *to = rdata + 2;
	if (*text == '!')
		return (struct slice){ rdata, 1 };
	unsigned long preference = strtoul(text, (char **)&text, 10);
	rdata[0] = (char)(preference >> 8);
	rdata[1] = (char)preference;
	struct slice rest = slice_of(text + 1), label;
	while (slice_split(&rest, '.', &label)) {
		if (!label.size)
			continue;
		*to++ = (char)label.size;
		memcpy(to, label.data, label.size);
		to += label.size;
	}
	return (struct slice){ rdata, (size_t)(to + 1 - rdata) };
}

static const struct {
	const char *records[6];
	enum dns_outcome outcome;
	const char *hosts; /* as sorted; NULL: it fails */
	unsigned code;
	const char *enhanced;
} answers[] = {
	{ { "20 b.example", "10 a.example" }, DNS_FOUND, "a.example b.example " },
	{ { "10 b.example", "10 a.example", "10 a.example" }, DNS_FOUND,
		"a.example b.example " },
	{ { "0 ." }, DNS_FOUND, NULL, 556, "5.1.10" },
	{ { "0 .", "10 a.example" }, DNS_FOUND, "a.example " },
	{ { "!", "10 a.example" }, DNS_FOUND, "a.example " },
	{ { "!" }, DNS_FOUND, NULL, 451, "4.4.3" },
	{ { "10 a.example", "20 US.example", "30 b.example" }, DNS_FOUND, "a.example " },
	{ { "10 a.example", "20 us.example", "20 b.example" }, DNS_FOUND, "a.example " },
	{ { "10 us.example", "20 b.example" }, DNS_FOUND, NULL, 554, "5.4.6" },
	{ { 0 }, DNS_NO_DATA, "" },
	{ { 0 }, DNS_NO_NAME, NULL, 550, "5.1.2" },
	{ { 0 }, DNS_FAILED, NULL, 451, "4.4.3" },
};

START_TEST(an_mx_answer_becomes_a_list_of_hosts)
{
	struct arena *arena = arena_new();
	struct slice data[6];
	struct dns_answer answer = {
		.outcome = answers[_i].outcome, .data = data, .why = "no reason"
	};
	while (answer.count < 6 && answers[_i].records[answer.count]) {
		data[answer.count] = rdata_of(arena, answers[_i].records[answer.count]);
		answer.count++;
	}
	struct mx_list list;
	struct reply why = { 0 };
	bool is_good = mx_list_read(&list, &answer, "us.example", &why);
	ck_assert_int_eq(is_good, answers[_i].hosts != NULL);
	if (is_good) {
		char hosts[512] = "";
		for (size_t i = 0; i < list.count; i++)
			snprintf(hosts + strlen(hosts), sizeof(hosts) - strlen(hosts),
				"%s ", list.rows[i].host);
		ck_assert_str_eq(hosts, answers[_i].hosts);
	} else {
		ck_assert_uint_eq(why.code, answers[_i].code);
		ck_assert_str_eq(why.enhanced, answers[_i].enhanced);
	}
	arena_free(arena);
}
END_TEST

START_TEST(a_flood_of_records_keeps_the_most_preferred)
{
	struct arena *arena = arena_new();
	struct slice data[200];
	struct dns_answer answer = { .outcome = DNS_FOUND, .data = data, .count = 200 };
	for (int i = 0; i < 200; i++)
		data[i] = rdata_of(
			arena, arena_printf(arena, "%d h%d.example", 1000 - i, i));
	static struct mx_list list;
	ck_assert(mx_list_read(&list, &answer, "us.example", NULL));
	ck_assert_uint_eq(list.count, MX_MAX);
	for (size_t i = 0; i < MX_MAX; i++)
		ck_assert_uint_eq(list.rows[i].preference, 801 + i);
	arena_free(arena);
}
END_TEST

START_TEST(equal_preferences_are_tried_in_random_order)
{
	struct mx_list sorted = { .count = 4,
		.rows = { { 10, "a" }, { 20, "b" }, { 20, "c" }, { 30, "d" } } };
	int b_first = 0;
	for (int i = 0; i < 400; i++) {
		struct mx_list list = sorted;
		mx_list_shuffle(&list, arc4random_uniform);
		ck_assert_str_eq(list.rows[0].host, "a");
		ck_assert_str_eq(list.rows[3].host, "d");
		b_first += list.rows[1].host[0] == 'b';
	}
	ck_assert_int_gt(b_first, 100);
	ck_assert_int_lt(b_first, 300);
}
END_TEST

/* --- routes over a name server --- */

static const char zone[] = "$TTL 1\n"
			   "@ SOA ns hostmaster 1 60 60 60 1\n"
			   "@ NS ns\n"
			   "ns A 127.0.0.1\n"
			   "plain MX 20 mx2\n"
			   "plain MX 10 mx1\n"
			   "same MX 10 mx1\n"
			   "same MX 20 mx2\n"
			   "null MX 0 .\n"
			   "implicit A 8.8.8.8\n"
			   "alias CNAME plain\n"
			   "loop MX 10 us\n"
			   "inside MX 10 private\n"
			   "away MX 10 nowhere\n"
			   "mx1 A 8.8.8.1\n"
			   "mx2 A 8.8.8.2\n"
			   "private A 127.0.0.1\n"
			   "private AAAA ::1\n";

static char folder[64];
static struct {
	struct loop *loop;
	struct log log;
	struct arena *arena;
	struct registry *registry;
	struct dns *dns;
	struct routes *routes;
	struct timer *patience;
	char server[32];
	unsigned answers, wanted;
	/* The last answer. */
	char key[256], hosts[256];
	bool is_written;
	struct reply why;
} net;

static void start_server(void)
{
	snprintf(folder, sizeof(folder), "/tmp/sender-dns-XXXXXX");
	ck_assert(mkdtemp(folder));
	char command[512], path[128];
	snprintf(path, sizeof(path), "%s/example.test.zone", folder);
	FILE *file = fopen(path, "w");
	fputs(zone, file);
	fclose(file);
	snprintf(command, sizeof(command), "tools/nsd start %s %s > %s/told", folder,
		path, folder);
	ck_assert_msg(system(command) == 0, "%s", command);
	snprintf(path, sizeof(path), "%s/told", folder);
	file = fopen(path, "r");
	int port = 0;
	ck_assert(file && fscanf(file, "%d", &port) == 1);
	fclose(file);
	snprintf(net.server, sizeof(net.server), "127.0.0.1:%d", port);
}

static void stop_server(void)
{
	char command[256];
	snprintf(command, sizeof(command), "tools/nsd stop %s; rm -r %s", folder, folder);
	ck_assert_int_eq(system(command), 0);
}

static void on_late(void *with)
{
	(void)with;
	loop_stop(net.loop);
}

static void open_net(const char *server)
{
	struct fault fault = { 0 };
	char address[32];
	snprintf(address, sizeof(address), "%s", server);
	net.loop = loop_new();
	net.arena = arena_new();
	net.registry = registry_new(&net.log);
	net.dns = dns_open(net.loop,
		&(struct dns_options){ .forward = address, .timeout_ms = 1500 }, &fault);
	ck_assert_msg(net.dns, "%s", fault.text);
	net.routes = routes_open(&(struct routes_options){
		net.registry, net.dns, "default", "us.example.test" });
	net.patience = timer_new(net.loop, on_late, NULL);
	net.answers = 0;
}

static void set_up(void)
{
	open_net(net.server);
}

static void tear_down(void)
{
	timer_free(net.patience);
	routes_close(net.routes);
	dns_close(net.dns);
	registry_close(net.registry);
	arena_free(net.arena);
	loop_free(net.loop);
}

static void put_route(const char *domain, const char *host, const char *pool)
{
	Postern__DestinationRoute route = POSTERN__DESTINATION_ROUTE__INIT;
	route.domain = (char *)domain;
	route.host = (char *)host;
	route.pool = (char *)pool;
	route.port = 1;
	Postern__Object object = POSTERN__OBJECT__INIT;
	object.version = RECORD_VERSION;
	object.kind_case = POSTERN__OBJECT__KIND_ROUTE;
	object.route = &route;
	registry_change(net.registry, object_key(net.arena, &object),
		record_encode(net.arena, &object.base));
}

static void on_found(void *with, struct route *route, const struct reply *why)
{
	(void)with;
	net.key[0] = net.hosts[0] = '\0';
	net.why = (struct reply){ 0 };
	if (route) {
		snprintf(net.key, sizeof(net.key), "%s", route->key);
		net.is_written = route->is_written;
		for (size_t i = 0; i < route->host_count; i++)
			snprintf(net.hosts + strlen(net.hosts),
				sizeof(net.hosts) - strlen(net.hosts), "%s ",
				route->hosts[i]);
	} else {
		net.why = *why;
	}
	if (++net.answers == net.wanted)
		loop_stop(net.loop);
}

static void find(const char *domain)
{
	net.wanted = net.answers + 1;
	route_find(net.routes, domain, on_found, NULL);
	if (net.answers == net.wanted)
		return;
	timer_start(net.patience, 10000);
	loop_run(net.loop);
	timer_stop(net.patience);
	ck_assert_uint_eq(net.answers, net.wanted);
}

static const struct {
	const char *domain, *hosts;
	unsigned code;
	const char *enhanced;
} domains[] = {
	{ "plain.example.test", "mx1.example.test mx2.example.test " },
	{ "alias.example.test", "mx1.example.test mx2.example.test " },
	{ "implicit.example.test", "implicit.example.test " },
	{ "null.example.test", "", 556, "5.1.10" },
	{ "loop.example.test", "", 554, "5.4.6" },
	{ "missing.example.test", "", 550, "5.1.2" },
	{ "[192.0.2.7]", "192.0.2.7 " },
	{ "[IPv6:2001:db8::7]", "2001:db8::7 " },
};

START_TEST(a_domain_has_its_mail_hosts)
{
	/* The second answer comes from the cache. */
	for (int i = 0; i < 2; i++) {
		find(domains[_i].domain);
		ck_assert_str_eq(net.hosts, domains[_i].hosts);
		ck_assert_uint_eq(net.why.code, domains[_i].code);
		ck_assert_str_eq(net.why.enhanced,
			domains[_i].enhanced ? domains[_i].enhanced : "");
		ck_assert(!net.is_written);
	}
}
END_TEST

START_TEST(a_domain_that_was_missing_is_found_soon_after_it_is_published)
{
	char command[512];
	find("new.example.test");
	ck_assert_str_eq(net.why.enhanced, "5.1.2");
	snprintf(command, sizeof(command),
		"echo 'new MX 10 mx1' >> %s/example.test.zone; tools/nsd reload %s",
		folder, folder);
	ck_assert_int_eq(system(command), 0);
	/* Its absence was good for a second (SOA), and is remembered for another. */
	for (int i = 0; i < 40 && net.why.code; i++) {
		usleep(100000);
		find("new.example.test");
	}
	ck_assert_str_eq(net.hosts, "mx1.example.test ");
}
END_TEST

START_TEST(domains_with_the_same_hosts_are_one_destination)
{
	char key[256];
	find("plain.example.test");
	memcpy(key, net.key, sizeof(key));
	find("same.example.test");
	ck_assert_str_eq(net.key, key);
	find("implicit.example.test");
	ck_assert_str_ne(net.key, key);
}
END_TEST

START_TEST(a_written_route_comes_before_the_dns)
{
	put_route("plain.example.test", "smart.example", "");
	find("plain.example.test");
	ck_assert_str_eq(net.hosts, "smart.example ");
	ck_assert(net.is_written);
	find("same.example.test");
	ck_assert(!net.is_written);
	put_route("plain.example.test", "other.example", "default");
	find("plain.example.test");
	ck_assert_str_eq(net.hosts, "other.example ");
	put_route("*", "[::1]", "");
	find("same.example.test");
	ck_assert_str_eq(net.hosts, "::1 ");
	find("[192.0.2.7]");
	ck_assert_str_eq(net.hosts, "::1 ");
}
END_TEST

START_TEST(who_asks_at_the_same_time_is_answered_by_one_question)
{
	net.wanted = 50;
	for (int i = 0; i < 50; i++)
		route_find(net.routes, "plain.example.test", on_found, NULL);
	timer_start(net.patience, 10000);
	loop_run(net.loop);
	ck_assert_uint_eq(net.answers, 50);
}
END_TEST

START_TEST(a_resolver_that_is_away_is_a_temporary_failure)
{
	tear_down();
	open_net("127.0.0.1:1");
	find("plain.example.test");
	ck_assert_uint_eq(net.why.code, 451);
	ck_assert_str_eq(net.why.enhanced, "4.4.3");
}
END_TEST

/* --- what a dial makes of it --- */

static struct reply dial_why;
static bool is_final;

static void on_ready(void *with, struct connection *connection)
{
	(void)with, (void)connection;
	ck_abort_msg("there is a connection");
}

static void on_failed(void *with, const struct reply *why, bool final)
{
	(void)with;
	dial_why = *why;
	is_final = final;
	loop_stop(net.loop);
}

static void dial_route(void *with, struct route *route, const struct reply *why)
{
	static const struct dial_calls calls = { on_ready, on_failed };
	ck_assert_msg(route, "%s", why ? why->text : "");
	dial_start(with, route, &calls, NULL);
}

static const struct {
	const char *domain, *written;
	unsigned code;
	const char *enhanced;
	bool is_final;
} dials[] = {
	{ "inside.example.test", NULL, 550, "5.4.4", true },
	{ "away.example.test", NULL, 550, "5.4.4", true },
	{ "[127.0.0.1]", NULL, 550, "5.4.4", true },
	{ "[IPv6:::1]", NULL, 550, "5.4.4", true },
	/* An operator's mistake does not bounce. */
	{ "x.example", "nowhere.example.test", 550, "5.4.4", false },
	{ "x.example", "127.0.0.1", 451, "4.4.1", false },
};

START_TEST(nothing_goes_to_private_addresses_that_the_dns_gives)
{
	struct fault fault;
	struct connection_timeouts timeouts = { .connect = 1000, .greeting = 1000 };
	struct pool pool = { .helo = "us.example.test" };
	struct dial_options options = { { net.loop, tls_open("", &fault), &timeouts },
		net.dns, &pool };
	if (dials[_i].written)
		put_route(dials[_i].domain, dials[_i].written, "");
	route_find(net.routes, dials[_i].domain, dial_route, &options);
	timer_start(net.patience, 10000);
	dial_why.code = 0;
	loop_run(net.loop);
	ck_assert_uint_eq(dial_why.code, dials[_i].code);
	ck_assert_str_eq(dial_why.enhanced, dials[_i].enhanced);
	ck_assert_int_eq(is_final, dials[_i].is_final);
	tls_close(options.connection.tls);
}
END_TEST

Suite *route_suite(void)
{
	Suite *suite = suite_create("route");
	TCase *pure = tcase_create("pure"), *served = tcase_create("served");
	tcase_add_loop_test(pure, only_public_addresses_are_public, 0, ROWS(addresses));
	tcase_add_test(pure, a_name_is_no_address);
	tcase_add_loop_test(pure, an_mx_answer_becomes_a_list_of_hosts, 0, ROWS(answers));
	tcase_add_test(pure, a_flood_of_records_keeps_the_most_preferred);
	tcase_add_test(pure, equal_preferences_are_tried_in_random_order);
	tcase_set_timeout(served, 30);
	tcase_add_unchecked_fixture(served, start_server, stop_server);
	tcase_add_checked_fixture(served, set_up, tear_down);
	tcase_add_loop_test(served, a_domain_has_its_mail_hosts, 0, ROWS(domains));
	tcase_add_test(
		served, a_domain_that_was_missing_is_found_soon_after_it_is_published);
	tcase_add_test(served, domains_with_the_same_hosts_are_one_destination);
	tcase_add_test(served, a_written_route_comes_before_the_dns);
	tcase_add_test(served, who_asks_at_the_same_time_is_answered_by_one_question);
	tcase_add_test(served, a_resolver_that_is_away_is_a_temporary_failure);
	tcase_add_loop_test(served, nothing_goes_to_private_addresses_that_the_dns_gives,
		0, ROWS(dials));
	suite_add_tcase(suite, pure);
	suite_add_tcase(suite, served);
	return suite;
}
