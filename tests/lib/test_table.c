/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/table.h"

static struct slice numbered(char buffer[32], int number)
{
	return (struct slice){ buffer, (size_t)snprintf(buffer, 32, "key-%d", number) };
}

START_TEST(keys_are_found_replaced_and_removed)
{
	int one = 1, two = 2;
	struct table *table = table_new();
	ck_assert_ptr_null(table_get(table, SLICE("a")));
	ck_assert_ptr_null(table_put(table, SLICE("a"), &one));
	ck_assert_ptr_eq(table_get(table, SLICE("a")), &one);
	ck_assert_ptr_eq(table_put(table, SLICE("a"), &two), &one);
	ck_assert_uint_eq(table_size(table), 1);
	ck_assert_ptr_eq(table_remove(table, SLICE("a")), &two);
	ck_assert_ptr_null(table_remove(table, SLICE("a")));
	ck_assert_uint_eq(table_size(table), 0);
	table_free(table);
}
END_TEST

START_TEST(keys_are_bytes_of_any_length)
{
	static char bytes[70];
	int values[70];
	struct table *table = table_new();
	for (size_t size = 0; size < 70; size++)
		table_put(table, (struct slice){ bytes, size }, &values[size]);
	for (size_t size = 0; size < 70; size++)
		ck_assert_ptr_eq(
			table_get(table, (struct slice){ bytes, size }), &values[size]);
	ck_assert_ptr_eq(table_get(table, (struct slice){ 0 }), &values[0]);
	bytes[3] = 1;
	ck_assert_ptr_null(table_get(table, (struct slice){ bytes, 4 }));
	ck_assert_ptr_eq(table_get(table, (struct slice){ bytes, 3 }), &values[3]);
	table_free(table);
}
END_TEST

/* Against a plain array: any mistake in closing holes or in growing shows here. */
START_TEST(it_agrees_with_an_array_over_many_changes)
{
	enum { KEYS = 3000, STEPS = 60000 };
	static int values[KEYS];
	static bool present[KEYS];
	struct table *table = table_new();
	size_t count = 0;
	unsigned random = 1;
	char buffer[32];
	for (int step = 0; step < STEPS; step++) {
		random = random * 1103515245 + 12345;
		int i = (int)(random >> 8) % KEYS;
		bool puts = random >> 31;
		void *former = puts ? table_put(table, numbered(buffer, i), &values[i])
				    : table_remove(table, numbered(buffer, i));
		ck_assert_ptr_eq(former, present[i] ? &values[i] : NULL);
		count += (puts && !present[i]) - (!puts && present[i]);
		present[i] = puts;
		ck_assert_uint_eq(table_size(table), count);
	}
	for (int i = 0; i < KEYS; i++)
		ck_assert_ptr_eq(table_get(table, numbered(buffer, i)),
			present[i] ? &values[i] : NULL);
	table_free(table);
}
END_TEST

START_TEST(a_walk_sees_every_row_once)
{
	enum { KEYS = 1000 };
	static int values[KEYS], seen[KEYS];
	struct table *table = table_new();
	char buffer[32];
	for (int i = 0; i < KEYS; i++)
		table_put(table, numbered(buffer, i), &values[i]);
	struct slice key;
	void *value;
	for (size_t cursor = 0; table_next(table, &cursor, &key, &value);) {
		int i = (int)((int *)value - values);
		ck_assert(slice_equal(key, numbered(buffer, i)));
		seen[i]++;
	}
	for (int i = 0; i < KEYS; i++)
		ck_assert_int_eq(seen[i], 1);
	table_free(table);
	table_free(NULL);
}
END_TEST

Suite *table_suite(void)
{
	Suite *suite = suite_create("table");
	TCase *all = tcase_create("all");
	tcase_add_test(all, keys_are_found_replaced_and_removed);
	tcase_add_test(all, keys_are_bytes_of_any_length);
	tcase_add_test(all, it_agrees_with_an_array_over_many_changes);
	tcase_add_test(all, a_walk_sees_every_row_once);
	suite_add_tcase(suite, all);
	return suite;
}
