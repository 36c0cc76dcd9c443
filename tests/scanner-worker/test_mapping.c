/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>
#include <sys/mman.h>

#include "services/scanner/worker/mapping.h"

#define PLAIN (MAP_PRIVATE | MAP_ANONYMOUS)

static char *take(size_t size)
{
	char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, PLAIN, -1, 0);
	ck_assert_ptr_ne(bytes, MAP_FAILED);
	ck_assert(bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
	memset(bytes, 0xa5, size);
	return bytes;
}

START_TEST(a_mapping_is_used_again_and_wiped)
{
	mappings_keep();
	char *first = take(100000);
	ck_assert_int_eq(munmap(first, 100000), 0);
	char *second = take(5000);
	ck_assert_ptr_eq(first, second);
	ck_assert_int_eq(munmap(second, 5000), 0);
	ck_assert_ptr_eq(take(MAPPING_SIZE), first);
}
END_TEST

START_TEST(mappings_in_use_are_apart)
{
	char *bytes[MAPPING_COUNT * 2];
	mappings_keep();
	for (size_t i = 0; i < MAPPING_COUNT * 2; i++) {
		bytes[i] = take(MAPPING_SIZE);
		memset(bytes[i], (int)i, MAPPING_SIZE);
	}
	for (size_t i = 0; i < MAPPING_COUNT * 2; i++) {
		ck_assert_int_eq(bytes[i][0], (int)i);
		ck_assert_int_eq(bytes[i][MAPPING_SIZE - 1], (int)i);
		ck_assert_int_eq(munmap(bytes[i], MAPPING_SIZE), 0);
	}
	ck_assert_ptr_eq(take(1), bytes[0]);
}
END_TEST

START_TEST(what_is_given_back_in_part_stays)
{
	mappings_keep();
	char *bytes = take(3 * 4096);
	ck_assert_int_eq(munmap(bytes + 4096, 2 * 4096), 0);
	ck_assert_ptr_ne(take(4096), bytes);
	ck_assert(bytes[0] == (char)0xa5);
	ck_assert_int_eq(munmap(bytes, 3 * 4096), 0);
	ck_assert_ptr_eq(take(4096), bytes);
}
END_TEST

START_TEST(other_mappings_are_the_kernels)
{
	mappings_keep();
	char *plain = take(4096);
	ck_assert_int_eq(munmap(plain, 4096), 0);
	static const struct {
		size_t size;
		int protection, flags;
	} rows[] = {
		{ MAPPING_SIZE + 1, PROT_READ | PROT_WRITE, PLAIN },
		{ 4096, PROT_READ, PLAIN },
		{ 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS },
		{ 4096, PROT_READ | PROT_WRITE, PLAIN | MAP_POPULATE },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *bytes = mmap(
			NULL, rows[i].size, rows[i].protection, rows[i].flags, -1, 0);
		ck_assert_ptr_ne(bytes, MAP_FAILED);
		ck_assert_ptr_ne(bytes, plain);
		ck_assert_int_eq(munmap(bytes, rows[i].size), 0);
	}
	ck_assert_ptr_eq(mmap(NULL, 0, PROT_READ, PLAIN, -1, 0), MAP_FAILED);
}
END_TEST

Suite *mapping_suite(void)
{
	Suite *suite = suite_create("mapping");
	TCase *tcase = tcase_create("mapping");
	tcase_add_test(tcase, a_mapping_is_used_again_and_wiped);
	tcase_add_test(tcase, mappings_in_use_are_apart);
	tcase_add_test(tcase, what_is_given_back_in_part_stays);
	tcase_add_test(tcase, other_mappings_are_the_kernels);
	suite_add_tcase(suite, tcase);
	return suite;
}
