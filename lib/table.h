/* SPDX-License-Identifier: MIT
 *
 * A hash table from strings to pointers. It copies the keys and borrows the values. The
 * hash is keyed with randomness of this process, so keys may come from the wire: nobody
 * can choose them to collide. */
#ifndef LIB_TABLE_H
#define LIB_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/slice.h"

struct table;

struct table *table_new(void);
/* The values stay their owner's. */
void table_free(struct table *table);

/* NULL if there is none. */
void *table_get(const struct table *table, struct slice key);
/* Returns the value that stood there before, or NULL. `value` is not NULL. */
void *table_put(struct table *table, struct slice key, void *value);
/* Returns the value that was removed, or NULL. */
void *table_remove(struct table *table, struct slice key);
size_t table_size(const struct table *table);

/* Walks all rows in no order: start with *cursor 0, until false. The table must not
 * change meanwhile. `ret_key` is valid until its row is removed. */
bool table_next(const struct table *table, size_t *cursor, struct slice *ret_key,
	void **ret_value);

/* The keyed hash that tables use. */
uint64_t table_hash(struct slice bytes);

#endif
