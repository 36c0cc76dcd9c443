/* SPDX-License-Identifier: MIT */
#include "lib/table.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/memory.h"

/* Open addressing with linear probing; at most three quarters of the rows are in use. */
#define FIRST_ROOM 16

struct row {
	uint64_t hash;
	struct slice key; /* ours */
	void *value;      /* NULL: the row is free */
};

struct table {
	struct row *rows;
	size_t room; /* a power of two */
	size_t used;
};

static inline uint64_t rotate(uint64_t word, int bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1], v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0], v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1], v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2], v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

static const uint64_t *process_key(void)
{
	static uint64_t key[2];
	static bool is_known;
	if (!is_known && getrandom(key, sizeof(key), 0) != sizeof(key))
		abort();
	is_known = true;
	return key;
}

/* SipHash-1-3 (Aumasson, Bernstein). */
uint64_t table_hash(struct slice bytes)
{
	const uint64_t *key = process_key();
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
	uint64_t last = (uint64_t)bytes.size << 56;
	for (size_t at = 0;; at += 8) {
		size_t left = bytes.size - at;
		uint64_t word = 0;
		if (left)
			memcpy(&word, bytes.data + at, left < 8 ? left : 8);
		if (left < 8)
			word |= last;
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
		if (left < 8)
			break;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct table *table_new(void)
{
	struct table *table = NEW(struct table);
	table->room = FIRST_ROOM;
	table->rows = NEW_ARRAY(struct row, table->room);
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->room; i++)
		if (table->rows[i].value)
			free((char *)table->rows[i].key.data);
	free(table->rows);
	free(table);
}

/* The row that has the key, or the free row where it would stand. */
static struct row *find(const struct table *table, struct slice key, uint64_t hash)
{
	size_t mask = table->room - 1;
	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct row *row = &table->rows[i];
		if (!row->value || (row->hash == hash && slice_equal(row->key, key)))
			return row;
	}
}

static void grow(struct table *table)
{
	struct table larger = { .room = table->room * 2, .used = table->used };
	larger.rows = NEW_ARRAY(struct row, larger.room);
	for (size_t i = 0; i < table->room; i++) {
		struct row *row = &table->rows[i];
		if (row->value)
			*find(&larger, row->key, row->hash) = *row;
	}
	free(table->rows);
	*table = larger;
}

void *table_get(const struct table *table, struct slice key)
{
	return find(table, key, table_hash(key))->value;
}

void *table_put(struct table *table, struct slice key, void *value)
{
	assert(value);
	if ((table->used + 1) * 4 > table->room * 3)
		grow(table);
	uint64_t hash = table_hash(key);
	struct row *row = find(table, key, hash);
	void *former = row->value;
	if (!former) {
		row->key = (struct slice){ memory_string(key), key.size };
		row->hash = hash;
		table->used++;
	}
	row->value = value;
	return former;
}

/* Rows behind a hole move up where their probing would have passed it, so that no lookup
 * ends at the hole. */
static void close_hole(struct table *table, size_t hole)
{
	size_t mask = table->room - 1;
	for (size_t i = (hole + 1) & mask; table->rows[i].value; i = (i + 1) & mask) {
		size_t home = table->rows[i].hash & mask;
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			table->rows[hole] = table->rows[i];
			hole = i;
		}
	}
	table->rows[hole] = (struct row){ 0 };
}

void *table_remove(struct table *table, struct slice key)
{
	struct row *row = find(table, key, table_hash(key));
	void *former = row->value;
	if (!former)
		return NULL;
	free((char *)row->key.data);
	table->used--;
	close_hole(table, (size_t)(row - table->rows));
	return former;
}

size_t table_size(const struct table *table)
{
	return table->used;
}

bool table_next(const struct table *table, size_t *cursor, struct slice *ret_key,
	void **ret_value)
{
	while (*cursor < table->room) {
		const struct row *row = &table->rows[(*cursor)++];
		if (row->value) {
			*ret_key = row->key;
			*ret_value = row->value;
			return true;
		}
	}
	return false;
}
