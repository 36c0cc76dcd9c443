/* SPDX-License-Identifier: MIT
 *
 * Calls of librdkafka that block (metadata, committed offsets, closing a handle) run one
 * after the other on a thread of their own, so that the loop never waits. The thread is
 * started by the first errand. */
#ifndef LIB_BUS_KAFKA_ERRAND_H
#define LIB_BUS_KAFKA_ERRAND_H

#include <stdbool.h>

struct kafka_errands;
struct loop;

/* Embedded first in what the errand carries. `done` frees it. */
struct kafka_errand {
	struct kafka_errand *next;
	void (*run)(struct kafka_errand *errand);  /* on the thread */
	void (*done)(struct kafka_errand *errand); /* on the loop's thread, always */
	/* Whom `done` serves. He sets this to NULL when he goes away before it. */
	void *owner;
	bool must_run; /* even if the bus is being closed */
};

struct kafka_errands *kafka_errands_new(struct loop *loop);
/* Waits for the one that runs and those that must. Afterwards all are done. */
void kafka_errands_free(struct kafka_errands *errands);
void kafka_errands_add(struct kafka_errands *errands, struct kafka_errand *errand);

#endif
