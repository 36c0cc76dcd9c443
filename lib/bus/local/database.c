/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/database.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/bus/local/local.h"
#include "lib/bus/local/schema.h"
#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/memory.h"

#define LOCK_WAIT_MS 10000
/* How long a checkpoint may hold up writers while it waits for readers. */
#define CHECKPOINT_WAIT_MS 100

static const char *remedy_for(const struct database *database, int code)
{
	if (code == SQLITE_BUSY)
		return ": another process holds its write lock";
	if (code != SQLITE_CORRUPT && code != SQLITE_NOTADB)
		return "";
	return database->kind == DATABASE_GROUPS
		       ? ": stop the services and restore it; or move it away, then every"
			 " group is given again what the topic still has"
		       : ": stop the services and restore it or move it away";
}

bool database_explain(struct database *database, struct fault *fault)
{
	int code = sqlite3_extended_errcode(database->handle) & 0xff;
	int number = sqlite3_system_errno(database->handle);
	bool has_number = number && code != SQLITE_BUSY;
	return fault_temporary(fault, "%s: %s%s%s%s", database->path,
		sqlite3_errmsg(database->handle), has_number ? ": " : "",
		has_number ? strerror(number) : "", remedy_for(database, code));
}

static int wait_for_lock(void *with, int count)
{
	struct database *database = with;
	(void)count;
	if (clock_monotonic_ms() > database->give_up_ms)
		return 0;
	database->asked = turnstile_wait(database->turnstile, database->seen);
	database->seen = database->turnstile->passed;
	return 1;
}

static void expect_to_wait(struct database *database, int64_t timeout_ms)
{
	database->give_up_ms = clock_monotonic_ms() + timeout_ms;
	database->seen = database->turnstile->passed;
	database->asked = 0;
}

/* In the place of SQLite's own hook, which would checkpoint inside a publisher's commit:
 * the keeper does that. */
static int note_pages(void *with, sqlite3 *handle, const char *name, int pages)
{
	struct database *database = with;
	(void)handle;
	(void)name;
	database->wal_bytes = pages * database->page_bytes;
	return SQLITE_OK;
}

static bool open_handle(
	struct database *database, const struct topic_place *place, struct fault *fault)
{
	local_create_file(place->folder, database->path);
	if (sqlite3_open_v2(database->path, &database->handle,
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return database_explain(database, fault);
	struct stat facts;
	if (stat(database->path, &facts) < 0)
		return fault_temporary(fault, "%s: %s", database->path, strerror(errno));
	database->device = facts.st_dev;
	database->inode = facts.st_ino;
	sqlite3_extended_result_codes(database->handle, 1);
	sqlite3_busy_handler(database->handle, wait_for_lock, database);
	expect_to_wait(database, LOCK_WAIT_MS);
	sqlite3_wal_hook(database->handle, note_pages, database);
	return schema_prepare(database, place, fault);
}

bool database_open(struct database *database, const struct topic_place *place,
	enum database_kind kind, struct fault *fault)
{
	char path[PATH_MAX];
	int size = snprintf(path, sizeof(path), "%s/%s.%s", place->folder, place->topic,
		kind == DATABASE_GROUPS ? "groups" : "db");
	database->kind = kind;
	database->path = memory_string((struct slice){ path, size });
	database->turnstile =
		&place->bell->turnstiles[kind == DATABASE_GROUPS ? TURNSTILE_GROUPS
								 : TURNSTILE_RECORDS];
	bell_lock(place->bell);
	bool is_open = open_handle(database, place, fault);
	bell_unlock(place->bell);
	if (!is_open)
		database_close(database);
	return is_open;
}

bool database_is_in_place(const struct database *database, struct fault *fault)
{
	struct stat facts;
	return (stat(database->path, &facts) == 0 && facts.st_dev == database->device &&
		       facts.st_ino == database->inode) ||
	       fault_temporary(fault, "%s was moved away", database->path);
}

void database_close(struct database *database)
{
	for (int i = 0; i < DATABASE_QUERIES; i++) {
		sqlite3_finalize(database->queries[i].statement);
		database->queries[i].statement = NULL;
		database->queries[i].sql = NULL;
	}
	sqlite3_close(database->handle);
	database->handle = NULL;
	free(database->path);
	database->path = NULL;
}

static sqlite3_stmt *find_statement(struct database *database, const char *sql)
{
	int i = 0;
	while (database->queries[i].sql && database->queries[i].sql != sql) {
		i++;
		/* Making room might end a statement whose rows are being read. */
		assert(i < DATABASE_QUERIES);
	}
	if (database->queries[i].sql == sql)
		return database->queries[i].statement;
	if (sqlite3_prepare_v3(database->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
		    &database->queries[i].statement, NULL) == SQLITE_OK)
		database->queries[i].sql = sql;
	return database->queries[i].statement;
}

static sqlite3_stmt *bind(struct database *database, struct fault *fault, const char *sql,
	const char *types, va_list args)
{
	sqlite3_stmt *statement = find_statement(database, sql);
	if (!statement) {
		database_explain(database, fault);
		return NULL;
	}
	sqlite3_reset(statement);
	expect_to_wait(database, LOCK_WAIT_MS);
	for (int i = 0; types[i]; i++) {
		if (types[i] == 'i') {
			sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
			continue;
		}
		struct slice bytes = va_arg(args, struct slice);
		/* A NULL pointer would become SQL's NULL, which equals nothing. */
		sqlite3_bind_blob64(statement, i + 1, bytes.size ? bytes.data : "",
			bytes.size, SQLITE_STATIC);
	}
	return statement;
}

sqlite3_stmt *database_query(struct database *database, struct fault *fault,
	const char *sql, const char *types, ...)
{
	va_list args;
	va_start(args, types);
	sqlite3_stmt *statement = bind(database, fault, sql, types, args);
	va_end(args);
	return statement;
}

bool database_row(struct database *database, sqlite3_stmt *statement, bool *ret_is_done,
	struct fault *fault)
{
	int result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		return true;
	*ret_is_done = result == SQLITE_DONE;
	if (result != SQLITE_DONE)
		database_explain(database, fault);
	sqlite3_reset(statement);
	return false;
}

bool database_run(struct database *database, struct fault *fault, const char *sql,
	const char *types, ...)
{
	va_list args;
	va_start(args, types);
	sqlite3_stmt *statement = bind(database, fault, sql, types, args);
	va_end(args);
	bool is_done = false;
	while (statement && database_row(database, statement, &is_done, fault))
		;
	return is_done;
}

bool database_number(struct database *database, struct fault *fault, int64_t *ret_number,
	const char *sql, const char *types, ...)
{
	va_list args;
	va_start(args, types);
	sqlite3_stmt *statement = bind(database, fault, sql, types, args);
	va_end(args);
	bool is_done = false;
	*ret_number = 0;
	if (!statement)
		return false;
	if (!database_row(database, statement, &is_done, fault))
		return is_done;
	*ret_number = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return true;
}

bool database_begin(struct database *database, struct fault *fault)
{
	if (!database_is_in_place(database, fault))
		return false;
	turnstile_yield(database->turnstile, database->passed);
	bool has_begun = database_run(database, fault, "BEGIN IMMEDIATE", "");
	turnstile_enter(database->turnstile, database->asked);
	return has_begun;
}

bool database_commit(struct database *database, struct fault *fault)
{
	if (!database_run(database, fault, "COMMIT", "")) {
		database_rollback(database);
		return false;
	}
	database->passed = turnstile_pass(database->turnstile);
	return true;
}

void database_rollback(struct database *database)
{
	if (!sqlite3_get_autocommit(database->handle))
		database_run(database, NULL, "ROLLBACK", "");
	turnstile_pass(database->turnstile);
}

bool database_sync(struct database *database, struct fault *fault)
{
	sqlite3_file *wal = NULL;
	sqlite3_file_control(
		database->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
	return IS_BROKEN("no_sync") ||
	       wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY) ==
		       SQLITE_OK ||
	       fault_temporary(fault, "%s-wal: can't be synced: %s", database->path,
		       strerror(errno));
}

bool database_checkpoint(struct database *database, int mode, struct fault *fault)
{
	int pages = 0;
	expect_to_wait(database, CHECKPOINT_WAIT_MS);
	int result = sqlite3_wal_checkpoint_v2(
		database->handle, NULL, mode, &pages, NULL);
	turnstile_enter(database->turnstile, database->asked);
	turnstile_pass(database->turnstile);
	if (result == SQLITE_OK)
		database->wal_bytes = pages * database->page_bytes;
	return result == SQLITE_OK || (result & 0xff) == SQLITE_BUSY ||
	       database_explain(database, fault);
}

struct slice column_slice(sqlite3_stmt *statement, int column)
{
	/* The blob first: asking for it may change the size. */
	const char *data = sqlite3_column_blob(statement, column);
	return (struct slice){ data, sqlite3_column_bytes(statement, column) };
}
