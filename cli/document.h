/* SPDX-License-Identifier: MIT
 *
 * Control objects read from YAML (or JSON, which is YAML): several documents in a file,
 * each an object or a list of objects. Reading is strict, and goes on after a fault to
 * tell all of them. It touches neither files nor the bus. */
#ifndef CLI_DOCUMENT_H
#define CLI_DOCUMENT_H

#include "cli/kind.h"
#include "cli/problems.h"

#define DOCUMENT_CEILING ((size_t)16 << 20)

struct document {
	struct document *next;
	struct place place;
	const struct kind *kind;
	Postern__Object *object; /* not completed yet: see kind.h */
	struct slice key;        /* "app/shop" */
};

/* A value that names another object. */
struct reference {
	struct reference *next;
	struct place place;
	const char *kind, *name;
};

struct table;

struct documents {
	struct problems *problems;
	struct arena *arena;
	struct document *first, **last;
	struct table *by_key; /* of the documents; ours */
	struct reference *first_reference, **last_reference;
};

void documents_init(
	struct documents *documents, struct arena *arena, struct problems *problems);
void documents_done(struct documents *documents);
/* Adds what `text` holds; `file` is its name in the problems. All stays in the arena. */
void documents_read(struct documents *documents, const char *file, struct slice text);

#endif
