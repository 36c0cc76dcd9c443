/* SPDX-License-Identifier: MIT
 *
 * Bodies: the bulk of large records. Each is written once, by who publishes it first, to
 * a file bodies.NUMBER in the bus's folder that only grows; the records of every topic
 * that the same bytes pass through say where it lies. Whoever reads or refers to a body
 * holds its file, with a shared flock(): what nobody holds and no record refers to is
 * given back by bodies_sweep(). A body is on disk before a record refers to it. */
#ifndef LIB_BUS_LOCAL_BODIES_H
#define LIB_BUS_LOCAL_BODIES_H

#include <sqlite3.h>

#include "lib/bus/local/local.h"

struct body_place {
	int64_t file; /* number of the file; 0: there is no body */
	int64_t at, size;
};

struct body_file;

/* From any thread of the bus. */
void body_hold(struct local_bus *bus, struct body_file *file);
/* Takes NULL. */
void body_let_go(struct local_bus *bus, struct body_file *file);

/* A record as it lies in its topic. */
struct stored {
	char *bytes; /* key and value; the caller's */
	struct slice key, value;
	struct body_place body;
	struct body_file *file; /* held for the caller; NULL: there is no body */
	bool is_cut;            /* not all of the body is there */
};

/* The columns of a row that stored_read() takes. */
#define STORED_COLUMNS "key, value, body_file, body_at, body_size"

/* `column`: the first of them. A body that is gone, cut off or can't be right is left
 * out: the value can't be decoded then, and goes where damaged records go. False,
 * FAULT_TEMPORARY: it can't be read now. */
bool stored_read(struct local_bus *bus, sqlite3_stmt *row, int column,
	struct stored *ret_stored, struct fault *fault);

/* Writes bodies, for one thread. Zeroed is fresh. */
struct body_writer {
	struct body_file *file;
	int64_t end;    /* of its bodies */
	int64_t filled; /* the file's own: what lies between is zeros */
};

/* Once records refer to all that was appended: goes on to another file if this one is
 * large enough. */
void body_writer_turn(struct local_bus *bus, struct body_writer *writer);
/* Not durable before body_sync(). */
bool body_append(struct local_bus *bus, struct body_writer *writer, struct slice body,
	struct body_place *ret_place, struct fault *fault);
bool body_sync(struct local_bus *bus, struct body_writer *writer, struct fault *fault);
void body_writer_close(struct local_bus *bus, struct body_writer *writer);

/* Deletes the files that are of no use any more, and gives back the space of dead bodies
 * in those that hardly are. Every minute, by whichever process comes first; else it does
 * nothing. */
bool bodies_sweep(struct local_bus *bus, struct fault *fault);
/* What all of them take on disk, in bytes. */
int64_t bodies_on_disk(const struct local_bus *bus);
/* Number of the file of that name in the bus's folder; 0: it is none of these. */
int64_t body_file_number(const char *name);
void body_file_path(const struct local_bus *bus, int64_t number, char *path, size_t size);

#endif
