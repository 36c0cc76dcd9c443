/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mail.h"
#include "lib/registry/registry.h"

static const struct log quiet;
static struct arena *arena;
static struct registry *registry;

static void setup(void)
{
	log_set_level(LOG_ERROR);
	arena = arena_new();
	registry = registry_new(&quiet);
}

static void teardown(void)
{
	registry_close(registry);
	arena_free(arena);
	log_set_level(LOG_INFO);
}

static Postern__Object *new_object(Postern__Object__KindCase kind, void *body)
{
	Postern__Object *object = ARENA_NEW(arena, Postern__Object);
	postern__object__init(object);
	object->version = RECORD_VERSION;
	object->kind_case = kind;
	object->app = body; /* the members of a union of pointers */
	return object;
}

static void tell(const Postern__Object *object)
{
	registry_change(
		registry, object_key(arena, object), record_encode(arena, &object->base));
}

static void tell_app(const char *name, Postern__AppState state)
{
	Postern__App app = POSTERN__APP__INIT;
	app.name = (char *)name;
	app.state = state;
	app.lane = POSTERN__LANE__LANE_NORMAL;
	tell(new_object(POSTERN__OBJECT__KIND_APP, &app));
}

static void tell_route(const char *domain, const char *pool, const char *host)
{
	Postern__DestinationRoute route = POSTERN__DESTINATION_ROUTE__INIT;
	route.domain = (char *)domain;
	route.pool = (char *)pool;
	route.host = (char *)host;
	tell(new_object(POSTERN__OBJECT__KIND_ROUTE, &route));
}

static void tell_credential(const char *app, const char *name)
{
	Postern__Credential credential = POSTERN__CREDENTIAL__INIT;
	credential.app = (char *)app;
	credential.name = (char *)name;
	tell(new_object(POSTERN__OBJECT__KIND_CREDENTIAL, &credential));
}

START_TEST(an_object_is_known_changed_and_deleted)
{
	ck_assert_ptr_null(registry_app(registry, SLICE("shop")));
	tell_app("shop", POSTERN__APP_STATE__APP_ACTIVE);
	const Postern__App *app = registry_app(registry, SLICE("shop"));
	ck_assert_int_eq(app->state, POSTERN__APP_STATE__APP_ACTIVE);
	tell_app("shop", POSTERN__APP_STATE__APP_SUSPENDED);
	/* What was looked up in this turn of the loop still stands. */
	ck_assert_int_eq(app->state, POSTERN__APP_STATE__APP_ACTIVE);
	app = registry_app(registry, SLICE("shop"));
	ck_assert_int_eq(app->state, POSTERN__APP_STATE__APP_SUSPENDED);
	ck_assert_ptr_null(registry_app(registry, SLICE("SHOP")));
	registry_change(registry, SLICE("app/shop"), SLICE(""));
	ck_assert_ptr_null(registry_app(registry, SLICE("shop")));
}
END_TEST

START_TEST(a_bad_record_leaves_the_last_good_state)
{
	tell_app("shop", POSTERN__APP_STATE__APP_ACTIVE);
	registry_change(registry, SLICE("app/shop"), SLICE("\x08\x01rubbish"));
	tell_app("other", (Postern__AppState)99);
	Postern__App app = POSTERN__APP__INIT;
	app.name = (char *)"wrong";
	Postern__Object *object = new_object(POSTERN__OBJECT__KIND_APP, &app);
	registry_change(registry, SLICE("app/shop"), record_encode(arena, &object->base));
	object->version = 2;
	app.name = (char *)"shop";
	tell(object);
	ck_assert_int_eq(registry_app(registry, SLICE("shop"))->state,
		POSTERN__APP_STATE__APP_ACTIVE);
	ck_assert_ptr_null(registry_app(registry, SLICE("other")));
	ck_assert_ptr_null(registry_app(registry, SLICE("wrong")));
}
END_TEST

START_TEST(domains_and_pools_are_found)
{
	Postern__Domain domain = POSTERN__DOMAIN__INIT;
	domain.name = (char *)"Example.com";
	tell(new_object(POSTERN__OBJECT__KIND_DOMAIN, &domain));
	ck_assert_ptr_nonnull(registry_domain(registry, SLICE("EXAMPLE.com")));
	ck_assert_ptr_null(registry_domain(registry, SLICE("sub.example.com")));
	Postern__Pool pool = POSTERN__POOL__INIT;
	pool.name = (char *)"otp";
	tell(new_object(POSTERN__OBJECT__KIND_POOL, &pool));
	ck_assert_ptr_nonnull(registry_pool(registry, SLICE("otp")));
	ck_assert_ptr_null(registry_pool(registry, SLICE("")));
}
END_TEST

START_TEST(the_most_exact_route_wins)
{
	static const struct {
		const char *domain, *pool, *host;
	} rows[] = {
		{ "example.com", "otp", "both" },
		{ "Example.COM", "", "domain" },
		{ "example.com", "bulk", "domain" },
		{ "example.net", "otp", "star-pool" },
		{ "example.net", "bulk", "star" },
		{ "", "otp", "star-pool" },
		{ "example.com/otp", "", "star" },
		{ "*", "", "star" },
	};
	ck_assert_ptr_null(registry_route(registry, SLICE("example.com"), SLICE("otp")));
	tell_route("example.com", "otp", "both");
	ck_assert_ptr_null(registry_route(registry, SLICE("example.com"), SLICE("bulk")));
	tell_route("example.com", "", "domain");
	tell_route("*", "otp", "star-pool");
	tell_route("*", "", "star");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const Postern__DestinationRoute *route = registry_route(
			registry, slice_of(rows[i].domain), slice_of(rows[i].pool));
		ck_assert_msg(strcmp(route->host, rows[i].host) == 0, "row %zu: %s", i,
			route->host);
	}
	char longest[400];
	memset(longest, 'a', sizeof(longest));
	ck_assert_str_eq(registry_route(registry, (struct slice){ longest, 400 },
				 (struct slice){ longest, 400 })
				 ->host,
		"star");
}
END_TEST

static void tell_policy(const char *name)
{
	Postern__Policy told = POSTERN__POLICY__INIT;
	told.name = (char *)name;
	tell(new_object(POSTERN__OBJECT__KIND_POLICY, &told));
}

START_TEST(there_is_always_a_default_policy)
{
	static const char *const names[] = { "", "default" };
	const Postern__Policy *policy = registry_policy(registry, slice_of(names[_i]));
	ck_assert_int_eq(policy->malware, POSTERN__DECISION__DECISION_HOLD);
	ck_assert_int_eq(policy->encrypted, POSTERN__DECISION__DECISION_HOLD);
	ck_assert_int_eq(policy->unscannable, POSTERN__DECISION__DECISION_HOLD);
	ck_assert_uint_eq(policy->n_rules, 0);
	tell_policy("default");
	policy = registry_policy(registry, slice_of(names[_i]));
	ck_assert_str_eq(policy->name, "default");
}
END_TEST

START_TEST(nothing_stands_in_for_a_policy_that_is_named_and_missing)
{
	tell_policy("default");
	ck_assert_ptr_null(registry_policy(registry, SLICE("strict")));
	tell_policy("strict");
	ck_assert_str_eq(registry_policy(registry, SLICE("strict"))->name, "strict");
}
END_TEST

START_TEST(credentials_are_counted_by_app)
{
	tell_credential("shop", "main");
	tell_credential("shop", "next");
	tell_credential("sho", "p/main");
	tell_credential("shop", "main");
	ck_assert_ptr_nonnull(registry_credential(registry, SLICE("shop"), 1));
	ck_assert_ptr_null(registry_credential(registry, SLICE("shop"), 2));
	registry_change(registry, SLICE("credential/shop/next"), SLICE(""));
	registry_change(registry, SLICE("credential/shop/next"), SLICE(""));
	ck_assert_str_eq(registry_credential(registry, SLICE("shop"), 0)->name, "main");
	ck_assert_ptr_null(registry_credential(registry, SLICE("shop"), 1));
	registry_change(registry, SLICE("credential/shop/main"), SLICE(""));
	ck_assert_ptr_null(registry_credential(registry, SLICE("shop"), 0));
}
END_TEST

static char heard[256];

static void hear(void *with, struct slice key)
{
	size_t length = strlen(heard);
	snprintf(heard + length, sizeof(heard) - length, "%s<%.*s>", (char *)with,
		SLICE_ARG(key));
}

static void hear_object(void *with, struct slice key, const Postern__Object *object)
{
	ck_assert(slice_equal(object_key(arena, object), key));
	hear(with, key);
}

START_TEST(listeners_hear_each_change)
{
	heard[0] = '\0';
	registry_listen(registry, hear, (char *)"1");
	registry_listen(registry, hear, (char *)"2");
	tell_app("shop", POSTERN__APP_STATE__APP_ACTIVE);
	registry_change(registry, SLICE("app/shop"), SLICE("rubbish"));
	registry_change(registry, SLICE("app/shop"), SLICE(""));
	registry_change(registry, SLICE("app/shop"), SLICE(""));
	ck_assert_str_eq(heard, "1<>2<>1<app/shop>2<app/shop>1<app/shop>2<app/shop>");
}
END_TEST

START_TEST(objects_are_listed_in_order)
{
	heard[0] = '\0';
	tell_app("b", POSTERN__APP_STATE__APP_ACTIVE);
	tell_route("x", "", "y");
	tell_app("ab", POSTERN__APP_STATE__APP_ACTIVE);
	tell_app("a", POSTERN__APP_STATE__APP_ACTIVE);
	registry_each(registry, SLICE("app/"), hear_object, (char *)"");
	ck_assert_str_eq(heard, "<app/a><app/ab><app/b>");
	registry_each(registry, SLICE("domain/"), hear_object, (char *)"");
	ck_assert_str_eq(heard, "<app/a><app/ab><app/b>");
}
END_TEST

START_TEST(ten_thousand_apps_are_found)
{
	char name[32];
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "app-%d", i);
		tell_app(name, POSTERN__APP_STATE__APP_ACTIVE);
		arena_clear(arena);
	}
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "app-%d", i);
		ck_assert_str_eq(registry_app(registry, slice_of(name))->name, name);
	}
}
END_TEST

Suite *registry_suite(void)
{
	Suite *suite = suite_create("registry");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, an_object_is_known_changed_and_deleted);
	tcase_add_test(all, a_bad_record_leaves_the_last_good_state);
	tcase_add_test(all, domains_and_pools_are_found);
	tcase_add_test(all, the_most_exact_route_wins);
	tcase_add_loop_test(all, there_is_always_a_default_policy, 0, 2);
	tcase_add_test(all, nothing_stands_in_for_a_policy_that_is_named_and_missing);
	tcase_add_test(all, credentials_are_counted_by_app);
	tcase_add_test(all, listeners_hear_each_change);
	tcase_add_test(all, objects_are_listed_in_order);
	tcase_add_test(all, ten_thousand_apps_are_found);
	suite_add_tcase(suite, all);
	return suite;
}
