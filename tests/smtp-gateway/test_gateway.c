/* SPDX-License-Identifier: MIT
 *
 * What keeps the gateway from starting, and whether it says what to do. */
#include <check.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/loop.h"
#include "services/smtp-gateway/config.h"
#include "services/smtp-gateway/gateway.h"
#include "tests/smtp-gateway/server.h"

static struct server server;
static struct gateway_config config;

static void set_up(void)
{
	log_set_level(LOG_ERROR + 1);
	server = (struct server){ .arena = arena_new(), .folder = "/tmp/gateway.XXXXXX" };
	ck_assert_ptr_nonnull(mkdtemp(server.folder));
	server_write_certificate(&server, "first");
	config = (struct gateway_config){ .submission = "127.0.0.1:0",
		.submissions = "127.0.0.1:0",
		.hostname = "mx.postern.example",
		.certificate = arena_printf(
			server.arena, "%s/certificate.pem", server.folder),
		.key = arena_printf(server.arena, "%s/key.pem", server.folder),
		.connections = 10 };
}

static void tear_down(void)
{
	unlink(config.certificate);
	unlink(arena_printf(server.arena, "%s/key.pem", server.folder));
	rmdir(server.folder);
	arena_free(server.arena);
}

/* The fault; "" if it opened. */
static const char *open_gateway(void)
{
	struct process process = { .name = "smtp-gateway",
		.instance = "test",
		.arena = server.arena,
		.config = &config,
		.loop = loop_new() };
	struct fault fault = { .text = "" };
	void *self;
	if (gateway_open(&process, &self, &fault))
		gateway_close(self);
	loop_free(process.loop);
	return arena_string(server.arena, slice_of(fault.text));
}

#define EXPECT_BEGIN(text, start) \
	ck_assert_msg(strncmp(text, start, strlen(start)) == 0, "%s", text)

START_TEST(a_fault_at_the_start_names_its_setting)
{
	static const struct {
		size_t field;
		const char *value, *says;
	} rows[] = {
		{ offsetof(struct gateway_config, submission), "192.0.2.1:0",
			"POSTERN_GATEWAY_SUBMISSION: can't listen on 192.0.2.1:0: " },
		{ offsetof(struct gateway_config, submissions), "nonsense",
			"POSTERN_GATEWAY_SUBMISSIONS: can't listen on nonsense: " },
		{ offsetof(struct gateway_config, certificate), "/nowhere/c.pem",
			"POSTERN_GATEWAY_CERTIFICATE: no certificate in /nowhere/c.pem" },
		{ offsetof(struct gateway_config, key), "/nowhere/k.pem",
			"POSTERN_GATEWAY_KEY: no private key" },
	};
	const struct gateway_config good = config;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memcpy((char *)&config + rows[i].field, &rows[i].value,
			sizeof(rows[i].value));
		EXPECT_BEGIN(open_gateway(), rows[i].says);
		config = good;
	}
}
END_TEST

/* Loop: in PKCS #8, and as OpenSSL wrote keys of old. */
START_TEST(a_key_with_a_password_is_refused_without_asking_for_it)
{
	BIO *file = BIO_new_file(config.key, "r");
	EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
	BIO_free(file);
	file = BIO_new_file(config.key, "w");
	unsigned char word[] = "secret";
	int is_written = (_i ? PEM_write_bio_PrivateKey_traditional
			     : PEM_write_bio_PrivateKey)(
		file, key, EVP_aes_256_cbc(), word, 6, NULL, NULL);
	ck_assert_int_eq(is_written, 1);
	BIO_free(file);
	EVP_PKEY_free(key);
	const char *text = open_gateway();
	EXPECT_BEGIN(text, "POSTERN_GATEWAY_KEY: ");
	ck_assert_msg(strstr(text, "has a password; store it without"), "%s", text);
}
END_TEST

Suite *gateway_suite(void)
{
	Suite *suite = suite_create("gateway");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_add_test(all, a_fault_at_the_start_names_its_setting);
	tcase_add_loop_test(
		all, a_key_with_a_password_is_refused_without_asking_for_it, 0, 2);
	suite_add_tcase(suite, all);
	return suite;
}
