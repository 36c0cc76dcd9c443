/* SPDX-License-Identifier: MIT
 *
 * The gateway as a process, over real sockets and TLS, on a local bus. */
#include <check.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mail.h"
#include "tests/smtp-gateway/client.h"
#include "tests/smtp-gateway/server.h"

#define MESSAGE "From: Shop <orders@shop.example>\r\nSubject: Hi\r\n\r\nHello\r\n.\r\n"

static struct server server;
static struct client client;

static void finish(void)
{
	client_close(&client);
	server_stop(&server);
}

static void submit(void)
{
	client_begin_data(&client);
	client_send(&client, SLICE(MESSAGE));
	ck_assert_int_eq(client_reply(&client, 5000), 250);
}

/* The id that the last 250 told. */
static struct slice told_id(void)
{
	const char *id = strrchr(client.line, ' ');
	ck_assert_ptr_nonnull(id);
	return slice_of(id + 1);
}

START_TEST(an_accepted_mail_is_on_the_bus_with_its_event)
{
	struct server_record mail_record, event_record;
	server_start(&server, NULL);
	client_open(&client, _i ? server.tls_port : server.port, _i);
	client_log_in(&client, &server);
	submit();
	ck_assert_uint_eq(
		server_read(&server, "mail.accepted.urgent", &mail_record, 1), 1);
	Postern__Mail *mail = mail_decode(server.arena, mail_record.value, NULL);
	ck_assert_ptr_nonnull(mail);
	ck_assert(slice_equal(slice_of(mail->id), told_id()));
	ck_assert_str_eq(mail->app, "shop");
	ck_assert_str_eq(mail->header_from, "orders@shop.example");
	ck_assert_str_eq(mail->submission->client_address, "127.0.0.1");
	ck_assert_str_eq(mail->submission->tls_version, "TLSv1.3");
	ck_assert(slice_has_prefix_nocase(mail_record.key, SLICE("shop/")));
	ck_assert_uint_eq(mail->n_steps, 1);
	ck_assert_uint_eq(server_read(&server, "mail.events", &event_record, 1), 1);
	Postern__Event *event = event_decode(server.arena, event_record.value, NULL);
	ck_assert_ptr_nonnull(event);
	ck_assert_int_eq(event->kind, POSTERN__EVENT_KIND__EVENT_ACCEPTED);
	ck_assert(slice_equal(event_record.key, slice_of(mail->id)));
	ck_assert_str_eq(event->accepted->subject, "Hi");
	finish();
}
END_TEST

START_TEST(a_large_message_comes_through_whole)
{
	struct server_record record;
	char line[78];
	memset(line, 'x', sizeof(line));
	memcpy(line + 76, "\r\n", 2);
	server_start(&server, NULL);
	client_open(&client, server.port, false);
	client_log_in(&client, &server);
	client_begin_data(&client);
	client_send(&client, SLICE("From: a@shop.example\r\n\r\n"));
	for (int i = 0; i < 100000; i++)
		client_send(&client, (struct slice){ line, sizeof(line) });
	client_send(&client, SLICE(".\r\n"));
	ck_assert_int_eq(client_reply(&client, 10000), 250);
	ck_assert_uint_eq(server_read(&server, "mail.accepted.urgent", &record, 1), 1);
	Postern__Mail *mail = mail_decode(server.arena, record.value, NULL);
	ck_assert_uint_eq(mail->content.len,
		sizeof("From: a@shop.example\r\n\r\n") - 1 + 100000 * sizeof(line));
	finish();
}
END_TEST

START_TEST(many_messages_pipelined_in_one_session_all_arrive)
{
	struct server_record records[50];
	server_start(&server, NULL);
	client_open(&client, server.tls_port, true);
	client_log_in(&client, &server);
	for (int i = 0; i < 50; i++) {
		client_send(&client, SLICE("MAIL FROM:<bounces@shop.example>\r\n"
					   "RCPT TO:<ann@customer.example>\r\nDATA\r\n"));
		ck_assert_int_eq(client_reply(&client, 5000), 250);
		ck_assert_int_eq(client_reply(&client, 5000), 250);
		ck_assert_int_eq(client_reply(&client, 5000), 354);
		client_send(&client, SLICE(MESSAGE));
		ck_assert_int_eq(client_reply(&client, 5000), 250);
	}
	ck_assert_uint_eq(server_read(&server, "mail.accepted.urgent", records, 50), 50);
	finish();
}
END_TEST

START_TEST(only_tls_12_and_13_are_spoken)
{
	static const struct {
		int version;
		bool is_good;
	} rows[] = { { TLS1_VERSION, false }, { TLS1_1_VERSION, false },
		{ TLS1_2_VERSION, true }, { TLS1_3_VERSION, true } };
	server_start(&server, NULL);
	for (size_t i = 0; i < 4; i++) {
		client_connect(&client, server.tls_port);
		ck_assert_int_eq(
			client_start_tls(&client, rows[i].version), rows[i].is_good);
		client_close(&client);
	}
	server_stop(&server);
}
END_TEST

START_TEST(text_in_the_clear_behind_starttls_is_never_executed)
{
	server_start(&server, NULL);
	client_open(&client, server.port, false);
	client_say(&client, 250, "EHLO client.example");
	client_send(&client, SLICE("STARTTLS\r\nRSET\r\nQUIT\r\n"));
	ck_assert_int_eq(client_reply(&client, 5000), 554);
	ck_assert_int_eq(client_reply(&client, 5000), 0);
	client_close(&client);
	/* In a segment of its own it is no handshake. */
	client_open(&client, server.port, false);
	client_say(&client, 250, "EHLO client.example");
	client_say(&client, 220, "STARTTLS");
	client_send(&client, SLICE("NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nQUIT\r\n"));
	int code = client_reply(&client, 5000);
	ck_assert_msg(code == 0, "%d", code);
	finish();
}
END_TEST

START_TEST(a_new_certificate_serves_new_sessions_and_drops_no_old_one)
{
	struct client later;
	char name[64] = "";
	server_start(&server, NULL);
	client_open(&client, server.tls_port, true);
	client_log_in(&client, &server);
	server_write_certificate(&server, "second");
	if (_i)
		kill(server.pid, SIGHUP);
	for (int tries = 0; tries < 300 && strcmp(name, "second") != 0; tries++) {
		usleep(20000);
		client_open(&later, server.tls_port, true);
		client_peer_name(&later, name);
		client_close(&later);
	}
	ck_assert_str_eq(name, "second");
	submit();
	/* A broken one changes nothing. */
	server_break_certificate(&server);
	kill(server.pid, SIGHUP);
	usleep(300000);
	client_open(&later, server.port, false);
	client_log_in(&later, &server);
	client_peer_name(&later, name);
	ck_assert_str_eq(name, "second");
	client_close(&later);
	finish();
}
END_TEST

/* Sends one byte each 20 ms until the server answers; the milliseconds it took. */
static int64_t drip(char byte, int code)
{
	int64_t started_ms = clock_monotonic_ms();
	int got = -1;
	for (int i = 0; i < 500 && got == -1; i++) {
		client_send(&client, (struct slice){ &byte, 1 });
		got = client_reply(&client, 20);
	}
	ck_assert_int_eq(got, code);
	ck_assert_int_eq(client_reply(&client, 5000), 0);
	return clock_monotonic_ms() - started_ms;
}

START_TEST(a_client_that_drips_is_cut)
{
	server_start(&server, (const char *[]){ "COMMAND_TIMEOUT=400ms",
				      "DATA_TIMEOUT=800ms", "TLS_TIMEOUT=300ms", NULL });
	client_open(&client, server.port, false);
	ck_assert_int_lt(drip('x', 421), 3000);
	ck_assert_ptr_nonnull(strstr(client.line, "4.4.2"));
	client_close(&client);
	client_open(&client, server.port, false);
	client_log_in(&client, &server);
	client_begin_data(&client);
	int64_t took_ms = drip('x', 421);
	ck_assert_int_ge(took_ms, 790);
	ck_assert_int_lt(took_ms, 4000);
	client_close(&client);
	/* Who never begins the handshake is cut without a word. */
	client_connect(&client, server.tls_port);
	ck_assert_int_eq(client_reply(&client, 5000), 0);
	client_close(&client);
	client_open(&client, server.port, false);
	client_say(&client, 220, "STARTTLS");
	ck_assert_int_eq(client_reply(&client, 5000), 0);
	finish();
}
END_TEST

START_TEST(a_drain_lets_data_finish_and_sends_the_others_away)
{
	struct client idle;
	struct server_record record;
	server_start(&server, NULL);
	client_open(&idle, server.tls_port, true);
	client_open(&client, server.tls_port, true);
	client_log_in(&client, &server);
	client_begin_data(&client);
	client_send(&client, SLICE("From: a@shop.example\r\n"));
	usleep(50000);
	kill(server.pid, SIGTERM);
	ck_assert_int_eq(client_reply(&idle, 5000), 421);
	ck_assert_ptr_nonnull(strstr(idle.line, "4.3.2"));
	ck_assert_int_eq(client_reply(&idle, 5000), 0);
	client_close(&idle);
	client_send(&client, SLICE("\r\nHello\r\n.\r\n"));
	ck_assert_int_eq(client_reply(&client, 5000), 250);
	ck_assert_int_eq(client_reply(&client, 5000), 421);
	server_await_end(&server);
	ck_assert_uint_eq(server_read(&server, "mail.accepted.urgent", &record, 1), 1);
	finish();
}
END_TEST

START_TEST(a_suspended_app_is_cut_within_a_second_and_may_come_back)
{
	struct client later;
	server_start(&server, NULL);
	client_open(&client, server.tls_port, true);
	client_log_in(&client, &server);
	server_set_app(&server, POSTERN__APP_STATE__APP_SUSPENDED, NULL);
	ck_assert_int_eq(client_reply(&client, 1000), 421);
	ck_assert_ptr_nonnull(strstr(client.line, "suspended"));
	client_close(&client);
	client_open(&later, server.tls_port, true);
	client_say(&later, 250, "EHLO client.example");
	client_close(&later);
	server_set_app(&server, POSTERN__APP_STATE__APP_ACTIVE, NULL);
	usleep(200000);
	client_open(&client, server.tls_port, true);
	client_log_in(&client, &server);
	submit();
	finish();
}
END_TEST

START_TEST(a_session_from_a_network_that_the_app_lost_is_cut)
{
	server_start(&server, NULL);
	client_open(&client, server.tls_port, true);
	client_log_in(&client, &server);
	server_set_app(&server, POSTERN__APP_STATE__APP_ACTIVE, "127.0.0.0/8");
	submit();
	server_set_app(&server, POSTERN__APP_STATE__APP_ACTIVE, "192.0.2.0/24");
	ck_assert_int_eq(client_reply(&client, 1000), 421);
	ck_assert_ptr_nonnull(strstr(client.line, "networks"));
	finish();
}
END_TEST

START_TEST(a_failed_login_is_answered_late_and_says_little)
{
	int64_t started_ms;
	server_start(&server, NULL);
	server_set_app(&server, POSTERN__APP_STATE__APP_ACTIVE, "192.0.2.0/24");
	usleep(200000);
	client_open(&client, server.tls_port, true);
	client_say(&client, 250, "EHLO client.example");
	started_ms = clock_monotonic_ms();
	client_say(&client, 535, "AUTH PLAIN AHNob3AAd3Jvbmc=");
	ck_assert_int_ge(clock_monotonic_ms() - started_ms, 990);
	ck_assert_ptr_null(strstr(client.line, "network"));
	finish();
}
END_TEST

START_TEST(one_connection_too_many_is_told_so)
{
	struct client more;
	server_start(&server, (const char *[]){ "CONNECTIONS_PER_ADDRESS=1", NULL });
	/* The probe of server_start() may still be counted. */
	usleep(100000);
	client_open(&client, server.port, false);
	client_connect(&more, server.port);
	ck_assert_int_eq(client_reply(&more, 5000), 421);
	ck_assert_int_eq(client_reply(&more, 5000), 0);
	client_close(&more);
	client_say(&client, 221, "QUIT");
	client_close(&client);
	usleep(100000);
	client_open(&client, server.port, false);
	finish();
}
END_TEST

START_TEST(sessions_of_an_app_are_counted)
{
	struct client more;
	server_start(&server, (const char *[]){ "CONNECTIONS_PER_APP=1", NULL });
	client_open(&client, server.tls_port, true);
	client_log_in(&client, &server);
	client_open(&more, server.tls_port, true);
	client_say(&more, 250, "EHLO client.example");
	unsigned char plain[128], coded[256];
	int size = snprintf(
		(char *)plain, sizeof(plain), "%cshop%c%s", 0, 0, server.secret);
	EVP_EncodeBlock(coded, plain, size);
	client_say(&more, 454, "AUTH PLAIN %s", coded);
	client_close(&client);
	usleep(100000);
	client_say(&more, 235, "AUTH PLAIN %s", coded);
	client = more;
	finish();
}
END_TEST

static void limit_files(rlim_t size)
{
	const struct rlimit limit = { size, RLIM_INFINITY };
	ck_assert_int_eq(prlimit(server.pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

START_TEST(a_full_disk_is_told_as_451_and_passes)
{
	struct server_record record;
	server_start(&server, NULL);
	client_open(&client, server.tls_port, true);
	client_log_in(&client, &server);
	limit_files(1024);
	client_begin_data(&client);
	client_send(&client, SLICE(MESSAGE));
	ck_assert_int_eq(client_reply(&client, 10000), 451);
	ck_assert_ptr_nonnull(strstr(client.line, "4.3.0"));
	limit_files(RLIM_INFINITY);
	int code = 0;
	for (int i = 0; i < 200 && code != 250; i++) {
		usleep(50000);
		client_send(&client, SLICE("MAIL FROM:<bounces@shop.example>\r\n"));
		code = client_reply(&client, 5000);
	}
	client_say(&client, 250, "RSET");
	submit();
	ck_assert_uint_eq(server_read(&server, "mail.accepted.urgent", &record, 1), 1);
	Postern__Mail *mail = mail_decode(server.arena, record.value, NULL);
	ck_assert(slice_equal(slice_of(mail->id), told_id()));
	finish();
}
END_TEST

/* Takes the writer's lock of the topic's file, so the bus hangs. */
static sqlite3 *lock_topic(const char *topic)
{
	char path[256];
	sqlite3 *handle;
	snprintf(path, sizeof(path), "%s/bus/%s.db", server.folder, topic);
	ck_assert_int_eq(
		sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(handle, 1000);
	ck_assert_int_eq(
		sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	return handle;
}

START_TEST(a_bus_that_hangs_is_told_as_451_in_time)
{
	struct server_record records[2];
	server_start(&server, (const char *[]){ "STORE_TIMEOUT=500ms", NULL });
	client_open(&client, server.tls_port, true);
	client_log_in(&client, &server);
	submit();
	sqlite3 *handle = lock_topic("mail.accepted.urgent");
	client_begin_data(&client);
	client_send(&client, SLICE(MESSAGE));
	ck_assert_int_eq(client_reply(&client, 3000), 451);
	sqlite3_close(handle);
	/* It was given to the bus, which has it at last: nothing is lost either way. */
	ck_assert_uint_eq(server_read(&server, "mail.accepted.urgent", records, 2), 2);
	submit();
	finish();
}
END_TEST

START_TEST(the_250_waits_for_the_event_but_not_for_ever)
{
	struct server_record records[2];
	server_start(&server, (const char *[]){ "STORE_TIMEOUT=500ms", NULL });
	client_open(&client, server.tls_port, true);
	client_log_in(&client, &server);
	submit();
	sqlite3 *handle = lock_topic("mail.events");
	client_begin_data(&client);
	int64_t started_ms = clock_monotonic_ms();
	client_send(&client, SLICE(MESSAGE));
	ck_assert_int_eq(client_reply(&client, 3000), 250);
	ck_assert_int_ge(clock_monotonic_ms() - started_ms, 490);
	sqlite3_close(handle);
	ck_assert_uint_eq(server_read(&server, "mail.events", records, 2), 2);
	finish();
}
END_TEST

START_TEST(a_client_that_leaves_during_the_store_breaks_nothing)
{
	struct server_record records[10];
	server_start(&server, NULL);
	for (int i = 0; i < 10; i++) {
		client_open(&client, server.tls_port, true);
		client_log_in(&client, &server);
		client_begin_data(&client);
		client_send(&client, SLICE(MESSAGE));
		client_close(&client);
	}
	ck_assert_uint_eq(server_read(&server, "mail.accepted.urgent", records, 10), 10);
	client_open(&client, server.tls_port, true);
	finish();
}
END_TEST

START_TEST(a_client_that_does_not_read_its_replies_is_not_served_for_ever)
{
	static char noops[6 * 20000];
	for (size_t i = 0; i < sizeof(noops); i += 6)
		memcpy(noops + i, "NOOP\r\n", 6);
	server_start(&server, (const char *[]){ "COMMANDS=1000000", NULL });
	client_open(&client, server.port, false);
	client_send(&client, (struct slice){ noops, sizeof(noops) });
	for (int i = 0; i < 20000; i++)
		ck_assert_int_eq(client_reply(&client, 5000), 250);
	finish();
}
END_TEST

Suite *listener_suite(void)
{
	Suite *suite = suite_create("listener");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 60);
	tcase_add_loop_test(all, an_accepted_mail_is_on_the_bus_with_its_event, 0, 2);
	tcase_add_test(all, a_large_message_comes_through_whole);
	tcase_add_test(all, many_messages_pipelined_in_one_session_all_arrive);
	tcase_add_test(all, only_tls_12_and_13_are_spoken);
	tcase_add_test(all, text_in_the_clear_behind_starttls_is_never_executed);
	tcase_add_loop_test(
		all, a_new_certificate_serves_new_sessions_and_drops_no_old_one, 0, 2);
	tcase_add_test(all, a_client_that_drips_is_cut);
	tcase_add_test(all, a_drain_lets_data_finish_and_sends_the_others_away);
	tcase_add_test(all, a_suspended_app_is_cut_within_a_second_and_may_come_back);
	tcase_add_test(all, a_session_from_a_network_that_the_app_lost_is_cut);
	tcase_add_test(all, a_failed_login_is_answered_late_and_says_little);
	tcase_add_test(all, one_connection_too_many_is_told_so);
	tcase_add_test(all, sessions_of_an_app_are_counted);
	tcase_add_test(all, a_full_disk_is_told_as_451_and_passes);
	tcase_add_test(all, a_bus_that_hangs_is_told_as_451_in_time);
	tcase_add_test(all, the_250_waits_for_the_event_but_not_for_ever);
	tcase_add_test(all, a_client_that_leaves_during_the_store_breaks_nothing);
	tcase_add_test(
		all, a_client_that_does_not_read_its_replies_is_not_served_for_ever);
	suite_add_tcase(suite, all);
	return suite;
}
