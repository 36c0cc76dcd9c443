/* SPDX-License-Identifier: MIT
 *
 * lib/dns against a real nsd on a loopback port. */
#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/clock.h"
#include "lib/dns/dns.h"
#include "lib/dns/rdata.h"
#include "lib/loop.h"

static const char zone[] = "$TTL 1\n"
			   "@ SOA ns hostmaster 1 60 60 60 1\n"
			   "@ NS ns\n"
			   "ns A 127.0.0.1\n"
			   "@ MX 10 mx1\n"
			   "@ MX 20 mx2\n"
			   "mx1 A 192.0.2.1\n"
			   "mx1 A 192.0.2.2\n"
			   "mx1 AAAA 2001:db8::1\n"
			   "alias CNAME mx1\n"
			   "dangling CNAME nowhere\n"
			   "null MX 0 .\n"
			   "_25._tcp.mx1 TLSA 3 1 1 abcd\n"
			   "two TXT \"one \" \"string\"\n";

static char folder[64];
static char server[32];
static int port;

static void write_zone(void)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/example.test.zone", folder);
	FILE *file = fopen(path, "w");
	ck_assert(file);
	fputs(zone, file);
	/* Larger than any UDP answer: 20 strings of 200 bytes. */
	fputs("long TXT", file);
	for (int i = 0; i < 20; i++) {
		fputs(" \"", file);
		for (int k = 0; k < 200; k++)
			fputc('a' + i, file);
		fputc('"', file);
	}
	fputs("\n", file);
	for (int i = 0; i < 500; i++)
		fprintf(file, "h%d A 192.0.2.%d\n", i, i % 256);
	fclose(file);
}

static void start_server(void)
{
	snprintf(folder, sizeof(folder), "/tmp/postern-dns-XXXXXX");
	ck_assert(mkdtemp(folder));
	write_zone();
	char command[256], path[128];
	snprintf(command, sizeof(command),
		"tools/nsd start %s %s/example.test.zone >/dev/null", folder, folder);
	ck_assert_msg(system(command) == 0, "%s", command);
	snprintf(path, sizeof(path), "%s/port", folder);
	FILE *file = fopen(path, "r");
	ck_assert(file && fscanf(file, "%d", &port) == 1);
	fclose(file);
	snprintf(server, sizeof(server), "127.0.0.1:%d", port);
}

static void stop_server(void)
{
	char command[256];
	snprintf(command, sizeof(command), "tools/nsd stop %s && rm -r %s", folder,
		folder);
	ck_assert_msg(system(command) == 0, "%s", command);
}

static struct loop *loop;
static struct arena *arena;
static struct dns *dns;

/* A copy of what was answered, in the arena. */
struct seen {
	struct dns_answer answer;
	struct slice data[16];
	unsigned times;
	unsigned *left; /* ends the loop at 0 */
};

static void open_dns(const char *forward, int64_t timeout_ms)
{
	struct fault fault = { 0 };
	loop = loop_new();
	arena = arena_new();
	dns = dns_open(loop,
		&(struct dns_options){ .forward = forward, .timeout_ms = timeout_ms },
		&fault);
	ck_assert_msg(dns, "%s", fault.text);
}

static void close_dns(void)
{
	dns_close(dns);
	arena_free(arena);
	loop_free(loop);
}

static void on_answer(void *with, const struct dns_answer *answer)
{
	struct seen *seen = with;
	seen->times++;
	seen->answer = *answer;
	for (size_t i = 0; i < answer->count && i < 16; i++)
		seen->data[i] = arena_copy(arena, answer->data[i]);
	if (--*seen->left == 0)
		loop_stop(loop);
}

static struct seen ask(const char *name, enum dns_type type)
{
	unsigned left = 1;
	struct seen seen = { .left = &left };
	ck_assert(dns_ask(dns, name, type, on_answer, &seen));
	ck_assert_uint_eq(seen.times, 0);
	loop_run(loop);
	ck_assert_uint_eq(seen.times, 1);
	return seen;
}

#define LABEL_63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"

static const struct row {
	const char *name;
	enum dns_type type;
	enum dns_outcome outcome;
	size_t count;
} rows[] = {
	{ "example.test", DNS_MX, DNS_FOUND, 2 },
	{ "EXAMPLE.test.", DNS_MX, DNS_FOUND, 2 },
	{ "mx1.example.test", DNS_A, DNS_FOUND, 2 },
	{ "mx1.example.test", DNS_AAAA, DNS_FOUND, 1 },
	{ "_25._tcp.mx1.example.test", DNS_TLSA, DNS_FOUND, 1 },
	{ "alias.example.test", DNS_A, DNS_FOUND, 2 },
	{ "alias.example.test", DNS_MX, DNS_NO_DATA, 0 },
	{ "dangling.example.test", DNS_A, DNS_NO_NAME, 0 },
	{ "nowhere.example.test", DNS_A, DNS_NO_NAME, 0 },
	{ "mx1.example.test", DNS_MX, DNS_NO_DATA, 0 },
	{ "ns.example.test", DNS_AAAA, DNS_NO_DATA, 0 },
	/* nsd refuses what it does not serve */
	{ "other.test", DNS_A, DNS_FAILED, 0 },
	{ "localhost", DNS_A, DNS_FOUND, 1 },
	{ "mail.invalid", DNS_A, DNS_NO_NAME, 0 },
	{ "", DNS_A, DNS_NO_NAME, 0 },
	{ ".", DNS_MX, DNS_NO_NAME, 0 },
	{ "a..example.test", DNS_A, DNS_NO_NAME, 0 },
	{ LABEL_63 "x.example.test", DNS_A, DNS_NO_NAME, 0 },
	{ LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 ".test", DNS_A, DNS_NO_NAME,
		0 },
	{ "mx1\\.example.test", DNS_A, DNS_NO_NAME, 0 },
	{ "mx1.example.test\n", DNS_A, DNS_NO_NAME, 0 },
	{ "b\xc3\xbc.example.test", DNS_A, DNS_NO_NAME, 0 },
};

START_TEST(a_question_is_answered_as_the_server_says)
{
	const struct row *row = &rows[_i];
	open_dns(server, 5000);
	struct seen seen = ask(row->name, row->type);
	ck_assert_msg(seen.answer.outcome == row->outcome, "%s: %d %s", row->name,
		seen.answer.outcome, seen.answer.why ? seen.answer.why : "");
	ck_assert_uint_eq(seen.answer.count, row->count);
	ck_assert_int_eq(seen.answer.outcome == DNS_FAILED, seen.answer.why != NULL);
	ck_assert(!seen.answer.is_secure || !strcmp(row->name, "localhost"));
	close_dns();
}
END_TEST

START_TEST(what_is_answered_can_be_read)
{
	open_dns(server, 5000);
	struct rdata_mx mx;
	struct seen seen = ask("null.example.test", DNS_MX);
	ck_assert(rdata_mx(seen.data[0], &mx));
	ck_assert_str_eq(mx.host, "");
	ck_assert_uint_eq(mx.preference, 0);
	seen = ask("example.test", DNS_MX);
	ck_assert(rdata_mx(seen.data[0], &mx));
	ck_assert_str_eq(
		mx.host, mx.preference == 10 ? "mx1.example.test" : "mx2.example.test");
	struct slice text;
	seen = ask("two.example.test", DNS_TXT);
	ck_assert(rdata_txt(seen.data[0], arena, &text));
	ck_assert(slice_equal(text, SLICE("one string")));
	struct rdata_tlsa tlsa;
	seen = ask("_25._tcp.mx1.example.test", DNS_TLSA);
	ck_assert(rdata_tlsa(seen.data[0], &tlsa));
	ck_assert(slice_equal(tlsa.data, SLICE("\xab\xcd")));
	close_dns();
}
END_TEST

START_TEST(an_answer_too_large_for_udp_comes_whole)
{
	open_dns(server, 5000);
	struct seen seen = ask("long.example.test", DNS_TXT);
	struct slice text;
	ck_assert_uint_eq(seen.answer.count, 1);
	ck_assert(rdata_txt(seen.data[0], arena, &text));
	ck_assert_uint_eq(text.size, 4000);
	ck_assert_int_eq(text.data[3999], 'a' + 19);
	close_dns();
}
END_TEST

START_TEST(many_questions_are_under_way_at_a_time)
{
	open_dns(server, 5000);
	unsigned left = 500;
	struct seen seen[500];
	for (int i = 0; i < 500; i++) {
		char name[64];
		snprintf(name, sizeof(name), "h%d.example.test", i);
		seen[i] = (struct seen){ .left = &left };
		dns_ask(dns, name, DNS_A, on_answer, &seen[i]);
	}
	loop_run(loop);
	for (int i = 0; i < 500; i++) {
		const char wanted[] = { (char)192, 0, 2, (char)(i % 256) };
		ck_assert_uint_eq(seen[i].times, 1);
		ck_assert(slice_equal(seen[i].data[0], (struct slice){ wanted, 4 }));
	}
	close_dns();
}
END_TEST

/* A port that takes questions and never answers. */
static int silent_server(char address[32])
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in name = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(name);
	ck_assert(bind(fd, (struct sockaddr *)&name, size) == 0);
	ck_assert(getsockname(fd, (struct sockaddr *)&name, &size) == 0);
	snprintf(address, 32, "127.0.0.1:%d", ntohs(name.sin_port));
	return fd;
}

START_TEST(a_server_that_does_not_answer_fails_at_the_deadline)
{
	char address[32];
	int fd = silent_server(address);
	open_dns(address, 300);
	int64_t begun_ms = clock_monotonic_ms();
	struct seen seen = ask("example.test", DNS_MX);
	int64_t took_ms = clock_monotonic_ms() - begun_ms;
	ck_assert_int_eq(seen.answer.outcome, DNS_FAILED);
	ck_assert_str_eq(seen.answer.why, "no answer in time");
	ck_assert_int_ge(took_ms, 299);
	ck_assert_int_lt(took_ms, 2000);
	close_dns();
	close(fd);
}
END_TEST

START_TEST(a_closed_port_fails_by_the_deadline)
{
	char address[32];
	close(silent_server(address));
	open_dns(address, 500);
	ck_assert_int_eq(ask("example.test", DNS_MX).answer.outcome, DNS_FAILED);
	close_dns();
}
END_TEST

/* Answers each question in `fd` with what nsd says to it. */
static void relay(int fd)
{
	char packet[4096];
	struct sockaddr_in from, to = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	int out = socket(AF_INET, SOCK_DGRAM, 0);
	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t got = recvfrom(
			fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &size);
		sendto(out, packet, got, 0, (struct sockaddr *)&to, sizeof(to));
		got = recv(out, packet, sizeof(packet), 0);
		sendto(fd, packet, got, 0, (struct sockaddr *)&from, size);
	}
}

START_TEST(a_server_that_comes_back_is_asked_again)
{
	char address[32], drop[4096];
	int fd = silent_server(address);
	open_dns(address, 250);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(ask("example.test", DNS_MX).answer.outcome, DNS_FAILED);
	while (recv(fd, drop, sizeof(drop), MSG_DONTWAIT) > 0)
		;
	pid_t pid = fork();
	if (pid == 0)
		relay(fd);
	struct seen seen = ask("mx1.example.test", DNS_A);
	kill(pid, SIGKILL);
	ck_assert_msg(seen.answer.outcome == DNS_FOUND, "%s", seen.answer.why);
	close_dns();
	close(fd);
}
END_TEST

static void never(void *with, const struct dns_answer *answer)
{
	ck_abort_msg("called back");
}

START_TEST(a_cancelled_question_is_never_answered)
{
	open_dns(server, 5000);
	dns_cancel(dns_ask(dns, "example.test", DNS_MX, never, NULL));
	dns_cancel(dns_ask(dns, "not a name", DNS_MX, never, NULL));
	struct dns_query *query = dns_ask(dns, "mx1.example.test", DNS_A, never, NULL);
	usleep(50000); /* the answer is waiting by now */
	dns_cancel(query);
	ck_assert_int_eq(ask("example.test", DNS_MX).answer.outcome, DNS_FOUND);
	close_dns();
}
END_TEST

START_TEST(closing_forgets_what_is_under_way)
{
	char address[32];
	int fd = silent_server(address);
	open_dns(address, 5000);
	for (int i = 0; i < 20; i++)
		dns_ask(dns, "example.test", DNS_MX, never, NULL);
	dns_ask(dns, "..", DNS_MX, never, NULL);
	close_dns();
	open_dns(server, 5000);
	dns_ask(dns, "example.test", DNS_MX, never, NULL);
	usleep(50000);
	close_dns();
	close(fd);
}
END_TEST

static struct dns_query *other;

static void cancel_other(void *with, const struct dns_answer *answer)
{
	dns_cancel(other);
	*(bool *)with = true;
	loop_stop(loop);
}

START_TEST(an_answer_may_cancel_another_question)
{
	open_dns(server, 5000);
	bool is_answered = false;
	other = dns_ask(dns, "..", DNS_MX, never, NULL);
	struct dns_query *first = other;
	dns_ask(dns, "..", DNS_A, never, NULL);
	dns_cancel(first);
	other = dns_ask(dns, "mx1.example.test", DNS_A, never, NULL);
	dns_cancel(other);
	dns_close(dns);
	struct fault fault = { 0 };
	dns = dns_open(loop, &(struct dns_options){ .forward = server }, &fault);
	dns_ask(dns, "..", DNS_A, cancel_other, &is_answered);
	other = dns_ask(dns, "..", DNS_A, never, NULL);
	loop_run(loop);
	ck_assert(is_answered);
	close_dns();
}
END_TEST

static const struct bad_row {
	const char *forward, *root_key;
} bad[] = {
	{ "resolver.example:53", "" },
	{ "127.0.0.1:0", "" },
	{ "127.0.0.1:65536", "" },
	{ "127.0.0.1:53x", "" },
	{ "127.0.0.1:", "" },
	{ "127.0.0:53", "" },
	{ "[::1:53", "" },
	{ "[::1]53", "" },
	{ "127.0.0.1:53", "/nonexistent/root.key" },
	{ "127.0.0.1:53", "/etc/passwd" },
};

START_TEST(a_resolver_or_trust_anchor_that_can_not_be_used_is_refused)
{
	struct fault fault = { 0 };
	struct loop *own = loop_new();
	ck_assert(!dns_open(own,
		&(struct dns_options){
			.forward = bad[_i].forward, .root_key = bad[_i].root_key },
		&fault));
	ck_assert_int_eq(fault.kind, FAULT_PERMANENT);
	loop_free(own);
}
END_TEST

static const char *const good[] = { "", "127.0.0.1", "127.0.0.1:53", "[::1]",
	"[::1]:5353" };

START_TEST(a_resolver_is_an_address_with_or_without_a_port)
{
	open_dns(good[_i], 0);
	close_dns();
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(*(table)))

Suite *dns_suite(void)
{
	Suite *suite = suite_create("dns");
	TCase *tcase = tcase_create("dns");
	tcase_add_unchecked_fixture(tcase, start_server, stop_server);
	tcase_set_timeout(tcase, 20);
	tcase_add_loop_test(
		tcase, a_question_is_answered_as_the_server_says, 0, COUNT(rows));
	tcase_add_test(tcase, what_is_answered_can_be_read);
	tcase_add_test(tcase, an_answer_too_large_for_udp_comes_whole);
	tcase_add_test(tcase, many_questions_are_under_way_at_a_time);
	tcase_add_test(tcase, a_server_that_does_not_answer_fails_at_the_deadline);
	tcase_add_test(tcase, a_closed_port_fails_by_the_deadline);
	tcase_add_test(tcase, a_server_that_comes_back_is_asked_again);
	tcase_add_test(tcase, a_cancelled_question_is_never_answered);
	tcase_add_test(tcase, closing_forgets_what_is_under_way);
	tcase_add_test(tcase, an_answer_may_cancel_another_question);
	tcase_add_loop_test(tcase,
		a_resolver_or_trust_anchor_that_can_not_be_used_is_refused, 0,
		COUNT(bad));
	tcase_add_loop_test(
		tcase, a_resolver_is_an_address_with_or_without_a_port, 0, COUNT(good));
	suite_add_tcase(suite, tcase);
	return suite;
}
