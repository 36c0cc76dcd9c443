/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/signer/keyring.h"
#include "tests/signer/letters.h"

static char folder[64];
static struct arena *arena;
static struct log silent;
static struct keyring *keyring;

static void set_up(void)
{
	log_set_level(LOG_ERROR + 1);
	snprintf(folder, sizeof(folder), "/tmp/postern-keys-XXXXXX");
	ck_assert(mkdtemp(folder));
	arena = arena_new();
	keyring = NULL;
}

static void tear_down(void)
{
	keyring_close(keyring);
	ck_assert_int_eq(system(arena_printf(arena, "rm -r %s", folder)), 0);
	arena_free(arena);
}

static const char *path(const char *name)
{
	return arena_printf(arena, "%s/%s", folder, name);
}

static void put(const char *name, const char *text)
{
	write_file(path(name), slice_of(text));
	ck_assert_int_eq(chmod(path(name), 0600), 0);
}

static void put_key(const char *name, const char *kind, unsigned bits)
{
	put(name, pem_of_new_key(arena, kind, bits));
}

static void open_keyring(void)
{
	struct fault fault = { 0 };
	keyring = keyring_open(folder, &silent, &fault);
	ck_assert_msg(keyring, "%s", fault.text);
}

START_TEST(every_key_of_the_folder_is_found_by_its_file_name)
{
	put_key("rsa.pem", "RSA", 2048);
	put_key("short", "RSA", 1024);
	put_key("ed.pem", "ED25519", 0);
	put_key(".hidden.pem", "ED25519", 0);
	put("README", "not a key");
	ck_assert_int_eq(mkdir(path("folder"), 0700), 0);
	ck_assert_int_eq(mkfifo(path("fifo"), 0600), 0);
	ck_assert_int_eq(symlink("ed.pem", path("link.pem")), 0);
	open_keyring();
	ck_assert_uint_eq(keyring_size(keyring), 4);
	ck_assert_str_eq(key_algorithm(keyring_find(keyring, "rsa.pem")), "rsa-sha256");
	ck_assert_uint_eq(key_bits(keyring_find(keyring, "rsa.pem")), 2048);
	ck_assert_str_eq(
		key_algorithm(keyring_find(keyring, "ed.pem")), "ed25519-sha256");
	ck_assert(keyring_find(keyring, "short"));
	ck_assert(keyring_find(keyring, "link.pem"));
	ck_assert(!keyring_find(keyring, "README"));
	ck_assert(!keyring_find(keyring, ".hidden.pem"));
	ck_assert(!keyring_find(keyring, "../keys/rsa.pem"));
	ck_assert(!keyring_find(keyring, ""));
}
END_TEST

static const mode_t open_modes[] = { 0750, 0701, 0720, 0777 };

START_TEST(a_folder_that_others_may_enter_is_refused_with_the_remedy)
{
	struct fault fault = { 0 };
	ck_assert_int_eq(chmod(folder, open_modes[_i]), 0);
	ck_assert(!keyring_open(folder, &silent, &fault));
	ck_assert_int_eq(fault.kind, FAULT_PERMANENT);
	ck_assert_msg(strstr(fault.text, arena_printf(arena, "chmod 700 %s", folder)),
		"%s", fault.text);
	ck_assert(!keyring_open("/nonexistent", &silent, &fault));
}
END_TEST

START_TEST(a_file_that_others_may_read_is_not_used)
{
	put_key("open.pem", "ED25519", 0);
	put_key("good.pem", "ED25519", 0);
	ck_assert_int_eq(chmod(path("open.pem"), 0640), 0);
	open_keyring();
	ck_assert(!keyring_find(keyring, "open.pem"));
	ck_assert(keyring_find(keyring, "good.pem"));
	ck_assert_int_eq(chmod(path("open.pem"), 0400), 0);
	keyring_reload(keyring);
	ck_assert(keyring_find(keyring, "open.pem"));
}
END_TEST

START_TEST(a_reload_takes_new_keys_and_drops_removed_ones)
{
	put_key("a.pem", "ED25519", 0);
	put_key("b.pem", "ED25519", 0);
	open_keyring();
	struct key *a = keyring_find(keyring, "a.pem");
	struct key *b = key_hold(keyring_find(keyring, "b.pem"));
	put_key("b.pem", "RSA", 2048);
	put_key("c.pem", "ED25519", 0);
	keyring_reload(keyring);
	ck_assert_ptr_eq(keyring_find(keyring, "a.pem"), a);
	ck_assert_str_eq(key_algorithm(keyring_find(keyring, "b.pem")), "rsa-sha256");
	ck_assert(keyring_find(keyring, "c.pem"));
	/* who holds the old one may go on with it */
	ck_assert_str_eq(key_algorithm(b), "ed25519-sha256");
	key_drop(b);
	ck_assert_int_eq(unlink(path("a.pem")), 0);
	ck_assert_int_eq(unlink(path("c.pem")), 0);
	keyring_reload(keyring);
	ck_assert(!keyring_find(keyring, "a.pem"));
	ck_assert_uint_eq(keyring_size(keyring), 1);
}
END_TEST

START_TEST(a_broken_file_keeps_the_key_from_before)
{
	put_key("a.pem", "ED25519", 0);
	open_keyring();
	struct key *a = keyring_find(keyring, "a.pem");
	put("a.pem", "");
	keyring_reload(keyring);
	ck_assert_ptr_eq(keyring_find(keyring, "a.pem"), a);
	put("a.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	keyring_reload(keyring);
	ck_assert_ptr_eq(keyring_find(keyring, "a.pem"), a);
	ck_assert_int_eq(chmod(path("a.pem"), 0644), 0);
	keyring_reload(keyring);
	ck_assert_ptr_eq(keyring_find(keyring, "a.pem"), a);
	ck_assert_int_eq(chmod(folder, 0755), 0);
	put_key("b.pem", "ED25519", 0);
	keyring_reload(keyring);
	ck_assert_ptr_eq(keyring_find(keyring, "a.pem"), a);
	ck_assert(!keyring_find(keyring, "b.pem"));
}
END_TEST

Suite *keyring_suite(void)
{
	Suite *suite = suite_create("keyring");
	TCase *tcase = tcase_create("keyring");
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, every_key_of_the_folder_is_found_by_its_file_name);
	tcase_add_loop_test(tcase,
		a_folder_that_others_may_enter_is_refused_with_the_remedy, 0,
		sizeof(open_modes) / sizeof(*open_modes));
	tcase_add_test(tcase, a_file_that_others_may_read_is_not_used);
	tcase_add_test(tcase, a_reload_takes_new_keys_and_drops_removed_ones);
	tcase_add_test(tcase, a_broken_file_keeps_the_key_from_before);
	suite_add_tcase(suite, tcase);
	return suite;
}
