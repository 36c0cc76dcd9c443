/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "services/scanner/folder.h"
#include "services/scanner/spam.h"

#define REQUEST_MAX 65536

/* What asking rspamd came to. */
struct told {
	struct loop *loop;
	bool is_told;
	struct spam_answer answer; /* action NULL: `fault` says why there is none */
	struct fault fault;
};

static struct arena *arena;
static pid_t server;
static char where[128];
static int request_pipe;

static void set_up(void)
{
	arena = arena_new();
	server = 0;
}

static void tear_down(void)
{
	if (server) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	arena_free(arena);
}

static void nap(int64_t ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&time, NULL);
}

enum manner { ANSWER, SILENT, HANG_UP, DRIBBLE, ENDLESS };

/* Reads a request up to the message's last line and treats the client as told. */
static void serve(int client, enum manner manner, const char *answer, int report)
{
	char request[REQUEST_MAX];
	size_t size = 0;
	ssize_t got;
	while (size < sizeof(request) &&
		(got = read(client, request + size, sizeof(request) - size)) > 0) {
		size += (size_t)got;
		if (memmem(request, size, "\r\nend\r\n", 7))
			break;
	}
	(void)!write(report, request, size);
	close(report);
	if (manner == SILENT)
		nap(60000);
	if (manner == ANSWER)
		(void)!write(client, answer, strlen(answer));
	for (size_t i = 0; manner == DRIBBLE && answer[i]; i++) {
		(void)!write(client, answer + i, 1);
		nap(50);
	}
	if (manner == ENDLESS && write(client, answer, strlen(answer)) > 0)
		while (write(client, request, sizeof(request)) > 0)
			;
	close(client);
}

static void start_server(int listener, enum manner manner, const char *answer)
{
	int pipes[2];
	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(listen(listener, 5), 0);
	server = fork();
	if (server == 0) {
		signal(SIGPIPE, SIG_IGN);
		close(pipes[0]);
		serve(accept(listener, NULL, NULL), manner, answer, pipes[1]);
		_exit(0);
	}
	close(pipes[1]);
	close(listener);
	request_pipe = pipes[0];
}

/* A port that nobody listens on until start_server(). */
static int take_port(void)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
	getsockname(listener, (struct sockaddr *)&address, &size);
	snprintf(where, sizeof(where), "http://127.0.0.1:%u", ntohs(address.sin_port));
	return listener;
}

static void on_told(
	void *with, const struct spam_answer *answer, const struct fault *fault)
{
	struct told *told = with;
	ck_assert(!told->is_told);
	told->is_told = true;
	if (answer)
		told->answer = *answer;
	else
		told->fault = *fault;
	loop_stop(told->loop);
}

static Postern__Mail *new_mail(const char *content)
{
	Postern__Mail *mail = ARENA_NEW(arena, Postern__Mail);
	postern__mail__init(mail);
	mail->id = "01890000-0000-7000-8000-000000000000";
	mail->app = "shop";
	mail->submission = ARENA_NEW(arena, Postern__Submission);
	postern__submission__init(mail->submission);
	mail->submission->client_address = "192.0.2.1";
	mail->submission->helo = "shop.example.com";
	mail->envelope = ARENA_NEW(arena, Postern__Envelope);
	postern__envelope__init(mail->envelope);
	mail->envelope->from = "orders@example.com";
	mail->envelope->recipients = ARENA_ARRAY(arena, Postern__Recipient *, 2);
	for (size_t i = 0; i < 2; i++) {
		Postern__Recipient *recipient = ARENA_NEW(arena, Postern__Recipient);
		postern__recipient__init(recipient);
		recipient->address = i ? "x@example.net\r\nFile: /etc/passwd"
				       : "ann@example.net";
		mail->envelope->recipients[mail->envelope->n_recipients++] = recipient;
	}
	mail->headers = ARENA_ARRAY(arena, ProtobufCBinaryData, 1);
	mail->headers[0] = (ProtobufCBinaryData){ 29,
		(uint8_t *)"Message-ID: <1@example.com>\r\n" };
	mail->n_headers = 1;
	mail->content = (ProtobufCBinaryData){ strlen(content), (uint8_t *)content };
	return mail;
}

static const char plain[] =
	"From: Shop <orders@example.com>\r\nTo: ann@example.net\r\n"
	"Subject: Your order\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n"
	"\r\nThank you for your order of tea.\r\nend\r\n";

static struct told ask(const char *content, int64_t timeout_ms)
{
	struct told told = { .loop = loop_new() };
	struct spam *spam = spam_open(told.loop, where, timeout_ms, &told.fault);
	ck_assert_msg(spam != NULL, "%s", told.fault.text);
	struct spam_question question = {
		.mail = new_mail(content), .arena = arena, .told = on_told, .with = &told
	};
	spam_ask(spam, &question);
	ck_assert(!told.is_told);
	loop_run(told.loop);
	spam_close(spam);
	loop_free(told.loop);
	return told;
}

static const struct {
	const char *says;
	enum manner manner;
	const char *answer;
	const char *fault; /* NULL: an answer */
} rows[] = {
	{ "an answer", ANSWER,
		"HTTP/1.1 200 OK\r\nContent-Length: 37\r\n\r\n"
		"{\"score\":1.5,\"action\":\"no action\"}    ",
		NULL },
	{ "an answer without a length", ANSWER,
		"HTTP/1.1 200 OK\r\n\r\n{\"score\":1.5,\"action\":\"no action\"}", NULL },
	{ "half an answer", ANSWER,
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"score\":1.5",
		"transfer closed" },
	{ "an error", ANSWER,
		"HTTP/1.1 500 Oops\r\nContent-Length: 34\r\n\r\n"
		"{\"score\":1.5,\"action\":\"no action\"} ",
		"status 500" },
	{ "an error in JSON", ANSWER,
		"HTTP/1.1 403 No\r\nContent-Length: 24\r\n\r\n{\"error\":\"unauthorized\"}",
		"rspamd: unauthorized" },
	{ "another program", ANSWER, "220 mx.example.com ESMTP\r\n", "HTTP/0.9" },
	{ "a web page", ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
		"not JSON" },
	{ "a redirect", ANSWER,
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
		"Content-Length: 0\r\n\r\n",
		"not JSON" },
	{ "no answer", SILENT, "", "timed out" },
	{ "a hang-up", HANG_UP, "", "Empty reply" },
	{ "an answer that is too slow", DRIBBLE,
		"HTTP/1.1 200 OK\r\nX-Padding: xxxxxxxxxxxxxxxxxxxxxx\r\n\r\n",
		"timed out" },
	{ "an endless answer", ENDLESS, "HTTP/1.1 200 OK\r\n\r\n",
		"an answer of more than" },
};

START_TEST(whatever_rspamd_does_ends_in_an_answer_or_a_fault)
{
	start_server(take_port(), rows[_i].manner, rows[_i].answer);
	struct told told = ask(plain, 600);
	if (!rows[_i].fault) {
		ck_assert_msg(told.answer.action != NULL, "%s: %s", rows[_i].says,
			told.fault.text);
		ck_assert_double_eq(told.answer.score, 1.5);
	} else {
		ck_assert(!told.answer.action);
		ck_assert_int_eq(told.fault.kind, FAULT_TEMPORARY);
		ck_assert_msg(strstr(told.fault.text, rows[_i].fault), "%s: %s",
			rows[_i].says, told.fault.text);
	}
}
END_TEST

START_TEST(rspamd_that_is_away_is_a_fault)
{
	close(take_port());
	struct told told = ask(plain, 600);
	ck_assert_msg(
		strstr(told.fault.text, "Failed to connect"), "%s", told.fault.text);
	snprintf(where, sizeof(where), "unix:/nonexistent/rspamd.sock");
	told = ask(plain, 600);
	ck_assert(!told.answer.action);
}
END_TEST

START_TEST(rspamd_is_told_who_sends_and_gets_the_whole_message)
{
	start_server(take_port(), ANSWER, "HTTP/1.1 200 OK\r\n\r\n");
	ask(plain, 600);
	char request[REQUEST_MAX + 1];
	size_t size = 0;
	ssize_t got;
	while ((got = read(request_pipe, request + size, REQUEST_MAX - size)) > 0)
		size += (size_t)got;
	request[size] = '\0';
	static const char *const wanted[] = {
		"POST /checkv2 HTTP/1.1\r\n", "\r\nIP: 192.0.2.1\r\n",
		"\r\nHelo: shop.example.com\r\n", "\r\nUser: shop\r\n",
		"\r\nFrom: orders@example.com\r\n", "\r\nRcpt: ann@example.net\r\n",
		"\r\nQueue-Id: 01890000-0000-7000-8000-000000000000\r\n",
		"\r\n\r\nMessage-ID: <1@example.com>\r\nFrom: Shop <orders@example.com>\r\n"
	};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		ck_assert_msg(
			strstr(request, wanted[i]), "no %s in %s", wanted[i], request);
	/* rspamd reads the file that such a header names. */
	ck_assert(!strstr(request, "File:"));
}
END_TEST

START_TEST(a_large_message_goes_through_a_unix_socket)
{
	char base[] = "/tmp/postern-test-XXXXXX";
	ck_assert(mkdtemp(base) != NULL);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/rspamd.sock", base);
	snprintf(where, sizeof(where), "unix:%s", address.sun_path);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	start_server(listener, ANSWER,
		"HTTP/1.1 200 OK\r\n\r\n{\"score\":1.5,\"action\":\"no action\"}");
	char *content = arena_alloc(arena, 60000);
	memset(content, 'x', 60000);
	memcpy(content, "Subject: x\r\n\r\n", 14);
	snprintf(content + 59000, 8, "\r\nend\r\n");
	struct told told = ask(content, 5000);
	ck_assert_msg(told.answer.action != NULL, "%s", told.fault.text);
	folder_remove(AT_FDCWD, base);
}
END_TEST

START_TEST(an_address_that_can_not_be_meant_is_refused)
{
	static const char *const bad[] = { "http://", "https://x", "localhost:11333",
		"unix:relative", "http://x/?y", "http://a@b" };
	struct loop *loop = loop_new();
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct fault fault = { 0 };
		ck_assert_msg(!spam_open(loop, bad[i], 1000, &fault), "%s", bad[i]);
		ck_assert(strstr(fault.text, "POSTERN_SCANNER_RSPAMD") != NULL);
	}
	loop_free(loop);
}
END_TEST

/* Debian's rspamd, without the modules that ask the net. */
static pid_t rspamd;
static char rspamd_folder[64];

static void write_file(const char *name, const char *text)
{
	char path[160];
	snprintf(path, sizeof(path), "%s/%s", rspamd_folder, name);
	FILE *file = fopen(path, "w");
	ck_assert_msg(file != NULL, "%s", path);
	fputs(text, file);
	fclose(file);
}

static void configure_rspamd(const char *port)
{
	static const char *const quiet[] = { "rbl", "surbl", "spf", "dkim", "dmarc",
		"arc", "hfilter", "mx_check", "asn", "once_received", "phishing",
		"fuzzy_check", "greylist", "ratelimit", "history_redis", "reputation",
		"replies", "neural", "mid", "whitelist", "url_redirector",
		"rspamd_update", "dkim_signing", "metric_exporter", "clickhouse",
		"elastic", "external_services", "antivirus" };
	static const char *const folders[] = { "local.d", "db", "run", "log" };
	char path[160], text[160];
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", rspamd_folder, folders[i]);
		ck_assert_int_eq(mkdir(path, 0777), 0);
		ck_assert_int_eq(chmod(path, 0777), 0);
	}
	for (size_t i = 0; i < sizeof(quiet) / sizeof(*quiet); i++) {
		snprintf(path, sizeof(path), "local.d/%s.conf", quiet[i]);
		write_file(path, "enabled = false;\n");
	}
	snprintf(
		text, sizeof(text), "bind_socket = \"127.0.0.1:%s\"; count = 1;\n", port);
	write_file("local.d/worker-normal.inc", text);
	write_file("local.d/worker-controller.inc", "enabled = false;\n");
	write_file("local.d/worker-proxy.inc", "enabled = false;\n");
	write_file("local.d/worker-fuzzy.inc", "enabled = false;\n");
	write_file("local.d/options.inc",
		"dns { nameserver = [\"127.0.0.1:9\"]; timeout = 0.1s; retransmits = 1; }\n"
		"task_timeout = 2s;\n");
}

static void start_rspamd(void)
{
	snprintf(rspamd_folder, sizeof(rspamd_folder), "/tmp/postern-test-rspamd-XXXXXX");
	ck_assert(mkdtemp(rspamd_folder) != NULL);
	ck_assert_int_eq(chmod(rspamd_folder, 0755), 0);
	close(take_port());
	configure_rspamd(strrchr(where, ':') + 1);
	rspamd = fork();
	if (rspamd == 0) {
		static const char *const names[] = { "LOCAL_CONFDIR", "DBDIR", "RUNDIR",
			"LOGDIR" };
		static const char *const paths[] = { "", "/db", "/run", "/log" };
		char *argv[16] = { "rspamd", "-u", "_rspamd", "-g", "_rspamd", "-f", "-c",
			"/etc/rspamd/rspamd.conf" };
		static char vars[4][160];
		for (size_t i = 0; i < 4; i++) {
			snprintf(vars[i], sizeof(vars[i]), "--var=%s=%s%s", names[i],
				rspamd_folder, paths[i]);
			argv[8 + i] = vars[i];
		}
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		dup2(null, 2);
		execvp("rspamd", argv);
		_exit(127);
	}
}

static void stop_rspamd(void)
{
	kill(rspamd, SIGTERM);
	waitpid(rspamd, NULL, 0);
	folder_remove(AT_FDCWD, rspamd_folder);
}

/* It loads for some ten seconds before it listens. */
static struct told ask_until_it_is_up(const char *content)
{
	struct told told = { 0 };
	for (unsigned i = 0; i < 200 && !told.answer.action; i++) {
		if (i)
			nap(300);
		told = ask(content, 10000);
	}
	ck_assert_msg(told.answer.action != NULL, "%s", told.fault.text);
	return told;
}

START_TEST(the_real_rspamd_tells_spam_from_mail)
{
	static const char gtube[] =
		"From: a@example.com\r\nTo: ann@example.net\r\nSubject: x\r\n\r\n"
		"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
		"end\r\n";
	struct told clean = ask_until_it_is_up(plain);
	ck_assert_msg(clean.answer.score < 5, "%f: %s", clean.answer.score,
		clean.answer.symbols);
	struct told spam = ask(gtube, 10000);
	ck_assert_str_eq(spam.answer.action, "reject");
	ck_assert_double_ge(spam.answer.score, 15);
	ck_assert(strstr(spam.answer.symbols, "GTUBE") != NULL ||
		  *spam.answer.symbols == '\0');
}
END_TEST

Suite *spam_suite(void)
{
	Suite *suite = suite_create("spam");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_add_loop_test(all, whatever_rspamd_does_ends_in_an_answer_or_a_fault, 0,
		sizeof(rows) / sizeof(*rows));
	tcase_add_test(all, rspamd_that_is_away_is_a_fault);
	tcase_add_test(all, rspamd_is_told_who_sends_and_gets_the_whole_message);
	tcase_add_test(all, a_large_message_goes_through_a_unix_socket);
	tcase_add_test(all, an_address_that_can_not_be_meant_is_refused);
	tcase_set_timeout(all, 30);
	suite_add_tcase(suite, all);
	TCase *real = tcase_create("real");
	tcase_add_unchecked_fixture(real, start_rspamd, stop_rspamd);
	tcase_add_checked_fixture(real, set_up, tear_down);
	tcase_add_test(real, the_real_rspamd_tells_spam_from_mail);
	tcase_set_timeout(real, 120);
	suite_add_tcase(suite, real);
	return suite;
}
