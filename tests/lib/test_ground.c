/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/fault.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/slice.h"

START_TEST(slices_compare_and_split)
{
	ck_assert(slice_equal_nocase(SLICE("Example.COM"), SLICE("example.com")));
	ck_assert(!slice_equal(SLICE("a"), SLICE("b")));
	ck_assert(slice_equal(slice_trim(SLICE(" \r\n a b\t")), SLICE("a b")));
	struct slice rest = SLICE("a,,b"), part;
	const struct slice wanted[] = { SLICE("a"), SLICE(""), SLICE("b") };
	for (size_t i = 0; i < 3; i++) {
		ck_assert(slice_split(&rest, ',', &part));
		ck_assert(slice_equal(part, wanted[i]));
	}
	ck_assert(!slice_split(&rest, ',', &part));
}
END_TEST

START_TEST(an_arena_serves_small_and_large)
{
	struct arena *arena = arena_new();
	for (int round = 0; round < 3; round++) {
		char *small = arena_string(arena, SLICE("small"));
		char *large = arena_zalloc(arena, 1 << 20);
		large[(1 << 20) - 1] = 'x';
		ck_assert_str_eq(small, "small");
		ck_assert_str_eq(arena_printf(arena, "%d-%s", 7, small), "7-small");
		ck_assert_uint_ge(arena_size(arena), 1 << 20);
		arena_clear(arena);
		ck_assert_uint_eq(arena_size(arena), 0);
	}
	arena_free(arena);
}
END_TEST

START_TEST(a_buffer_keeps_its_ceiling)
{
	struct buffer buffer;
	buffer_init(&buffer, 10);
	ck_assert(buffer_append(&buffer, SLICE("12345678")));
	ck_assert(!buffer_append(&buffer, SLICE("abc")));
	ck_assert(slice_equal(buffer_slice(&buffer), SLICE("12345678")));
	buffer_consume(&buffer, 6);
	ck_assert(buffer_append(&buffer, SLICE("abc")));
	ck_assert(slice_equal(buffer_slice(&buffer), SLICE("78abc")));
	ck_assert(buffer_printf(&buffer, "%s", "fives"));
	ck_assert(slice_equal(buffer_slice(&buffer), SLICE("78abcfives")));
	ck_assert(!buffer_printf(&buffer, "%d", 1));
	buffer_done(&buffer);
}
END_TEST

START_TEST(ids_rise_and_tell_their_time)
{
	int64_t before = clock_unix_ms();
	struct id last = id_mint();
	for (int i = 0; i < 10000; i++) {
		struct id next = id_mint();
		ck_assert_int_gt(strcmp(next.text, last.text), 0);
		last = next;
	}
	ck_assert(id_is_valid(slice_of(last.text)));
	ck_assert_int_ge(id_time_ms(slice_of(last.text)), before);
	ck_assert_int_le(id_time_ms(slice_of(last.text)), clock_unix_ms() + 10);
	ck_assert(!id_is_valid(SLICE("01890000-0000-4000-8000-000000000000")));
	ck_assert(!id_is_valid(SLICE("01890000-0000-7000-8000-00000000000")));
	ck_assert(!id_is_valid(SLICE("0189000g-0000-7000-8000-000000000000")));
}
END_TEST

START_TEST(a_fault_gathers_context)
{
	struct fault fault = { 0 };
	ck_assert(!fault_temporary(&fault, "no answer from %s", "ns1"));
	ck_assert(!fault_within(&fault, "DNS"));
	ck_assert_str_eq(fault.text, "DNS: no answer from ns1");
	ck_assert_int_eq(fault.kind, FAULT_TEMPORARY);
	ck_assert(!fault_permanent(&fault, "%s!", fault.text));
	ck_assert_str_eq(fault.text, "DNS: no answer from ns1!");
}
END_TEST

/* Whatever the wire sent. */
START_TEST(a_log_line_is_whole)
{
	char wire[2000], line[16000];
	memset(wire, 0xff, sizeof(wire));
	int file = memfd_create("log", 0);
	ck_assert_int_ge(dup2(file, STDERR_FILENO), 0);
	struct slice text = { wire, sizeof(wire) };
	const struct log_field fields[] = { { .name = "one", .text = text },
		{ .name = "two", .text = text }, { .name = "three", .text = text },
		{ .name = "quoted", .text = SLICE("a\"b\\c\n") }, { 0 } };
	log_write(NULL, LOG_ERROR, "test", fields);
	ssize_t size = pread(file, line, sizeof(line) - 1, 0);
	ck_assert_int_gt(size, 3000);
	line[size] = '\0';
	ck_assert_ptr_nonnull(strstr(line, "ff\",\"two\":\"\\u00ff"));
	ck_assert_ptr_nonnull(strstr(line, "ff\",\"quoted\":\"a\\\"b\\\\c\\u000a\"}\n"));
	ck_assert_ptr_eq(strchr(line, '\n'), line + size - 1);
}
END_TEST

START_TEST(addresses_are_redacted)
{
	char text[64];
	ck_assert_str_eq(
		redact(SLICE("ann@example.com"), text, sizeof(text)), "a**@example.com");
	ck_assert_str_eq(redact(SLICE("@x"), text, sizeof(text)), "***");
	ck_assert_str_eq(redact(SLICE(""), text, sizeof(text)), "");
}
END_TEST

Suite *ground_suite(void)
{
	Suite *suite = suite_create("ground");
	TCase *all = tcase_create("all");
	tcase_add_test(all, slices_compare_and_split);
	tcase_add_test(all, an_arena_serves_small_and_large);
	tcase_add_test(all, a_buffer_keeps_its_ceiling);
	tcase_add_test(all, ids_rise_and_tell_their_time);
	tcase_add_test(all, a_fault_gathers_context);
	tcase_add_test(all, a_log_line_is_whole);
	tcase_add_test(all, addresses_are_redacted);
	suite_add_tcase(suite, all);
	return suite;
}
