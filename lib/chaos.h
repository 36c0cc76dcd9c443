/* SPDX-License-Identifier: MIT
 *
 * Faults on purpose, in test builds only (VARIANT=chaos); elsewhere these compile to
 * nothing. POSTERN_KILL_AT=NAME[:N] kills the process with SIGKILL the N-th time it
 * passes the point of that name, once for each file POSTERN_KILL_ONCE.
 * POSTERN_BROKEN=NAME breaks a rule of the promise, so that the checker can prove that it
 * would see it. Content with "X-Chaos: crash", "hang" or "bomb" does that to who obeys.
 */
#ifndef LIB_CHAOS_H
#define LIB_CHAOS_H

#include <stdbool.h>
#include <stddef.h>

#ifdef CHAOS
void chaos_pass(const char *point);
bool chaos_is_broken(const char *rule);
void chaos_obey(const char *content, size_t size);
#define KILL_POINT(point) chaos_pass(point)
#define IS_BROKEN(rule)   chaos_is_broken(rule)
#define OBEY(content)     chaos_obey((content).data, (content).size)
/* Before another try: a tenth, so that a run has many tries, and an end. */
#define RETRY_DELAY(ms) ((ms) / 10)
/* Of a WAL: so little that it is copied and begun anew all the time. */
#define WAL_BYTES(bytes) ((bytes) / 64)
#else
#define KILL_POINT(point) ((void)0)
#define IS_BROKEN(rule)   false
#define OBEY(content)     ((void)0)
#define RETRY_DELAY(ms)   (ms)
#define WAL_BYTES(bytes)  (bytes)
#endif

#endif
