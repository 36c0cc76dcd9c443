/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/database.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/memory.h"

#define SCHEMA_VERSION 1
#define LOCK_WAIT_MS   10000
/* How long a checkpoint may hold up writers while it waits for readers. */
#define CHECKPOINT_WAIT_MS 100

/* AUTOINCREMENT: the number of a deleted record is never given again, for groups remember
 * how far they have come by number. */
static const char records_schema[] =
	"CREATE TABLE record (id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL,"
	" due INTEGER NOT NULL, key BLOB, value BLOB);"
	"CREATE INDEX record_time ON record (time);"
	"CREATE INDEX record_key ON record (key, time);"
	"CREATE INDEX record_tombstone ON record (time) WHERE value = x'';";

/* pending holds what lies below a group's position and is not settled. due 0: ready, in
 * the order of tag; due set: waits for that time; member set: in that member's hands. */
static const char groups_schema[] =
	"CREATE TABLE grp (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" position INTEGER NOT NULL DEFAULT 0, turn INTEGER NOT NULL DEFAULT 0);"
	"CREATE TABLE pending (grp INTEGER NOT NULL, id INTEGER NOT NULL, app BLOB NOT NULL,"
	" tag INTEGER NOT NULL, due INTEGER NOT NULL, attempt INTEGER NOT NULL,"
	" size INTEGER NOT NULL, member INTEGER, PRIMARY KEY (grp, id)) WITHOUT ROWID;"
	"CREATE INDEX pending_ready ON pending (grp, tag, id)"
	" WHERE member IS NULL AND due = 0;"
	"CREATE INDEX pending_app ON pending (grp, app, tag)"
	" WHERE member IS NULL AND due = 0;"
	"CREATE INDEX pending_due ON pending (grp, due) WHERE member IS NULL AND due > 0;"
	"CREATE INDEX pending_member ON pending (grp, member) WHERE member IS NOT NULL;";

static const char *const settings[] = {
	[DATABASE_RECORDS] = "PRAGMA synchronous=FULL;",
	[DATABASE_RECORDS_READER] = "PRAGMA synchronous=NORMAL;",
	/* A take or a settle need not outlive a power cut: it would only be repeated. */
	[DATABASE_GROUPS] = "PRAGMA synchronous=NORMAL;",
};
static const char shared_settings[] =
	"PRAGMA journal_size_limit=16777216;"
	"PRAGMA secure_delete=OFF; PRAGMA trusted_schema=OFF;";

static bool explain(struct database *database, struct fault *fault)
{
	int code = sqlite3_extended_errcode(database->handle);
	int number = sqlite3_system_errno(database->handle);
	const char *remedy = "";
	if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
		remedy = ": move it away or restore it";
	else if ((code & 0xff) == SQLITE_BUSY)
		remedy = ": another process holds its write lock";
	bool has_number = number && (code & 0xff) != SQLITE_BUSY;
	return fault_temporary(fault, "%s: %s%s%s%s", database->path,
		sqlite3_errmsg(database->handle), has_number ? ": " : "",
		has_number ? strerror(number) : "", remedy);
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

/* In the place of SQLite's own hook, which would checkpoint inside a publisher's commit:
 * the keeper does that. */
static int note_pages(void *with, sqlite3 *handle, const char *name, int pages)
{
	struct database *database = with;
	(void)handle;
	(void)name;
	database->wal_pages = pages;
	return SQLITE_OK;
}

/* The file is made here and not by SQLite: private, and where root makes it (posternctl)
 * it still belongs to whom the folder belongs. O_EXCL, for closing a second descriptor of
 * a database in use would drop SQLite's locks. */
static void create_file(const char *folder, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat facts;
	if (fd < 0)
		return;
	if (geteuid() == 0 && stat(folder, &facts) == 0)
		(void)!fchown(fd, facts.st_uid, facts.st_gid);
	close(fd);
}

static bool sync_folder(const char *folder, struct fault *fault)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_synced = fd >= 0 && fsync(fd) == 0;
	if (!is_synced)
		fault_temporary(fault, "%s: %s", folder, strerror(errno));
	if (fd >= 0)
		close(fd);
	return is_synced;
}

static bool execute(struct database *database, const char *sql, struct fault *fault)
{
	return sqlite3_exec(database->handle, sql, NULL, NULL, NULL) == SQLITE_OK ||
	       explain(database, fault);
}

static bool prepare_schema(
	struct database *database, enum database_kind kind, struct fault *fault)
{
	int64_t version;
	if (!execute(database, "PRAGMA journal_mode=WAL", fault) ||
		!database_number(database, fault, &version, "PRAGMA user_version", ""))
		return false;
	if (version == SCHEMA_VERSION)
		return true;
	if (version != 0)
		return fault_temporary(
			fault, "%s: made by another version of Postern", database->path);
	bool is_made = execute(database, "BEGIN IMMEDIATE", fault) &&
		       execute(database,
			       kind == DATABASE_GROUPS ? groups_schema : records_schema,
			       fault) &&
		       execute(database, "PRAGMA user_version=1; COMMIT", fault);
	if (!is_made)
		sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
	return is_made;
}

static bool open_handle(struct database *database, const struct topic_place *place,
	enum database_kind kind, struct fault *fault)
{
	create_file(place->folder, database->path);
	if (sqlite3_open_v2(database->path, &database->handle,
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return explain(database, fault);
	sqlite3_extended_result_codes(database->handle, 1);
	sqlite3_busy_handler(database->handle, wait_for_lock, database);
	database->give_up_ms = clock_monotonic_ms() + LOCK_WAIT_MS;
	sqlite3_wal_hook(database->handle, note_pages, database);
	/* Until the file is whole its commits are synced, whoever makes it. */
	return execute(database, "PRAGMA synchronous=FULL", fault) &&
	       prepare_schema(database, kind, fault) &&
	       execute(database, settings[kind], fault) &&
	       execute(database, shared_settings, fault) &&
	       (kind == DATABASE_RECORDS_READER || sync_folder(place->folder, fault));
}

bool database_open(struct database *database, const struct topic_place *place,
	enum database_kind kind, struct fault *fault)
{
	char path[PATH_MAX];
	int size = snprintf(path, sizeof(path), "%s/%s.%s", place->folder, place->topic,
		kind == DATABASE_GROUPS ? "groups" : "db");
	database->path = memory_string((struct slice){ path, size });
	database->turnstile =
		&place->bell->turnstiles[kind == DATABASE_GROUPS ? TURNSTILE_GROUPS
								 : TURNSTILE_RECORDS];
	bell_lock(place->bell);
	bool is_open = open_handle(database, place, kind, fault);
	bell_unlock(place->bell);
	if (!is_open)
		database_close(database);
	return is_open;
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
	while (i < DATABASE_QUERIES - 1 && database->queries[i].sql &&
		database->queries[i].sql != sql)
		i++;
	if (database->queries[i].sql == sql)
		return database->queries[i].statement;
	sqlite3_finalize(database->queries[i].statement);
	database->queries[i].statement = NULL;
	database->queries[i].sql = NULL;
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
		explain(database, fault);
		return NULL;
	}
	sqlite3_reset(statement);
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
		explain(database, fault);
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

static void expect_to_wait(struct database *database, int64_t timeout_ms)
{
	database->give_up_ms = clock_monotonic_ms() + timeout_ms;
	database->seen = database->turnstile->passed;
	database->asked = 0;
}

bool database_begin(struct database *database, struct fault *fault)
{
	turnstile_yield(database->turnstile, database->passed);
	expect_to_wait(database, LOCK_WAIT_MS);
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

bool database_checkpoint(struct database *database, int mode, struct fault *fault)
{
	int pages = 0;
	expect_to_wait(database, CHECKPOINT_WAIT_MS);
	int result = sqlite3_wal_checkpoint_v2(
		database->handle, NULL, mode, &pages, NULL);
	turnstile_enter(database->turnstile, database->asked);
	turnstile_pass(database->turnstile);
	if (result == SQLITE_OK)
		database->wal_pages = pages;
	return result == SQLITE_OK || (result & 0xff) == SQLITE_BUSY ||
	       explain(database, fault);
}

struct slice column_slice(sqlite3_stmt *statement, int column)
{
	/* The blob first: asking for it may change the size. */
	const char *data = sqlite3_column_blob(statement, column);
	return (struct slice){ data, sqlite3_column_bytes(statement, column) };
}
