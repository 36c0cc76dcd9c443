/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"
#include "lib/service.h"

/* A service that does nothing but what `mode` says. */
struct tester_config {
	const char *mode;
	int64_t count;
};

struct tester {
	struct process *process;
	const struct tester_config *config;
	struct timer *drain;
};

static const struct setting tester_settings[] = {
	{ "POSTERN_TESTER_MODE", SETTING_CHOICE, offsetof(struct tester_config, mode),
		"plain", 0, 0, "What goes wrong.", "plain unready faulty slow" },
	{ "POSTERN_TESTER_COUNT", SETTING_NUMBER, offsetof(struct tester_config, count),
		"5", 1, 9, "A number." },
	{ 0 },
};

static void drained(void *with)
{
	struct tester *tester = with;
	process_drained(tester->process);
}

static bool is_mode(const struct tester *tester, const char *mode)
{
	return strcmp(tester->config->mode, mode) == 0;
}

static bool tester_open(struct process *process, void **ret_self, struct fault *fault)
{
	struct tester *tester = NEW(struct tester);
	*tester = (struct tester){ process, process->config,
		timer_new(process->loop, drained, tester) };
	*ret_self = tester;
	if (!is_mode(tester, "faulty"))
		return true;
	timer_free(tester->drain);
	free(tester);
	return fault_fatal(fault, "no signatures in /nowhere");
}

static bool tester_is_ready(void *self, struct fault *why)
{
	return !is_mode(self, "unready") ||
	       fault_temporary(why, "the workers are starting");
}

static void tester_drain(void *self)
{
	struct tester *tester = self;
	if (!is_mode(tester, "slow"))
		timer_start(tester->drain, 400);
}

static void tester_reload(void *self)
{
	struct tester *tester = self;
	log_info(&tester->process->log, "reloaded");
}

static void tester_close(void *self)
{
	struct tester *tester = self;
	log_info(&tester->process->log, "closed");
	timer_free(tester->drain);
	free(tester);
}

static const struct service service = {
	.name = "tester",
	.summary = "Does nothing, in several ways.",
	.settings = tester_settings,
	.config_size = sizeof(struct tester_config),
	.open = tester_open,
	.is_ready = tester_is_ready,
	.drain = tester_drain,
	.reload = tester_reload,
	.close = tester_close,
};

static char folder[64];
static pid_t child;
static char log_text[65536];

static const char *in_folder(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void setup(void)
{
	snprintf(folder, sizeof(folder), "/tmp/postern-service-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	char bus[128];
	snprintf(bus, sizeof(bus), "local:%s/bus", folder);
	setenv("POSTERN_BUS", bus, 1);
	setenv("POSTERN_HTTP", "127.0.0.1:0", 1);
	setenv("POSTERN_INSTANCE", "one", 1);
	child = 0;
}

static void teardown(void)
{
	if (child)
		kill(child, SIGKILL);
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void start(const char *argument)
{
	child = fork();
	if (child)
		return;
	/* A failed test does not leave it behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = open(in_folder("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	char *argv[] = { "tester", (char *)argument, NULL };
	int status = service_main(argument ? 2 : 1, argv, &service);
	fflush(NULL);
	_exit(status);
}

/* All that the child has printed so far. */
static const char *printed(void)
{
	int fd = open(in_folder("log"), O_RDONLY);
	ssize_t size = fd < 0 ? 0 : read(fd, log_text, sizeof(log_text) - 1);
	close(fd);
	log_text[size > 0 ? size : 0] = '\0';
	return log_text;
}

static void expect_printed(const char *text)
{
	int64_t end_ms = clock_monotonic_ms() + 20000;
	while (!strstr(printed(), text)) {
		ck_assert_msg(
			clock_monotonic_ms() < end_ms, "no %s in:\n%s", text, printed());
		usleep(5000);
	}
}

static int end_status(void)
{
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	child = 0;
	ck_assert_msg(WIFEXITED(status), "%s", printed());
	return WEXITSTATUS(status);
}

static struct buffer body;

static size_t on_body(char *bytes, size_t one, size_t size, void *with)
{
	(void)with, (void)one;
	return buffer_append(&body, (struct slice){ bytes, size }) ? size : 0;
}

/* The status; the answer is in `body`. */
static long get(const char *path, const char *method)
{
	char url[128];
	expect_printed("\"address\":\"");
	const char *address = strstr(printed(), "\"address\":\"") + 11;
	snprintf(url, sizeof(url), "http://%.*s%s", (int)strcspn(address, "\""), address,
		path);
	buffer_done(&body);
	buffer_init(&body, 1 << 20);
	CURL *curl = curl_easy_init();
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 10000L);
	if (method)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	CURLcode code = curl_easy_perform(curl);
	ck_assert_msg(code == CURLE_OK, "%s: %s", url, curl_easy_strerror(code));
	long status = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	buffer_append(&body, (struct slice){ "", 1 });
	return status;
}

static void start_ready(const char *mode)
{
	setenv("POSTERN_TESTER_MODE", mode, 1);
	start(NULL);
	expect_printed("\"event\":\"ready\"");
}

static const struct {
	const char *argument;
	int status;
	const char *text;
} arguments[] = {
	{ "--help", 0, "tester: Does nothing, in several ways." },
	{ "--version", 0, "tester 0." },
	{ "--help-config", 0,
		"POSTERN_TESTER_COUNT\n    A number.\n    Allowed: a "
		"number, 1 to 9. Default: 5.\n" },
	{ "--help-config", 0, "POSTERN_DRAIN_TIMEOUT\n" },
	{ "--help-config=markdown", 0, "## tester\n" },
	{ "--check-config", 0, "tester: the settings are good" },
	{ "--nonsense", 2, "unknown argument \"--nonsense\"; try --help" },
};

START_TEST(arguments_are_answered)
{
	start(arguments[_i].argument);
	ck_assert_int_eq(end_status(), arguments[_i].status);
	ck_assert_msg(strstr(printed(), arguments[_i].text) != NULL, "%s", printed());
}
END_TEST

START_TEST(all_wrong_settings_are_told_at_once)
{
	setenv("POSTERN_TESTER_COUNT", "10", 1);
	setenv("POSTERN_LOG_LEVEL", "loud", 1);
	setenv("POSTERN_DRAIN_TIMEOUT", "5", 1);
	start(_i ? "--check-config" : NULL);
	ck_assert_int_eq(end_status(), 2);
	expect_printed("POSTERN_TESTER_COUNT=\"10\": out of range");
	expect_printed("POSTERN_LOG_LEVEL=\"loud\": is none of them; allowed: debug, "
		       "info, warning, error");
	expect_printed("POSTERN_DRAIN_TIMEOUT=\"5\": has no unit");
	expect_printed("--help-config");
}
END_TEST

START_TEST(a_mistyped_setting_is_warned_about)
{
	setenv("POSTERN_TESTER_CUONT", "3", 1);
	start_ready("plain");
	expect_printed("\"event\":\"unknown setting, ignored\",\"service\":\"tester\","
		       "\"instance\":\"one\",\"name\":\"POSTERN_TESTER_CUONT\","
		       "\"nearest\":\"POSTERN_TESTER_COUNT\"");
}
END_TEST

START_TEST(a_service_lives_and_drains)
{
	start_ready("plain");
	ck_assert_int_eq(get("/healthz", NULL), 200);
	ck_assert_str_eq(body.data, "ok\n");
	ck_assert_int_eq(get("/readyz", NULL), 200);
	ck_assert_int_eq(get("/metrics", NULL), 200);
	ck_assert_ptr_nonnull(strstr(
		body.data, "\npostern_build_info{service=\"tester\",version=\"0."));
	ck_assert_ptr_nonnull(strstr(body.data, "\npostern_start_time_seconds 1"));
	ck_assert_int_eq(get("/", NULL), 404);
	ck_assert_int_eq(get("/healthz", "DELETE"), 501);
	kill(child, SIGTERM);
	expect_printed("\"event\":\"draining\"");
	ck_assert_int_eq(get("/readyz", NULL), 503);
	ck_assert_str_eq(body.data, "not ready: draining\n");
	ck_assert_int_eq(get("/healthz", NULL), 200);
	ck_assert_int_eq(end_status(), 0);
	expect_printed("\"event\":\"drained\"");
	expect_printed("\"event\":\"closed\"");
}
END_TEST

START_TEST(a_service_says_why_it_is_not_ready)
{
	start_ready("unready");
	ck_assert_int_eq(get("/readyz", NULL), 503);
	ck_assert_str_eq(body.data, "not ready: the workers are starting\n");
	ck_assert_int_eq(get("/healthz", NULL), 200);
}
END_TEST

START_TEST(a_fault_at_open_ends_the_process)
{
	setenv("POSTERN_TESTER_MODE", "faulty", 1);
	start(NULL);
	ck_assert_int_eq(end_status(), 1);
	expect_printed("\"event\":\"can't open\",\"service\":\"tester\",\"instance\":"
		       "\"one\",\"reason\":\"no signatures in /nowhere\"");
	ck_assert_ptr_null(strstr(printed(), "closed"));
}
END_TEST

static const struct {
	const char *name, *value, *reason;
} unusable[] = {
	{ "POSTERN_BUS", "pigeons:one", "is neither local:FOLDER nor kafka:HOST:PORT" },
	{ "POSTERN_HTTP", "192.0.2.1:9", "POSTERN_HTTP: can't listen on 192.0.2.1:9" },
};

START_TEST(what_can_not_be_opened_is_named)
{
	setenv(unusable[_i].name, unusable[_i].value, 1);
	start(NULL);
	ck_assert_int_eq(end_status(), 1);
	expect_printed(unusable[_i].reason);
}
END_TEST

START_TEST(a_second_signal_ends_at_once)
{
	start_ready("slow");
	kill(child, SIGINT);
	expect_printed("\"event\":\"draining\"");
	kill(child, SIGTERM);
	ck_assert_int_eq(end_status(), 0);
	expect_printed("second signal");
	expect_printed("\"event\":\"closed\"");
}
END_TEST

START_TEST(a_drain_ends_in_time)
{
	setenv("POSTERN_DRAIN_TIMEOUT", "300ms", 1);
	start_ready("slow");
	kill(child, SIGTERM);
	ck_assert_int_eq(end_status(), 0);
	expect_printed("drain timed out");
}
END_TEST

START_TEST(a_hang_up_reloads_and_a_broken_pipe_is_ignored)
{
	start_ready("plain");
	kill(child, SIGPIPE);
	kill(child, SIGHUP);
	expect_printed("\"event\":\"reloaded\"");
	ck_assert_int_eq(get("/readyz", NULL), 200);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof(*(table)))

Suite *service_suite(void)
{
	Suite *suite = suite_create("service");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 60);
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_loop_test(all, arguments_are_answered, 0, ROWS(arguments));
	tcase_add_loop_test(all, all_wrong_settings_are_told_at_once, 0, 2);
	tcase_add_test(all, a_mistyped_setting_is_warned_about);
	tcase_add_test(all, a_service_lives_and_drains);
	tcase_add_test(all, a_service_says_why_it_is_not_ready);
	tcase_add_test(all, a_fault_at_open_ends_the_process);
	tcase_add_loop_test(all, what_can_not_be_opened_is_named, 0, ROWS(unusable));
	tcase_add_test(all, a_second_signal_ends_at_once);
	tcase_add_test(all, a_drain_ends_in_time);
	tcase_add_test(all, a_hang_up_reloads_and_a_broken_pipe_is_ignored);
	suite_add_tcase(suite, all);
	return suite;
}
