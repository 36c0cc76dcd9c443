/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mail.h"
#include "lib/registry/credential.h"

static const struct log quiet;

static void tell(
	struct registry *registry, struct arena *arena, Postern__Credential *credential)
{
	Postern__Object object = POSTERN__OBJECT__INIT;
	object.version = RECORD_VERSION;
	object.kind_case = POSTERN__OBJECT__KIND_CREDENTIAL;
	object.credential = credential;
	registry_change(
		registry, object_key(arena, &object), record_encode(arena, &object.base));
}

static Postern__Credential new_credential(const char *name, int64_t expires_us)
{
	Postern__Credential credential = POSTERN__CREDENTIAL__INIT;
	credential.app = (char *)"shop";
	credential.name = (char *)name;
	credential.expires_us = expires_us;
	return credential;
}

START_TEST(a_secret_opens_its_credential_and_no_other)
{
	struct arena *arena = arena_new();
	Postern__Credential one = new_credential("one", 0);
	Postern__Credential two = new_credential("two", 0);
	char first[CREDENTIAL_SECRET_LENGTH + 1], second[CREDENTIAL_SECRET_LENGTH + 1];
	credential_mint(arena, &one, first);
	credential_mint(arena, &two, second);
	ck_assert_uint_eq(strlen(first), CREDENTIAL_SECRET_LENGTH);
	ck_assert_uint_eq(strspn(first, "abcdefghijklmnopqrstuvwxyz234567"),
		CREDENTIAL_SECRET_LENGTH);
	ck_assert_str_ne(first, second);
	ck_assert(credential_matches(&one, slice_of(first)));
	ck_assert(!credential_matches(&one, slice_of(second)));
	ck_assert(!credential_matches(&two, slice_of(first)));
	ck_assert(!credential_matches(&one, SLICE("")));
	ck_assert(!credential_matches(&one, slice_head(slice_of(first), 31)));
	arena_free(arena);
}
END_TEST

/* The hash as openssl(1) computes it: printf secret | openssl dgst -sha256 -mac HMAC
 * -macopt hexkey:000102030405060708090a0b0c0d0e0f */
START_TEST(the_hash_is_hmac_sha256_keyed_by_the_salt)
{
	static uint8_t salt[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	static uint8_t hash[] = { 0x9c, 0xc8, 0x10, 0xf6, 0x33, 0x73, 0x6c, 0x73, 0xbe,
		0x6b, 0xe7, 0x9d, 0x4c, 0x9b, 0x53, 0x87, 0x2b, 0x1b, 0x01, 0xfd, 0x14,
		0xb9, 0xfd, 0xf1, 0x7f, 0x79, 0x6f, 0xfa, 0xdb, 0xbb, 0x61, 0x3e };
	Postern__Credential credential = new_credential("main", 0);
	credential.salt = (ProtobufCBinaryData){ sizeof(salt), salt };
	credential.hash = (ProtobufCBinaryData){ sizeof(hash), hash };
	ck_assert(credential_matches(&credential, SLICE("secret")));
	credential.hash.len--;
	ck_assert(!credential_matches(&credential, SLICE("secret")));
	credential.hash.len = 0;
	ck_assert(!credential_matches(&credential, SLICE("secret")));
}
END_TEST

START_TEST(two_are_valid_until_they_expire)
{
	struct arena *arena = arena_new();
	struct registry *registry = registry_new(&quiet);
	Postern__Credential old = new_credential("old", 1000);
	Postern__Credential new = new_credential("new", 0);
	char old_secret[CREDENTIAL_SECRET_LENGTH + 1];
	char new_secret[CREDENTIAL_SECRET_LENGTH + 1];
	credential_mint(arena, &old, old_secret);
	credential_mint(arena, &new, new_secret);
	tell(registry, arena, &old);
	tell(registry, arena, &new);
	const struct {
		const char *app, *secret;
		int64_t now_us;
		const char *found;
	} rows[] = {
		{ "shop", old_secret, 999, "old" },
		{ "shop", old_secret, 1000, NULL },
		{ "shop", new_secret, 999, "new" },
		{ "shop", new_secret, INT64_MAX, "new" },
		{ "shop", "wrong", 999, NULL },
		{ "shop", "", 999, NULL },
		{ "other", new_secret, 999, NULL },
		{ "", new_secret, 999, NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const Postern__Credential *found = credential_find(registry,
			slice_of(rows[i].app), slice_of(rows[i].secret), rows[i].now_us);
		ck_assert_pstr_eq(found ? found->name : NULL, rows[i].found);
	}
	registry_close(registry);
	arena_free(arena);
}
END_TEST

Suite *credential_suite(void)
{
	Suite *suite = suite_create("credential");
	TCase *all = tcase_create("all");
	tcase_add_test(all, a_secret_opens_its_credential_and_no_other);
	tcase_add_test(all, the_hash_is_hmac_sha256_keyed_by_the_salt);
	tcase_add_test(all, two_are_valid_until_they_expire);
	suite_add_tcase(suite, all);
	return suite;
}
