/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/schema.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/bus/local/local.h"
#include "lib/chaos.h"

#define SCHEMA_VERSION 2

/* For what becomes of a file of bodies. */
#define BODY_INDEX                                                           \
	"CREATE INDEX record_body ON record (body_file, body_at, body_size)" \
	" WHERE body_file IS NOT NULL;"

/* AUTOINCREMENT: the number of a deleted record is never given again, for groups remember
 * how far they have come by number. */
static const char records_schema[] =
	"CREATE TABLE record (id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL,"
	" due INTEGER NOT NULL, key BLOB, value BLOB, body_file INTEGER, body_at INTEGER,"
	" body_size INTEGER);"
	"CREATE INDEX record_time ON record (time);"
	"CREATE INDEX record_tombstone ON record (time) WHERE length(value) = 0;" BODY_INDEX
	"INSERT INTO sqlite_sequence (name, seq) VALUES ('record', 0);";

/* From version 1, which had no bodies. */
static const char records_upgrade[] =
	"ALTER TABLE record ADD COLUMN body_file INTEGER;"
	"ALTER TABLE record ADD COLUMN body_at INTEGER;"
	"ALTER TABLE record ADD COLUMN body_size INTEGER;" BODY_INDEX;

/* Keys of mail spread over an app's shards: each record would touch a page of its own. */
static const char key_schema[] = "CREATE INDEX record_key ON record (key, time)";

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
	[DATABASE_RECORDS] = "PRAGMA synchronous=NORMAL;",
	[DATABASE_RECORDS_READER] = "PRAGMA synchronous=NORMAL;",
	/* Until the group is known; see group_open(). */
	[DATABASE_GROUPS] = "PRAGMA synchronous=FULL;",
};
static const char shared_settings[] =
	"PRAGMA journal_size_limit=16777216;"
	"PRAGMA secure_delete=OFF; PRAGMA trusted_schema=OFF;";

/* The WAL is written and read page by page, two writes each: most messages should take
 * one or two. 4 kB pages cost a fifth of all CPU time at 20 kB a message. */
static const char records_page[] = "PRAGMA page_size=16384";

static bool execute(struct database *database, const char *sql, struct fault *fault)
{
	return sqlite3_exec(database->handle, sql, NULL, NULL, NULL) == SQLITE_OK ||
	       database_explain(database, fault);
}

static bool enter_wal_mode(struct database *database, struct fault *fault)
{
	bool is_done = false;
	sqlite3_stmt *row = database_query(
		database, fault, "PRAGMA journal_mode=WAL", "");
	if (!row || !database_row(database, row, &is_done, fault))
		return false;
	bool is_wal = slice_equal_nocase(column_slice(row, 0), SLICE("wal"));
	sqlite3_reset(row);
	return is_wal ||
	       fault_temporary(fault,
		       "%s: this file system can't hold a bus (no shared memory)",
		       database->path);
}

static bool change_tables(struct database *database, const struct topic_place *place,
	int64_t version, struct fault *fault)
{
	if (database->kind == DATABASE_GROUPS)
		return version == 1 || execute(database, groups_schema, fault);
	if (version == 1)
		return execute(database, records_upgrade, fault);
	return execute(database, records_schema, fault) &&
	       (!place->is_searched || execute(database, key_schema, fault));
}

static bool make_tables(
	struct database *database, const struct topic_place *place, struct fault *fault)
{
	int64_t version;
	if (!database_number(database, fault, &version, "PRAGMA user_version", ""))
		return false;
	if (version == SCHEMA_VERSION)
		return true;
	if (version < 0 || version > SCHEMA_VERSION)
		return fault_temporary(
			fault, "%s: made by another version of Postern", database->path);
	bool is_made = execute(database, "BEGIN IMMEDIATE", fault) &&
		       change_tables(database, place, version, fault) &&
		       execute(database, "PRAGMA user_version=2; COMMIT", fault);
	if (!is_made)
		sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
	return is_made;
}

/* How far the groups have come; 0 where there is nothing that anybody could consume by:
 * no file, no table in it yet, or damage. */
static bool position_of_groups(
	const struct topic_place *place, int64_t *ret_position, struct fault *fault)
{
	char path[PATH_MAX];
	sqlite3 *handle = NULL;
	sqlite3_stmt *row = NULL;
	*ret_position = 0;
	snprintf(path, sizeof(path), "%s/%s.groups", place->folder, place->topic);
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return true;
	int status = sqlite3_open_v2(
		path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	sqlite3_busy_timeout(handle, 1000);
	if (status == SQLITE_OK)
		status = sqlite3_prepare_v2(
			handle, "SELECT max(position) FROM grp", -1, &row, NULL);
	if (status == SQLITE_OK)
		status = sqlite3_step(row);
	if (status == SQLITE_ROW)
		*ret_position = sqlite3_column_int64(row, 0);
	bool is_known = status == SQLITE_ROW || status == SQLITE_ERROR ||
			status == SQLITE_CORRUPT || status == SQLITE_NOTADB;
	if (!is_known)
		fault_temporary(fault, "%s: %s", path, sqlite3_errstr(status));
	sqlite3_finalize(row);
	sqlite3_close(handle);
	return is_known;
}

/* What is numbered below a group's position would never be taken. */
static bool number_on(
	struct database *database, const struct topic_place *place, struct fault *fault)
{
	int64_t last, position;
	if (!position_of_groups(place, &position, fault) ||
		!database_number(database, fault, &last,
			"SELECT seq FROM sqlite_sequence WHERE name = 'record'", ""))
		return false;
	return position <= last ||
	       database_run(database, fault,
		       "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'record'", "i",
		       position);
}

bool schema_prepare(
	struct database *database, const struct topic_place *place, struct fault *fault)
{
	/* Until the file is whole its commits are synced, whoever makes it. */
	return execute(database, "PRAGMA synchronous=FULL", fault) &&
	       (database->kind == DATABASE_GROUPS ||
		       execute(database, records_page, fault)) &&
	       enter_wal_mode(database, fault) && make_tables(database, place, fault) &&
	       (database->kind == DATABASE_GROUPS || number_on(database, place, fault)) &&
	       execute(database,
		       IS_BROKEN("no_sync") ? "PRAGMA synchronous=OFF"
					    : settings[database->kind],
		       fault) &&
	       execute(database, shared_settings, fault) &&
	       (database->kind == DATABASE_RECORDS_READER ||
		       local_sync_folder(place->folder, fault)) &&
	       database_number(
		       database, fault, &database->page_bytes, "PRAGMA page_size", "");
}
