/* SPDX-License-Identifier: MIT
 *
 * What the Kafka engine works out without a broker: positions, marks, large values in
 * pieces, the newest record of each key. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bus/kafka/joiner.h"
#include "lib/bus/kafka/newest.h"
#include "lib/bus/kafka/position.h"
#include "lib/bus/kafka/publish.h"
#include "lib/bus/kafka/remains.h"
#include "lib/memory.h"

#define ID       "01890000-0000-7000-8000-000000000001"
#define OTHER_ID "01890000-0000-7000-8000-000000000002"

/* Steps on a position that begins at 100: t = take, p = pass, s = settle, k = skip to. */
static const struct {
	const char *steps;
	int64_t base, next;
	size_t span;
} positions[] = {
	{ "", 100, 100, 0 },
	{ "t100 t101", 100, 102, 2 },
	{ "t100 t101 s101", 100, 102, 2 },
	{ "t100 t101 s101 s100", 102, 102, 0 },
	{ "t100 t101 t102 s100 s102", 101, 103, 2 },
	{ "t100 t101 t102 s102 s101 s100", 103, 103, 0 },
	{ "p100 p101", 102, 102, 0 },
	{ "t100 p101 p102", 100, 103, 1 },
	{ "t100 p101 p102 s100", 103, 103, 0 },
	{ "t100 p101 t102 s100", 102, 103, 1 },
	{ "t105 s105", 106, 106, 0 },
	{ "t100 t107 s100", 107, 108, 1 },
	{ "s100", 100, 100, 0 },
	{ "t100 s100 s100", 101, 101, 0 },
	{ "t100 t101 k101", 101, 102, 1 },
	{ "t100 t101 k150", 150, 150, 0 },
	{ "t100 t101 s101 k101", 102, 102, 0 },
	{ "k150 t150", 150, 151, 1 },
};

START_TEST(a_position_moves_over_settled_runs_only)
{
	struct kafka_position position;
	kafka_position_init(&position, 100);
	for (const char *step = positions[_i].steps; *step; step++) {
		char *end;
		int64_t offset = strtol(step + 1, &end, 10);
		switch (*step) {
		case 't':
			kafka_position_take(&position, offset);
			break;
		case 'p':
			kafka_position_pass(&position, offset);
			break;
		case 's':
			kafka_position_settle(&position, offset);
			break;
		case 'k':
			kafka_position_skip(&position, offset);
			break;
		default:
			ck_abort_msg("step %s", step);
		}
		step = *end ? end : end - 1;
	}
	ck_assert_int_eq(position.base, positions[_i].base);
	ck_assert_int_eq(position.next, positions[_i].next);
	ck_assert_uint_eq(kafka_position_span(&position), positions[_i].span);
	kafka_position_done(&position);
}
END_TEST

START_TEST(a_position_agrees_with_a_plain_list_over_many_steps)
{
	enum { COUNT = 5000 };
	static bool is_settled[COUNT];
	struct kafka_position position;
	unsigned chance = 1;
	memset(is_settled, 0, sizeof(is_settled));
	kafka_position_init(&position, 0);
	int taken = 0, base = 0;
	while (base < COUNT) {
		chance = chance * 1103515245 + 12345;
		if (taken < COUNT && (chance >> 16) % 3) {
			kafka_position_take(&position, taken++);
		} else if (taken > base) {
			int offset = base +
				     (int)((chance >> 8) % (unsigned)(taken - base));
			int before = base;
			is_settled[offset] = true;
			while (base < taken && is_settled[base])
				base++;
			ck_assert_int_eq(
				kafka_position_settle(&position, offset), base != before);
		}
		ck_assert_int_eq(position.base, base);
	}
	kafka_position_done(&position);
}
END_TEST

static const struct {
	const char *name, *text;
	bool is_good;
	struct kafka_marks marks;
} headers[] = {
	{ "postern-attempt", "7", true, { .attempt = 7 } },
	{ "postern-attempt", "-7", true, { 0 } },
	{ "postern-attempt", "99999999999999999999", true, { 0 } },
	{ "postern-published", "1700000000000", true, { .published_ms = 1700000000000 } },
	{ "postern-due", "", true, { 0 } },
	{ "postern-topic", "mail.cleared", true, { .topic = SLICE("mail.cleared") } },
	{ "postern-group", "sender", true, { .group = SLICE("sender") } },
	{ "someone-else", "x", true, { 0 } },
	{ "postern-piece", ID " 0 3", true,
		{ .form = KAFKA_PIECE, .id = SLICE(ID), .index = 0, .count = 3 } },
	{ "postern-piece", ID " 3 3", false, { 0 } },
	{ "postern-piece", ID " 0 3 ", false, { 0 } },
	{ "postern-piece", ID " 0", false, { 0 } },
	{ "postern-piece", "nobody 0 3", false, { 0 } },
	{ "postern-piece", ID " 0 4294967296", false, { 0 } },
	{ "postern-piece", "", false, { 0 } },
	{ "postern-head", ID " 2 1000000", true,
		{ .form = KAFKA_HEAD, .id = SLICE(ID), .count = 2, .size = 1000000 } },
	{ "postern-head", ID " 0 0", false, { 0 } },
	{ "postern-head", ID " 1 900001", false, { 0 } },
};

START_TEST(headers_are_read_as_they_are_or_refused)
{
	struct kafka_marks marks = { 0 };
	const struct kafka_marks *wanted = &headers[_i].marks;
	ck_assert_int_eq(kafka_marks_read(&marks, slice_of(headers[_i].name),
				 slice_of(headers[_i].text)),
		headers[_i].is_good);
	if (!headers[_i].is_good)
		return;
	ck_assert_uint_eq(marks.attempt, wanted->attempt);
	ck_assert_int_eq(marks.published_ms, wanted->published_ms);
	ck_assert_int_eq(marks.due_ms, wanted->due_ms);
	ck_assert(slice_equal(marks.topic, wanted->topic));
	ck_assert(slice_equal(marks.group, wanted->group));
	ck_assert_int_eq(marks.form, wanted->form);
	ck_assert_uint_eq(marks.index, wanted->index);
	ck_assert_uint_eq(marks.count, wanted->count);
	ck_assert_uint_eq(marks.size, wanted->size);
}
END_TEST

static void read_back(void *with, const char *name, struct slice text)
{
	/* The text is borrowed for the call only. */
	static char kept[8][256];
	static unsigned count;
	char *copy = kept[count++ % 8];
	memcpy(copy, text.data, text.size);
	ck_assert(kafka_marks_read(
		with, slice_of(name), (struct slice){ copy, text.size }));
}

START_TEST(what_is_written_is_read_back)
{
	const struct kafka_marks rows[] = {
		{ .attempt = 3,
			.published_ms = 1,
			.due_ms = INT64_C(1) << 50,
			.topic = SLICE("a.b"),
			.group = SLICE("g") },
		{ .form = KAFKA_PIECE, .id = SLICE(ID), .index = 21, .count = 23 },
		{ .attempt = 2,
			.form = KAFKA_HEAD,
			.id = SLICE(ID),
			.count = 24,
			.size = 20 << 20 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct kafka_marks marks = { 0 };
		kafka_marks_write(&rows[i], read_back, &marks);
		ck_assert_uint_eq(marks.attempt, rows[i].attempt);
		ck_assert_int_eq(marks.due_ms, rows[i].due_ms);
		ck_assert(slice_equal(marks.topic, rows[i].topic));
		ck_assert(slice_equal(marks.group, rows[i].group));
		ck_assert(slice_equal(marks.id, rows[i].id));
		ck_assert_int_eq(marks.form, rows[i].form);
		ck_assert_uint_eq(marks.index, rows[i].index);
		ck_assert_uint_eq(marks.count, rows[i].count);
		ck_assert_uint_eq(marks.size, rows[i].size);
	}
	const int64_t offsets[] = { 0, 1, 255, 256, INT64_C(1) << 40, INT64_MAX };
	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		char bytes[8];
		kafka_offset_write(bytes, offsets[i]);
		ck_assert_int_eq(kafka_offset_read(bytes), offsets[i]);
	}
}
END_TEST

static struct kafka_record *piece(
	unsigned stream, int64_t offset, uint32_t index, const char *value)
{
	return kafka_record_new(&(struct kafka_source){ .stream = stream,
		.offset = offset,
		.value = slice_of(value),
		.marks = { .form = KAFKA_PIECE,
			.id = SLICE(ID),
			.index = index,
			.count = 3 } });
}

static struct kafka_record *head(const int64_t offsets[3], uint64_t size)
{
	char bytes[24];
	for (int i = 0; i < 3; i++)
		kafka_offset_write(bytes + i * 8, offsets[i]);
	return kafka_record_new(&(struct kafka_source){ .stream = 1,
		.offset = 100,
		.value = { bytes, sizeof(bytes) },
		.marks = { .form = KAFKA_HEAD,
			.id = SLICE(ID),
			.count = 3,
			.size = size } });
}

static enum kafka_joined join(
	struct kafka_joiner *joiner, const int64_t offsets[3], uint64_t size)
{
	struct kafka_record *whole = head(offsets, size);
	enum kafka_joined joined = kafka_joiner_join(joiner, whole);
	if (joined == KAFKA_JOINED)
		ck_assert(slice_equal(whole->value, SLICE("abcdef")));
	kafka_record_free(whole);
	return joined;
}

START_TEST(pieces_in_any_order_make_their_value)
{
	struct kafka_joiner *joiner = kafka_joiner_new(10000);
	kafka_joiner_keep(joiner, piece(1, 14, 2, "f"), 0);
	kafka_joiner_keep(joiner, piece(1, 10, 0, "abc"), 0);
	kafka_joiner_keep(joiner, piece(2, 12, 1, "xx"), 0);
	const int64_t offsets[] = { 10, 12, 14 };
	ck_assert_int_eq(join(joiner, offsets, 6), KAFKA_MISSING);
	kafka_joiner_keep(joiner, piece(1, 12, 1, "de"), 0);
	/* Twice, as after a rebalance. */
	kafka_joiner_keep(joiner, piece(1, 12, 1, "de"), 0);
	ck_assert_int_eq(join(joiner, offsets, 6), KAFKA_JOINED);
	ck_assert_int_eq(join(joiner, offsets, 6), KAFKA_MISSING);
	kafka_joiner_expire(joiner, 1);
	ck_assert_uint_eq(kafka_joiner_size(joiner), 0);
	kafka_joiner_free(joiner);
}
END_TEST

START_TEST(pieces_that_do_not_belong_together_are_damage)
{
	const struct {
		int64_t offsets[3];
		uint64_t size;
		enum kafka_joined joined;
	} rows[] = {
		{ { 10, 12, 14 }, 6, KAFKA_JOINED },
		{ { 10, 12, 14 }, 7, KAFKA_DAMAGED },  /* another size */
		{ { 12, 10, 14 }, 6, KAFKA_DAMAGED },  /* another order */
		{ { 10, 10, 14 }, 6, KAFKA_DAMAGED },  /* one twice */
		{ { 10, 12, 16 }, 6, KAFKA_DAMAGED },  /* another value's */
		{ { 10, 12, 100 }, 6, KAFKA_DAMAGED }, /* not before the head */
		{ { 10, 12, -14 }, 6, KAFKA_DAMAGED },
		{ { 10, 12, 14 }, 100001, KAFKA_DAMAGED }, /* beyond the ceiling */
		{ { 10, 12, 13 }, 6, KAFKA_MISSING },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct kafka_joiner *joiner = kafka_joiner_new(100000);
		struct kafka_record *other = piece(1, 16, 2, "f");
		other->marks.id = SLICE(OTHER_ID);
		kafka_joiner_keep(joiner, piece(1, 10, 0, "abc"), 0);
		kafka_joiner_keep(joiner, piece(1, 12, 1, "de"), 0);
		kafka_joiner_keep(joiner, piece(1, 14, 2, "f"), 0);
		kafka_joiner_keep(joiner, other, 0);
		ck_assert_msg(
			join(joiner, rows[i].offsets, rows[i].size) == rows[i].joined,
			"row %zu", i);
		kafka_joiner_free(joiner);
	}
}
END_TEST

START_TEST(a_joiner_keeps_the_latest_within_its_ceiling)
{
	struct kafka_joiner *joiner = kafka_joiner_new(100000);
	for (int64_t offset = 0; offset < 5000; offset++) {
		kafka_joiner_keep(joiner, piece(1, offset, 0, "abc"), offset);
		ck_assert_uint_le(kafka_joiner_size(joiner), 100000);
	}
	ck_assert_uint_gt(kafka_joiner_size(joiner), 90000);
	kafka_joiner_expire(joiner, 4990);
	ck_assert_uint_lt(
		kafka_joiner_size(joiner), 11 * sizeof(struct kafka_record) + 700);
	kafka_joiner_free(joiner);
}
END_TEST

static void add(struct kafka_newest *newest, const char *key, const char *value)
{
	static int64_t offset;
	kafka_newest_add(
		newest, kafka_record_new(&(struct kafka_source){ .offset = offset++,
				.key = slice_of(key),
				.value = slice_of(value) }));
}

START_TEST(the_newest_of_each_key_comes_in_the_order_of_writing)
{
	struct kafka_newest *newest = kafka_newest_new();
	add(newest, "a", "1");
	add(newest, "b", "2");
	add(newest, "c", "3");
	add(newest, "a", "4");
	add(newest, "b", "5");
	ck_assert_ptr_null(kafka_newest_find(newest, SLICE("d")));
	ck_assert(slice_equal(kafka_newest_find(newest, SLICE("a"))->value, SLICE("4")));
	const char *values[] = { "3", "4", "5" };
	for (int i = 0; i < 3; i++) {
		struct kafka_record *record = kafka_newest_take(newest);
		ck_assert(slice_equal(record->value, slice_of(values[i])));
		kafka_record_free(record);
	}
	ck_assert_ptr_null(kafka_newest_take(newest));
	ck_assert_uint_eq(kafka_newest_size(newest), 0);
	add(newest, "a", "6");
	kafka_newest_free(newest);
}
END_TEST

static void note(
	struct kafka_remains *remains, const char *key, uint32_t count, int64_t offset)
{
	kafka_remains_note(remains, SLICE("topic"), slice_of(key),
		&(struct kafka_remain){ { ID }, count, 0, offset });
}

static uint32_t count_of(const struct kafka_remains *remains, const char *key)
{
	const struct kafka_remain *remain = kafka_remains_find(
		remains, SLICE("topic"), slice_of(key));
	return remain ? remain->count : 0;
}

START_TEST(the_pieces_of_the_newest_value_are_remembered)
{
	struct kafka_remains *remains = kafka_remains_new();
	note(remains, "a", 5, 10);
	note(remains, "a", 2, 20);
	/* Read late. */
	note(remains, "a", 5, 10);
	ck_assert_uint_eq(count_of(remains, "a"), 2);
	ck_assert_uint_eq(count_of(remains, "b"), 0);
	ck_assert_ptr_null(kafka_remains_find(remains, SLICE("other"), SLICE("a")));
	note(remains, "a", 0, 30);
	ck_assert_uint_eq(count_of(remains, "a"), 0);
	for (int i = 0; i < 3000; i++) {
		char key[16];
		snprintf(key, sizeof(key), "%d", i);
		note(remains, key, 1, i);
	}
	ck_assert_uint_eq(count_of(remains, "0"), 0);
	ck_assert_uint_eq(count_of(remains, "2999"), 1);
	kafka_remains_free(remains);
}
END_TEST

START_TEST(keys_spread_over_the_partitions_and_stay)
{
	unsigned counts[KAFKA_PARTITIONS] = { 0 };
	for (int i = 0; i < 6000; i++) {
		char key[32];
		snprintf(key, sizeof(key), "shop/%d", i);
		int32_t partition = kafka_partition_of(
			slice_of(key), 0, KAFKA_PARTITIONS);
		ck_assert_int_eq(partition,
			kafka_partition_of(slice_of(key), 0, KAFKA_PARTITIONS));
		counts[partition]++;
	}
	for (int i = 0; i < KAFKA_PARTITIONS; i++)
		ck_assert(counts[i] > 800 && counts[i] < 1200);
	/* As Kafka's own clients hash: their records and ours meet. */
	ck_assert_int_eq(kafka_partition_of(SLICE("21"), 0, 1000000),
		(int32_t)((0x7fffffff & (uint32_t)-973932308) % 1000000));
}
END_TEST

START_TEST(keys_that_agree_in_their_prefix_share_a_partition)
{
	int32_t partition = kafka_partition_of(SLICE("0190a7b1-22c7"), 12, 6);
	ck_assert_int_eq(partition, kafka_partition_of(SLICE("0190a7b1-22cf"), 12, 6));
	ck_assert_int_eq(partition, kafka_partition_of(SLICE("0190a7b1-22c"), 0, 6));
	unsigned seen = 0;
	for (char digit = '0'; digit <= '9'; digit++)
		seen |= 1U << kafka_partition_of(
				(struct slice){ (char[]){ 'a', digit, 'b' }, 3 }, 2, 6);
	ck_assert_uint_ge((unsigned)__builtin_popcount(seen), 4);
	ck_assert_int_eq(kafka_partition_of(SLICE("short"), 12, 1000),
		kafka_partition_of(SLICE("short"), 0, 1000));
}
END_TEST

Suite *kafka_suite(void)
{
	Suite *suite = suite_create("kafka");
	TCase *tcase = tcase_create("without a broker");
	tcase_add_loop_test(tcase, a_position_moves_over_settled_runs_only, 0,
		sizeof(positions) / sizeof(*positions));
	tcase_add_test(tcase, a_position_agrees_with_a_plain_list_over_many_steps);
	tcase_add_loop_test(tcase, headers_are_read_as_they_are_or_refused, 0,
		sizeof(headers) / sizeof(*headers));
	tcase_add_test(tcase, what_is_written_is_read_back);
	tcase_add_test(tcase, pieces_in_any_order_make_their_value);
	tcase_add_test(tcase, pieces_that_do_not_belong_together_are_damage);
	tcase_add_test(tcase, a_joiner_keeps_the_latest_within_its_ceiling);
	tcase_add_test(tcase, the_newest_of_each_key_comes_in_the_order_of_writing);
	tcase_add_test(tcase, the_pieces_of_the_newest_value_are_remembered);
	tcase_add_test(tcase, keys_spread_over_the_partitions_and_stay);
	tcase_add_test(tcase, keys_that_agree_in_their_prefix_share_a_partition);
	suite_add_tcase(suite, tcase);
	return suite;
}
