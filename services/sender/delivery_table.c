/* SPDX-License-Identifier: MIT */
#include "services/sender/delivery_table.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/memory.h"

#define BUSY_MS    5000 /* other processes of the pool write too */
#define AGAIN_MS   5
#define PRUNE_ROWS "1000"

static const char setup[] =
	"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	"PRAGMA journal_size_limit=16777216;"
	"CREATE TABLE IF NOT EXISTS deliveries ("
	" message TEXT NOT NULL, recipient TEXT NOT NULL, time_ms INTEGER NOT NULL,"
	" note BLOB NOT NULL, PRIMARY KEY (message, recipient)) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS deliveries_by_time ON deliveries (time_ms);";

enum statement { BEGIN, COMMIT, ROLLBACK, FIND, NOTE, PRUNE, STATEMENTS };

/* The first note on a recipient stays: it tells of the delivery, any later one of a
 * mistake. */
static const char *const texts[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[FIND] = "SELECT note FROM deliveries WHERE message = ?1 AND recipient = ?2",
	[NOTE] = "INSERT OR IGNORE INTO deliveries VALUES (?1, ?2, ?3, ?4)",
	[PRUNE] = "DELETE FROM deliveries WHERE (message, recipient) IN (SELECT message, "
		  "recipient FROM deliveries WHERE time_ms < ?1 LIMIT " PRUNE_ROWS ")",
};

struct delivery_table {
	char *path;
	sqlite3 *database;
	sqlite3_stmt *statements[STATEMENTS];
};

static bool failed(struct delivery_table *table, struct fault *fault)
{
	return fault_temporary(
		fault, "%s: %s", table->path, sqlite3_errmsg(table->database));
}

static bool step(struct delivery_table *table, enum statement which, struct fault *fault)
{
	int result = sqlite3_step(table->statements[which]);
	bool is_good = result == SQLITE_DONE || result == SQLITE_ROW;
	if (!is_good)
		failed(table, fault);
	sqlite3_reset(table->statements[which]);
	return is_good;
}

static void bind_text(sqlite3_stmt *statement, int at, struct slice text)
{
	sqlite3_bind_text(
		statement, at, text.size ? text.data : "", (int)text.size, SQLITE_STATIC);
}

bool delivery_table_find(struct delivery_table *table, struct slice message,
	struct slice recipient, struct arena *arena, struct slice *ret_note,
	struct fault *fault)
{
	sqlite3_stmt *find = table->statements[FIND];
	*ret_note = (struct slice){ 0 };
	bind_text(find, 1, message);
	bind_text(find, 2, recipient);
	int result = sqlite3_step(find);
	if (result == SQLITE_ROW)
		*ret_note = arena_copy(
			arena, (struct slice){ sqlite3_column_blob(find, 0),
				       (size_t)sqlite3_column_bytes(find, 0) });
	else if (result != SQLITE_DONE)
		failed(table, fault);
	sqlite3_reset(find);
	return result == SQLITE_ROW || result == SQLITE_DONE;
}

bool delivery_table_begin(struct delivery_table *table, struct fault *fault)
{
	return step(table, BEGIN, fault);
}

bool delivery_table_note(struct delivery_table *table, struct slice message,
	struct slice recipient, struct slice note, struct fault *fault)
{
	sqlite3_stmt *statement = table->statements[NOTE];
	bind_text(statement, 1, message);
	bind_text(statement, 2, recipient);
	sqlite3_bind_int64(statement, 3, clock_unix_ms());
	sqlite3_bind_blob(statement, 4, note.data, (int)note.size, SQLITE_STATIC);
	return step(table, NOTE, fault);
}

bool delivery_table_end(struct delivery_table *table, struct fault *fault)
{
	return step(table, COMMIT, fault);
}

void delivery_table_rollback(struct delivery_table *table)
{
	if (!sqlite3_get_autocommit(table->database))
		step(table, ROLLBACK, NULL);
}

bool delivery_table_prune(struct delivery_table *table, int64_t time_ms)
{
	sqlite3_bind_int64(table->statements[PRUNE], 1, time_ms);
	return step(table, PRUNE, NULL) && sqlite3_changes(table->database) > 0;
}

static bool prepare(struct delivery_table *table, struct fault *fault)
{
	for (size_t i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v2(table->database, texts[i], -1,
			    &table->statements[i], NULL) != SQLITE_OK)
			return failed(table, fault);
	return true;
}

/* While several processes make the file, SQLite says "locked" without waiting: the step
 * to WAL is one that it gives up rather than risk a deadlock. */
static bool set_up(sqlite3 *database)
{
	int64_t end_ms = clock_monotonic_ms() + BUSY_MS;
	int result = sqlite3_exec(database, setup, NULL, NULL, NULL);
	while (result == SQLITE_BUSY && clock_monotonic_ms() < end_ms) {
		usleep(AGAIN_MS * 1000);
		result = sqlite3_exec(database, setup, NULL, NULL, NULL);
	}
	return result == SQLITE_OK;
}

struct delivery_table *delivery_table_open(const char *path, struct fault *fault)
{
	struct delivery_table *table = NEW(struct delivery_table);
	table->path = memory_string(slice_of(path));
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	bool is_open = sqlite3_open_v2(path, &table->database, flags, NULL) == SQLITE_OK;
	if (is_open)
		sqlite3_busy_timeout(table->database, BUSY_MS);
	if (is_open && set_up(table->database))
		is_open = prepare(table, fault);
	else
		is_open = failed(table, fault);
	if (is_open)
		return table;
	delivery_table_close(table);
	return NULL;
}

void delivery_table_close(struct delivery_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(table->statements[i]);
	sqlite3_close(table->database);
	free(table->path);
	free(table);
}
