/* SPDX-License-Identifier: MIT
 *
 * Holds libclamav to what it says of archives: it calls an archive clean that it can't
 * open (damaged, an unknown method, RAR without its plug-in). So members that an archive
 * announces are noted, and struck off as content of that size comes out of that archive;
 * what remains when the archive ends, and an archive of which nothing came out, was not
 * inspected. */
#ifndef SERVICES_SCANNER_WORKER_LEDGER_H
#define SERVICES_SCANNER_WORKER_LEDGER_H

#include <stdint.h>

#include "lib/arena.h"

#define LAYERS_MAX 64

/* A member whose content has not been seen yet. */
struct promise {
	struct promise *next;
	const char *name;
	uint64_t size_bytes;
	uint64_t containers; /* bits of the levels, one of which is its archive's */
	unsigned position;
};

struct ledger {
	struct arena *arena;
	struct promise *promises, **end; /* oldest first */
	struct promise *last;            /* made since the last layer */
	uint64_t containers;             /* of all promises */
	const char *types[LAYERS_MAX];
	/* An archive that has shown nothing yet. */
	const char *closed[LAYERS_MAX];
	uint32_t levels;
	const char *unread; /* first of what stayed closed */
};

struct member {
	const char *container_type, *name;
	uint64_t size_bytes; /* what the archive says */
	unsigned position;   /* in the archive; a ZIP's are announced twice each */
};

struct layer {
	const char *type; /* libclamav's name */
	const char *name; /* of the file, or NULL */
	struct slice content;
	uint32_t level; /* 0 is the message */
};

/* A member was announced. */
void ledger_promise(struct ledger *ledger, const struct member *member);
/* Content was come across. */
void ledger_see(struct ledger *ledger, const struct layer *layer);
/* The archive at hand stays closed for a reason that has a finding of its own. */
void ledger_excuse(struct ledger *ledger);
/* Name of a member or archive that stayed closed, NULL if there is none. */
const char *ledger_close(struct ledger *ledger);

#endif
