/* SPDX-License-Identifier: MIT
 *
 * How a topic's files are made and what is in them: private to their owner, in WAL mode,
 * and numbered so that a group never takes a new record for one it has settled, even
 * where the records' file was restored from an older copy or made anew. */
#ifndef LIB_BUS_LOCAL_SCHEMA_H
#define LIB_BUS_LOCAL_SCHEMA_H

#include "lib/bus/local/database.h"

/* On a handle just opened, while nobody else opens or makes this topic's files. */
bool schema_prepare(
	struct database *database, const struct topic_place *place, struct fault *fault);

#endif
