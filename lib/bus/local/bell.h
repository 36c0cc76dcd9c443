/* SPDX-License-Identifier: MIT
 *
 * Wake-ups between the processes that share a topic, without polling and without writing:
 * TOPIC.bell is rung by reading a byte of it, which inotify reports to all who watch it.
 * A mapped page of the same file holds the turnstiles, futex words on which writers wait
 * for a database's write lock; they are hints only, SQLite's own lock is the truth. */
#ifndef LIB_BUS_LOCAL_BELL_H
#define LIB_BUS_LOCAL_BELL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/fault.h"

struct bell_tower;
struct local_bus;

enum turnstile_name { TURNSTILE_RECORDS, TURNSTILE_GROUPS, TURNSTILES };

/* Shared by all processes, in mapped memory. A writer that has just released the lock and
 * would take it again at once lets those pass who have asked meanwhile. */
struct turnstile {
	_Atomic uint32_t passed; /* grows with each release of the lock */
	_Atomic uint32_t asked;  /* when somebody last began to wait, in ms; 0 = nobody */
};

struct bell {
	int fd; /* of TOPIC.bell; -1 = not open */
	struct turnstile *turnstiles;
};

bool bell_open(
	struct bell *bell, const char *folder, const char *topic, struct fault *fault);
void bell_close(struct bell *bell);
void bell_ring(const struct bell *bell);
/* One process at a time creates a topic's files. */
void bell_lock(const struct bell *bell);
void bell_unlock(const struct bell *bell);

/* Waits until somebody has passed since `seen`, a short while at most. Returns what
 * turnstile_enter() takes once the lock is ours. */
uint32_t turnstile_wait(struct turnstile *turnstile, uint32_t seen);
void turnstile_enter(struct turnstile *turnstile, uint32_t asked);
/* The lock is released. Returns what the others take as `seen`. */
uint32_t turnstile_pass(struct turnstile *turnstile);
/* Before the lock is taken again: lets go first who waits for it. */
void turnstile_yield(struct turnstile *turnstile, uint32_t passed);

/* Somebody in this bus who wants to hear a bell. Guarded by the bus's lock. */
struct ear {
	struct ear *next;
	pthread_cond_t *wake;
	int wd; /* inotify's watch of the bell file */
	bool rang;
};

struct bell_tower *bell_tower_open(struct local_bus *bus, struct fault *fault);
void bell_tower_close(struct bell_tower *tower);
/* Without the lock held. */
bool ear_open(struct local_bus *bus, struct ear *ear, const struct bell *bell,
	struct fault *fault);
void ear_close(struct local_bus *bus, struct ear *ear);

#endif
