/* SPDX-License-Identifier: MIT
 *
 * One of a topic's two SQLite files, opened by one thread. Every failure becomes a
 * FAULT_TEMPORARY that names the file: a full disk goes away by itself, and whatever else
 * is wrong with a file is nothing the record in hand can be blamed for. */
#ifndef LIB_BUS_LOCAL_DATABASE_H
#define LIB_BUS_LOCAL_DATABASE_H

#include <sqlite3.h>
#include <sys/types.h>

#include "lib/bus/local/bell.h"
#include "lib/slice.h"

#define DATABASE_QUERIES 32

enum database_kind {
	DATABASE_RECORDS,        /* for publishers */
	DATABASE_RECORDS_READER, /* for everyone else */
	DATABASE_GROUPS,
};

struct database {
	enum database_kind kind;
	sqlite3 *handle; /* NULL = not open */
	char *path;
	dev_t device; /* of the file that was opened */
	ino_t inode;
	struct turnstile *turnstile;
	uint32_t passed;      /* at our own last release of the write lock */
	uint32_t seen, asked; /* while waiting for it */
	int64_t page_bytes;
	int64_t wal_bytes;    /* after the last commit */
	int64_t looked_bytes; /* of them when the keeper last looked */
	int64_t give_up_ms;   /* when to stop waiting for the write lock */
	struct {
		const char *sql;
		sqlite3_stmt *statement;
	} queries[DATABASE_QUERIES];
};

struct topic_place {
	const char *folder, *topic;
	bool is_searched;        /* by key */
	const struct bell *bell; /* open */
};

bool database_open(struct database *database, const struct topic_place *place,
	enum database_kind kind, struct fault *fault);
/* Accepts one that is not open. */
void database_close(struct database *database);
/* False if its name is another file's by now, or nobody's: what were written to it would
 * be lost. */
bool database_is_in_place(const struct database *database, struct fault *fault);
/* Fills `fault` with what SQLite says last; false. */
bool database_explain(struct database *database, struct fault *fault);

/* The prepared statement of `sql` (a literal; its address is the key), with its
 * parameters bound by `types`: i int64_t, b struct slice (borrowed until the statement is
 * done). NULL, and the fault, if it can't be prepared. */
sqlite3_stmt *database_query(struct database *database, struct fault *fault,
	const char *sql, const char *types, ...);
/* True while there is a row. At the end the statement is reset; `ret_is_done` tells the
 * end from a failure. */
bool database_row(struct database *database, sqlite3_stmt *statement, bool *ret_is_done,
	struct fault *fault);
/* A statement without rows. */
bool database_run(struct database *database, struct fault *fault, const char *sql,
	const char *types, ...);
/* The first column of the first row, or `fallback`. */
bool database_number(struct database *database, struct fault *fault, int64_t *ret_number,
	const char *sql, const char *types, ...);

/* Takes the write lock; waits up to 10 s for other writers. */
bool database_begin(struct database *database, struct fault *fault);
/* On failure it is rolled back. Survives every kill of the process, but no power cut
 * before database_sync(). */
bool database_commit(struct database *database, struct fault *fault);
void database_rollback(struct database *database);
/* Everything committed so far is on disk. */
bool database_sync(struct database *database, struct fault *fault);

/* A checkpoint that can't be had now, for others are at work, is no failure. */
bool database_checkpoint(struct database *database, int mode, struct fault *fault);

struct slice column_slice(sqlite3_stmt *statement, int column);

#endif
