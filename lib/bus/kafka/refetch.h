/* SPDX-License-Identifier: MIT
 *
 * Reads the pieces of a large value again, by their offsets, where a joiner no longer has
 * them: after a restart or a rebalance between pieces and head, or when more values were
 * under way than it keeps. One at a time; a broker that is away is waited for. */
#ifndef LIB_BUS_KAFKA_REFETCH_H
#define LIB_BUS_KAFKA_REFETCH_H

#include "lib/bus/kafka/kafka.h"

struct kafka_refetch;

/* is_whole: the head has its value now. Otherwise pieces are gone or not the right ones.
 * Called from the loop. */
typedef void kafka_refetched(void *with, bool is_whole);
/* Borrows `head` until then. */
struct kafka_refetch *kafka_refetch_start(struct kafka *kafka, const char *topic,
	struct kafka_record *head, kafka_refetched *refetched, void *with);
/* Nobody wants it any more; NULL does nothing. */
void kafka_refetch_stop(struct kafka_refetch *refetch);

#endif
