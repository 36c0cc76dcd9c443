/* SPDX-License-Identifier: MIT
 *
 * Destinations, lines, dials and connections against a real server that misbehaves. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/clock.h"
#include "lib/dns/dns.h"
#include "lib/loop.h"
#include "lib/memory.h"
#include "services/sender/destination.h"
#include "tests/sender/far_end.h"

#define PATIENCE_MS 20000
#define PARCELS     400

struct bench;

struct sent {
	struct parcel parcel;
	struct client_recipient recipient;
	struct bench *bench;
	bool is_done, may_go;
	struct connection_facts facts;
	int64_t took_ms, started_ms;
};

static struct bench {
	struct loop *loop;
	struct tls *tls;
	struct dns *dns;
	struct pool pool;
	struct connection_timeouts timeouts;
	struct destinations *destinations;
	struct route *routes[4];
	struct far_end ends[4];
	size_t route_count, end_count;
	struct sent sent[PARCELS];
	size_t sent_count, done_count, awaited;
	struct timer *patience;
	bool is_late;
} bench;

static const struct slice parts[] = { { "DKIM-Signature: v=1\r\n", 21 },
	{ "Subject: hi\r\n\r\nhello\r\n", 22 } };

/* Somebody sets the clock of this process; monotonic time goes on. */
static time_t clock_step_s;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	long result = syscall(SYS_clock_gettime, clock, now);
	if (clock == CLOCK_REALTIME)
		now->tv_sec += clock_step_s;
	return (int)result;
}

static void on_late(void *with)
{
	bench.is_late = true;
	loop_stop(bench.loop);
}

static void set_timeouts(int64_t ms)
{
	bench.timeouts = (struct connection_timeouts){ .connect = ms,
		.greeting = ms,
		.handshake = ms,
		.command = ms,
		.data = ms,
		.final = ms,
		.transaction = 2 * ms,
		.idle = 5000 };
}

static void open_bench(void)
{
	struct fault fault;
	signal(SIGPIPE, SIG_IGN);
	memset(&bench, 0, sizeof(bench));
	bench.loop = loop_new();
	bench.tls = tls_open("", &fault);
	bench.dns = dns_open(
		bench.loop, &(struct dns_options){ .forward = "127.0.0.1:1" }, &fault);
	ck_assert_ptr_nonnull(bench.dns);
	bench.pool = (struct pool){ .name = "default",
		.helo = "mta.example",
		.connections_per_destination = 20,
		.messages_per_connection = 1000 };
	set_timeouts(8000);
	bench.patience = timer_new(bench.loop, on_late, NULL);
}

static void open_destinations(size_t connections)
{
	bench.destinations = destinations_open(&(struct destinations_options){
		.dial = { { bench.loop, bench.tls, &bench.timeouts }, bench.dns,
			&bench.pool },
		.connections = connections,
		.returns = { 1000, 1000000 },
	});
}

static void setup(void)
{
	open_bench();
	open_destinations(100);
}

static void teardown(void)
{
	destinations_close(bench.destinations);
	for (size_t i = 0; i < bench.route_count; i++)
		route_release(bench.routes[i]);
	for (size_t i = 0; i < bench.end_count; i++)
		far_end_stop(&bench.ends[i]);
	timer_free(bench.patience);
	dns_close(bench.dns);
	tls_close(bench.tls);
	loop_free(bench.loop);
}

static struct far_end *start(const char *options)
{
	struct far_end *far_end = &bench.ends[bench.end_count++];
	far_end_start(far_end, options);
	return far_end;
}

static struct route *route_to(uint16_t port, Postern__TlsMode tls, bool is_written)
{
	struct route *route = NEW(struct route);
	char key[32];
	snprintf(key, sizeof(key), "%u", port);
	*route = (struct route){ .references = 1,
		.port = port,
		.tls = tls,
		.is_written = is_written,
		.host_count = 1 };
	route->key = memory_string(slice_of(key));
	route->hosts[0] = memory_string(SLICE("127.0.0.1"));
	bench.routes[bench.route_count++] = route;
	return route;
}

static struct route *route_of(const struct far_end *far_end)
{
	return route_to(far_end->port, POSTERN__TLS_MODE__TLS_OPPORTUNISTIC, true);
}

static bool may_go(struct parcel *parcel)
{
	return ((struct sent *)parcel->with)->may_go;
}

static void on_done(struct parcel *parcel, const struct connection_facts *facts)
{
	struct sent *sent = parcel->with;
	ck_assert(!sent->is_done);
	sent->is_done = true;
	sent->took_ms = clock_monotonic_ms() - sent->started_ms;
	if (facts)
		sent->facts = *facts;
	if (++bench.done_count == bench.awaited)
		loop_stop(bench.loop);
}

static struct sent *send_as(struct route *route, const char *address, size_t lane)
{
	struct sent *sent = &bench.sent[bench.sent_count++];
	*sent = (struct sent){ .may_go = true, .started_ms = clock_monotonic_ms() };
	sent->recipient = (struct client_recipient){
		.address = address, .notify = "", .orcpt = ""
	};
	sent->parcel = (struct parcel){
		.lane = lane, .may_go = may_go, .done = on_done, .with = sent
	};
	sent->parcel.mail = (struct client_mail){ .from = "a@shop.example",
		.envid = "",
		.ret = "",
		.size_bytes = 43,
		.parts = parts,
		.part_count = 2,
		.recipients = &sent->recipient,
		.recipient_count = 1 };
	destination_submit(destination_of(bench.destinations, route), &sent->parcel);
	return sent;
}

static struct sent *send_to(struct route *route, const char *address)
{
	return send_as(route, address, 1);
}

static struct sent *send_in_lane(struct route *route, size_t lane)
{
	return send_as(route, "b@customer.example", lane);
}

static void pause_ms(int64_t ms)
{
	bench.awaited = (size_t)-1;
	timer_start(bench.patience, ms);
	loop_run(bench.loop);
	bench.is_late = false;
}

static void wait_all(void)
{
	bench.awaited = bench.sent_count;
	if (bench.done_count == bench.sent_count)
		return;
	timer_start(bench.patience, PATIENCE_MS);
	loop_run(bench.loop);
	timer_stop(bench.patience);
	ck_assert_msg(
		!bench.is_late, "%zu of %zu done", bench.done_count, bench.sent_count);
}

#define EXPECT(sent, wanted_outcome, wanted_code, wanted_enhanced)                       \
	do {                                                                             \
		const struct client_recipient *r = &(sent)->recipient;                   \
		ck_assert_msg(r->outcome == (wanted_outcome) &&                          \
				      r->reply.code == (wanted_code) &&                  \
				      strcmp(r->reply.enhanced, (wanted_enhanced)) == 0, \
			"outcome %d: %u %s %s", r->outcome, r->reply.code,               \
			r->reply.enhanced, r->reply.text);                               \
	} while (0)

START_TEST(a_message_is_delivered_over_tls_and_the_certificate_noted)
{
	struct far_end *far_end = start("");
	struct sent *sent = send_to(route_of(far_end), "b@customer.example");
	wait_all();
	EXPECT(sent, CLIENT_DELIVERED, 250, "2.0.0");
	ck_assert_str_eq(sent->facts.host, "127.0.0.1");
	ck_assert_str_eq(sent->facts.tls.version, "TLSv1.3");
	ck_assert_ptr_nonnull(
		strstr(sent->facts.tls.certificate, "subject CN = localhost"));
	ck_assert_ptr_nonnull(strstr(sent->facts.tls.certificate, "not verified: self"));
	ck_assert_uint_eq(far_end_count(far_end, "\"tls\": \"TLSv1.3\""), 1);
	ck_assert_uint_eq(far_end_count(far_end, "\"size\": 43"), 1);
}
END_TEST

START_TEST(many_messages_share_few_connections)
{
	struct far_end *far_end = start("");
	struct route *route = route_of(far_end);
	for (size_t i = 0; i < PARCELS; i++)
		send_to(route, "b@customer.example");
	wait_all();
	for (size_t i = 0; i < PARCELS; i++)
		EXPECT(&bench.sent[i], CLIENT_DELIVERED, 250, "2.0.0");
	ck_assert_uint_eq(far_end_count(far_end, "message_id"), PARCELS);
	ck_assert_uint_eq(far_end_count(far_end, "\"connection\": 21"), 0);
}
END_TEST

START_TEST(one_message_opens_one_connection_and_the_next_reuses_it)
{
	struct far_end *far_end = start("");
	struct route *route = route_of(far_end);
	for (int i = 0; i < 5; i++) {
		send_to(route, "b@customer.example");
		wait_all();
	}
	ck_assert_uint_eq(far_end_count(far_end, "\"connection\": 1"), 5);
	ck_assert_uint_eq(far_end_count(far_end, "\"nth\": 5"), 1);
}
END_TEST

static const char *const impatient[] = { "--idle-close 0.3 --idle-silent",
	"--idle-close 0.3", "--messages 1" };

START_TEST(a_connection_that_the_server_closed_costs_no_deferral)
{
	struct far_end *far_end = start(impatient[_i]);
	struct route *route = route_of(far_end);
	for (int i = 0; i < 3; i++) {
		struct sent *sent = send_to(route, "b@customer.example");
		wait_all();
		EXPECT(sent, CLIENT_DELIVERED, 250, "2.0.0");
		/* Just after the server has closed, and while it does so. */
		pause_ms(i == 0 ? 600 : 300);
	}
	ck_assert_uint_ge(far_end_count(far_end, "\"connection\": 2"), 1);
}
END_TEST

START_TEST(a_message_without_an_answer_is_uncertain)
{
	struct far_end *far_end = start(
		"--rule swallow.example=swallow:1 --rule lose.example=lose:1");
	struct route *route = route_of(far_end);
	struct sent *swallowed = send_to(route, "b@swallow.example");
	wait_all();
	EXPECT(swallowed, CLIENT_UNCERTAIN, 451, "4.4.2");
	pause_ms(1500); /* it counts as a failure of the destination, which rests */
	struct sent *lost = send_to(route, "b@lose.example");
	wait_all();
	EXPECT(lost, CLIENT_UNCERTAIN, 451, "4.4.2");
	ck_assert_uint_eq(far_end_count(far_end, "message_id"), 1);
}
END_TEST

static const struct {
	const char *options, *address;
	enum client_outcome outcome;
	unsigned code;
	const char *enhanced;
} answers[] = {
	{ "--rule customer.example=reject", "b@customer.example", CLIENT_BOUNCED, 550,
		"5.1.1" },
	{ "--rule customer.example=refuse", "b@customer.example", CLIENT_BOUNCED, 554,
		"5.7.1" },
	{ "--rule customer.example=defer:1", "b@customer.example", CLIENT_DEFERRED, 451,
		"4.7.1" },
	{ "--rule customer.example=full:1", "b@customer.example", CLIENT_DEFERRED, 452,
		"4.3.1" },
	{ "--rule customer.example=busy:1", "b@customer.example", CLIENT_DEFERRED, 421,
		"4.3.2" },
	{ "--rule customer.example=slow:9", "b@customer.example", CLIENT_UNCERTAIN, 451,
		"4.4.2" },
	{ "--rule customer.example=late:9", "b@customer.example", CLIENT_DEFERRED, 451,
		"4.4.2" },
	{ "--greeting-delay 9", "b@customer.example", CLIENT_DEFERRED, 451, "4.4.2" },
	{ "--endless", "b@customer.example", CLIENT_DEFERRED, 451, "4.5.0" },
	{ "--greeting 554.no", "b@customer.example", CLIENT_DEFERRED, 451, "4.5.0" },
	{ "--helo-only", "b@customer.example", CLIENT_DELIVERED, 250, "2.0.0" },
	{ "--offer SMTPUTF8", "b@customer.example", CLIENT_DELIVERED, 250, "2.0.0" },
	{ "--size 10", "b@customer.example", CLIENT_BOUNCED, 552, "5.3.4" },
};

START_TEST(answers_and_silence_become_outcomes)
{
	struct far_end *far_end = start(answers[_i].options);
	set_timeouts(1000);
	struct sent *sent = send_to(route_of(far_end), answers[_i].address);
	wait_all();
	EXPECT(sent, answers[_i].outcome, answers[_i].code, answers[_i].enhanced);
}
END_TEST

#define OPPORTUNISTIC POSTERN__TLS_MODE__TLS_OPPORTUNISTIC
#define REQUIRED      POSTERN__TLS_MODE__TLS_REQUIRED
#define VERIFIED      POSTERN__TLS_MODE__TLS_VERIFIED

static const struct {
	const char *options;
	Postern__TlsMode tls;
	enum client_outcome outcome;
	unsigned code;
	const char *enhanced, *version;
} tls_rows[] = {
	{ "--tls offer", OPPORTUNISTIC, CLIENT_DELIVERED, 250, "2.0.0", "TLSv1.3" },
	{ "--tls none", OPPORTUNISTIC, CLIENT_DELIVERED, 250, "2.0.0", "" },
	{ "--tls refuse", OPPORTUNISTIC, CLIENT_DELIVERED, 250, "2.0.0", "" },
	{ "--tls break", OPPORTUNISTIC, CLIENT_DELIVERED, 250, "2.0.0", "" },
	{ "--tls hang", OPPORTUNISTIC, CLIENT_DELIVERED, 250, "2.0.0", "" },
	{ "--tls inject", OPPORTUNISTIC, CLIENT_DEFERRED, 451, "4.5.0", "" },
	{ "--tls required", OPPORTUNISTIC, CLIENT_DELIVERED, 250, "2.0.0", "TLSv1.3" },
	{ "--tls offer", POSTERN__TLS_MODE__TLS_NONE, CLIENT_DELIVERED, 250, "2.0.0",
		"" },
	{ "--tls offer", REQUIRED, CLIENT_DELIVERED, 250, "2.0.0", "TLSv1.3" },
	{ "--tls none", REQUIRED, CLIENT_DEFERRED, 451, "4.7.4", "" },
	{ "--tls refuse", REQUIRED, CLIENT_DEFERRED, 451, "4.7.4", "" },
	{ "--tls break", REQUIRED, CLIENT_DEFERRED, 451, "4.7.5", "" },
	{ "--tls hang", REQUIRED, CLIENT_DEFERRED, 451, "4.7.5", "" },
	{ "--tls offer", VERIFIED, CLIENT_DEFERRED, 451, "4.7.5", "" },
	{ "--tls none", VERIFIED, CLIENT_DEFERRED, 451, "4.7.4", "" },
};

START_TEST(the_route_says_how_much_tls_matters)
{
	struct far_end *far_end = start(tls_rows[_i].options);
	if (strcmp(tls_rows[_i].options, "--tls hang") == 0)
		bench.timeouts.handshake = 300;
	struct sent *sent = send_to(
		route_to(far_end->port, tls_rows[_i].tls, true), "b@customer.example");
	wait_all();
	EXPECT(sent, tls_rows[_i].outcome, tls_rows[_i].code, tls_rows[_i].enhanced);
	ck_assert_str_eq(sent->facts.tls.version, tls_rows[_i].version);
	ck_assert_uint_eq(far_end_count(far_end, "message_id"),
		tls_rows[_i].outcome == CLIENT_DELIVERED);
}
END_TEST

START_TEST(a_certificate_of_a_known_authority_is_verified)
{
	struct fault fault;
	struct far_end *far_end = start("");
	destinations_close(bench.destinations);
	tls_close(bench.tls);
	bench.tls = tls_open(far_end->certificate, &fault);
	ck_assert_ptr_nonnull(bench.tls);
	open_destinations(100);
	struct sent *sent = send_to(
		route_to(far_end->port, VERIFIED, true), "b@customer.example");
	wait_all();
	EXPECT(sent, CLIENT_DELIVERED, 250, "2.0.0");
	ck_assert(sent->facts.tls.is_verified);
	ck_assert_ptr_nonnull(strstr(sent->facts.tls.certificate, "; verified"));
	/* The authorities change while connections are open. */
	ck_assert(tls_reload(bench.tls, &fault));
	sent = send_to(bench.routes[0], "b@customer.example");
	wait_all();
	EXPECT(sent, CLIENT_DELIVERED, 250, "2.0.0");
}
END_TEST

START_TEST(a_server_that_is_away_is_left_alone_for_a_while)
{
	struct far_end *far_end = start("");
	struct route *route = route_of(far_end);
	kill(far_end->pid, SIGKILL);
	pause_ms(50);
	struct sent *first = send_to(route, "b@customer.example");
	struct sent *second = send_to(route, "c@customer.example");
	wait_all();
	EXPECT(first, CLIENT_DEFERRED, 451, "4.4.1");
	EXPECT(second, CLIENT_DEFERRED, 451, "4.4.1");
	ck_assert_ptr_nonnull(strstr(first->recipient.reply.text, "Connection refused"));
	ck_assert_int_gt(first->parcel.put_off.until_ms, clock_unix_ms());
	ck_assert_uint_eq(first->parcel.put_off.crowd, 2);
	struct reply why;
	struct put_off put_off;
	struct destination *destination = destination_of(bench.destinations, route);
	ck_assert(destination_puts_off(destination, 1, 43, &put_off, &why));
	ck_assert_int_gt(put_off.until_ms, clock_unix_ms());
	ck_assert_int_lt(put_off.until_ms, clock_unix_ms() + 2300);
	ck_assert_uint_eq(put_off.crowd, 0);
	ck_assert_str_eq(why.enhanced, "4.4.1");
}
END_TEST

/* It gives no greeting in time. */
static void make_it_rest(const struct far_end *far_end, struct route *route)
{
	kill(far_end->pid, SIGSTOP);
	set_timeouts(200);
	send_to(route, "b@customer.example");
	wait_all();
	set_timeouts(8000);
}

START_TEST(one_message_at_a_time_shows_whether_a_server_is_back)
{
	struct far_end *far_end = start("--greeting-delay 0.5");
	struct route *route = route_of(far_end);
	struct destination *destination = destination_of(bench.destinations, route);
	struct put_off put_off;
	struct reply why;
	make_it_rest(far_end, route);
	pause_ms(1300);
	kill(far_end->pid, SIGCONT);
	ck_assert(!destination_puts_off(destination, 1, 43, &put_off, &why));
	struct sent *probe = send_to(route, "b@customer.example");
	ck_assert(destination_puts_off(destination, 1, 43, &put_off, &why));
	ck_assert_int_gt(put_off.until_ms, clock_unix_ms());
	wait_all();
	EXPECT(probe, CLIENT_DELIVERED, 250, "2.0.0");
	ck_assert(!destination_puts_off(destination, 1, 43, &put_off, &why));
}
END_TEST

START_TEST(a_clock_set_back_makes_nobody_wait_longer)
{
	struct far_end *far_end = start("");
	struct route *route = route_of(far_end);
	struct destination *destination = destination_of(bench.destinations, route);
	struct put_off put_off;
	struct reply why;
	make_it_rest(far_end, route);
	/* Also of those that stand in line behind others. */
	for (int i = 0; i < 100; i++) {
		clock_step_s = i < 50 ? 0 : -3600;
		ck_assert(destination_puts_off(destination, 1, 43, &put_off, &why));
		ck_assert_int_gt(put_off.until_ms, clock_unix_ms());
		ck_assert_int_lt(put_off.until_ms, clock_unix_ms() + 2300);
	}
	kill(far_end->pid, SIGCONT);
	pause_ms(1300);
	ck_assert(!destination_puts_off(destination, 1, 43, &put_off, &why));
	struct sent *sent = send_to(route, "b@customer.example");
	wait_all();
	EXPECT(sent, CLIENT_DELIVERED, 250, "2.0.0");
}
END_TEST

START_TEST(a_private_address_takes_a_written_route)
{
	struct far_end *far_end = start("");
	struct sent *sent = send_to(
		route_to(far_end->port, OPPORTUNISTIC, false), "b@customer.example");
	wait_all();
	EXPECT(sent, CLIENT_BOUNCED, 550, "5.4.4");
	ck_assert_uint_eq(far_end_count(far_end, "message_id"), 0);
}
END_TEST

START_TEST(whatever_the_server_does_each_message_has_an_outcome)
{
	static const char *const to[] = { "a@ok.example", "a@reject.example",
		"a@refuse.example", "a@defer.example", "a@full.example", "a@slow.example",
		"a@late.example", "a@swallow.example", "a@lose.example",
		"a@busy.example" };
	struct far_end *far_end = start(
		"--rule reject.example=reject --rule refuse.example=refuse "
		"--rule defer.example=defer:20 --rule full.example=full:20 "
		"--rule slow.example=slow:0.02 --rule late.example=late:0.02 "
		"--rule swallow.example=swallow:9 --rule lose.example=lose:9 "
		"--rule busy.example=busy:9 --messages 7 --idle-close 0.05");
	struct route *route = route_of(far_end);
	unsigned outcomes[CLIENT_UNTRIED + 1] = { 0 };
	for (size_t i = 0; i < PARCELS; i++) {
		send_as(route, to[i % 10], i % 3);
		if (i % 40 == 39)
			pause_ms(60);
	}
	wait_all();
	for (size_t i = 0; i < PARCELS; i++)
		outcomes[bench.sent[i].recipient.outcome]++;
	ck_assert_uint_eq(outcomes[CLIENT_PENDING], 0);
	ck_assert_uint_eq(outcomes[CLIENT_ACCEPTED], 0);
	ck_assert_uint_eq(outcomes[CLIENT_UNTRIED], 0);
	ck_assert_uint_eq(
		far_end_count(far_end, "\"answered\": true"), outcomes[CLIENT_DELIVERED]);
	ck_assert_uint_eq(far_end_count(far_end, "\"answered\": false"), 9);
	ck_assert_uint_eq(outcomes[CLIENT_UNCERTAIN], 18);
	ck_assert_uint_gt(outcomes[CLIENT_DELIVERED], 100);
}
END_TEST

static const char *const large_options[] = { "", "--tls none", "--offer 8BITMIME" };

START_TEST(a_large_message_arrives_whole)
{
	enum { SIZE = 7 << 20 };
	struct far_end *far_end = start(large_options[_i]);
	char *content = malloc(SIZE), size[32];
	for (size_t i = 0; i < SIZE; i++)
		content[i] = i % 50 == 48 ? '\r' : i % 50 == 49 ? '\n' : "..ab"[i % 4];
	memcpy(content + SIZE - 2, "\r\n", 2);
	struct slice large[] = { parts[0], { content, SIZE } };
	struct sent *sent = send_to(route_of(far_end), "b@customer.example");
	sent->parcel.mail.parts = large;
	wait_all();
	EXPECT(sent, CLIENT_DELIVERED, 250, "2.0.0");
	snprintf(size, sizeof(size), "\"size\": %d,", SIZE + 21);
	ck_assert_uint_eq(far_end_count(far_end, size), 1);
	free(content);
}
END_TEST

START_TEST(a_slow_destination_does_not_delay_another)
{
	struct far_end *slow = start("--rule *=slow:0.9");
	struct far_end *quick = start("");
	struct route *to_slow = route_of(slow), *to_quick = route_of(quick);
	for (size_t i = 0; i < 40; i++)
		send_to(to_slow, "b@customer.example");
	struct sent *sent = send_to(to_quick, "c@other.example");
	wait_all();
	EXPECT(sent, CLIENT_DELIVERED, 250, "2.0.0");
	ck_assert_int_lt(sent->took_ms, 700);
	ck_assert_int_ge(bench.sent[0].took_ms, 900);
}
END_TEST

START_TEST(destinations_share_a_limit_on_connections)
{
	destinations_close(bench.destinations);
	open_destinations(2);
	for (int i = 0; i < 4; i++)
		route_of(start(""));
	for (size_t i = 0; i < 80; i++)
		send_to(bench.routes[i % 4], "b@customer.example");
	wait_all();
	for (size_t i = 0; i < 80; i++)
		EXPECT(&bench.sent[i], CLIENT_DELIVERED, 250, "2.0.0");
}
END_TEST

START_TEST(the_pools_source_addresses_take_turns)
{
	struct far_end *far_end = start("");
	struct route *route = route_of(far_end);
	endpoint_parse("127.0.0.2", 0, &bench.pool.sources[0]);
	endpoint_parse("::1", 0, &bench.pool.sources[1]);
	endpoint_parse("127.0.0.3", 0, &bench.pool.sources[2]);
	bench.pool.source_count = 3;
	bench.pool.messages_per_connection = 1;
	const char *const wanted[] = { "127.0.0.2:", "127.0.0.3:", "127.0.0.2:" };
	for (size_t i = 0; i < 3; i++) {
		struct sent *sent = send_to(route, "b@customer.example");
		wait_all();
		ck_assert_msg(strncmp(sent->facts.from, wanted[i], 10) == 0, "%s",
			sent->facts.from);
		pause_ms(50); /* for the QUIT */
	}
}
END_TEST

START_TEST(a_pool_without_a_source_of_that_family_defers)
{
	struct far_end *far_end = start("");
	endpoint_parse("::1", 0, &bench.pool.sources[0]);
	bench.pool.source_count = 1;
	struct sent *sent = send_to(route_of(far_end), "b@customer.example");
	wait_all();
	EXPECT(sent, CLIENT_DEFERRED, 451, "4.4.4");
}
END_TEST

START_TEST(an_app_may_be_stopped_right_before_mail)
{
	struct far_end *far_end = start("--greeting-delay 0.2");
	struct sent *sent = send_to(route_of(far_end), "b@customer.example");
	sent->may_go = false;
	wait_all();
	ck_assert_int_eq(sent->recipient.outcome, CLIENT_PENDING);
	ck_assert_uint_eq(far_end_count(far_end, "message_id"), 0);
}
END_TEST

START_TEST(urgent_mail_passes_a_queue_of_bulk)
{
	struct far_end *far_end = start("--rule *=slow:0.05");
	struct route *route = route_of(far_end);
	bench.pool.connections_per_destination = 1;
	for (size_t i = 0; i < 20; i++)
		send_in_lane(route, 2);
	struct sent *normal = send_in_lane(route, 1);
	struct sent *urgent = send_in_lane(route, 0);
	wait_all();
	/* The connection was not open yet, so nothing stood before the urgent one. */
	ck_assert_int_lt(urgent->took_ms, normal->took_ms);
	for (size_t i = 0; i < 20; i++)
		ck_assert_int_lt(normal->took_ms, bench.sent[i].took_ms);
}
END_TEST

START_TEST(what_is_queued_is_given_back_untried_when_draining)
{
	struct far_end *far_end = start("--rule *=slow:0.3");
	struct route *route = route_of(far_end);
	bench.pool.connections_per_destination = 1;
	for (size_t i = 0; i < 5; i++)
		send_to(route, "b@customer.example");
	pause_ms(200);
	destinations_recall(bench.destinations);
	ck_assert_uint_eq(bench.done_count, 4);
	wait_all();
	EXPECT(&bench.sent[0], CLIENT_DELIVERED, 250, "2.0.0");
	for (size_t i = 1; i < 5; i++)
		ck_assert_int_eq(bench.sent[i].recipient.outcome, CLIENT_PENDING);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(*(table)))

Suite *destination_suite(void)
{
	Suite *suite = suite_create("destination");
	TCase *tcase = tcase_create("destination");
	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_message_is_delivered_over_tls_and_the_certificate_noted);
	tcase_add_test(tcase, many_messages_share_few_connections);
	tcase_add_test(tcase, one_message_opens_one_connection_and_the_next_reuses_it);
	tcase_add_loop_test(tcase, a_connection_that_the_server_closed_costs_no_deferral,
		0, ROWS(impatient));
	tcase_add_test(tcase, a_message_without_an_answer_is_uncertain);
	tcase_add_loop_test(tcase, answers_and_silence_become_outcomes, 0, ROWS(answers));
	tcase_add_loop_test(
		tcase, the_route_says_how_much_tls_matters, 0, ROWS(tls_rows));
	tcase_add_test(tcase, a_certificate_of_a_known_authority_is_verified);
	tcase_add_test(tcase, a_server_that_is_away_is_left_alone_for_a_while);
	tcase_add_test(tcase, one_message_at_a_time_shows_whether_a_server_is_back);
	tcase_add_test(tcase, a_clock_set_back_makes_nobody_wait_longer);
	tcase_add_test(tcase, a_private_address_takes_a_written_route);
	tcase_add_test(tcase, whatever_the_server_does_each_message_has_an_outcome);
	tcase_add_loop_test(tcase, a_large_message_arrives_whole, 0, ROWS(large_options));
	tcase_add_test(tcase, a_slow_destination_does_not_delay_another);
	tcase_add_test(tcase, destinations_share_a_limit_on_connections);
	tcase_add_test(tcase, the_pools_source_addresses_take_turns);
	tcase_add_test(tcase, a_pool_without_a_source_of_that_family_defers);
	tcase_add_test(tcase, an_app_may_be_stopped_right_before_mail);
	tcase_add_test(tcase, urgent_mail_passes_a_queue_of_bulk);
	tcase_add_test(tcase, what_is_queued_is_given_back_untried_when_draining);
	suite_add_tcase(suite, tcase);
	return suite;
}
