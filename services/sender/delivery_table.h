/* SPDX-License-Identifier: MIT
 *
 * The table of deliveries in an SQLite file (WAL, synchronous=FULL), shared with the
 * other processes of the pool. Belongs to one thread at a time; part of record_sqlite.c.
 */
#ifndef SERVICES_SENDER_DELIVERY_TABLE_H
#define SERVICES_SENDER_DELIVERY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/fault.h"

struct delivery_table;

struct delivery_table *delivery_table_open(const char *path, struct fault *fault);
/* Takes NULL. */
void delivery_table_close(struct delivery_table *table);

/* The note on a recipient, in the arena; empty if there is none. */
bool delivery_table_find(struct delivery_table *table, struct slice message,
	struct slice recipient, struct arena *arena, struct slice *ret_note,
	struct fault *fault);
/* Notes between begin and end are durable together once end has returned true. */
bool delivery_table_begin(struct delivery_table *table, struct fault *fault);
bool delivery_table_note(struct delivery_table *table, struct slice message,
	struct slice recipient, struct slice note, struct fault *fault);
bool delivery_table_end(struct delivery_table *table, struct fault *fault);
void delivery_table_rollback(struct delivery_table *table);

/* Removes some of what was noted before `time_ms` (Unix); is there more? */
bool delivery_table_prune(struct delivery_table *table, int64_t time_ms);

#endif
