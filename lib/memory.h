/* SPDX-License-Identifier: MIT
 *
 * The only place that calls malloc. Out of memory ends the process: the bus redelivers
 * what was in hand, and every buffer that the wire can fill has a ceiling far below it.
 */
#ifndef LIB_MEMORY_H
#define LIB_MEMORY_H

#include <stddef.h>

#include "lib/slice.h"

/* Zeroed; never NULL; release with free(). */
void *memory_new(size_t size);
void *memory_resize(void *block, size_t size);
/* A NUL-terminated copy on the heap. */
char *memory_string(struct slice bytes);

#define NEW(type)          ((type *)memory_new(sizeof(type)))
#define NEW_ARRAY(type, n) ((type *)memory_new(sizeof(type) * (n)))

/* At the start of a program that handles message after message: what one gave back to the
 * heap stays there for the next, instead of going to the kernel and coming back zeroed.
 */
void memory_keep(void);

/* Runs `done(&variable)` when the variable goes out of scope. */
#define CLEANUP(done) __attribute__((cleanup(done)))

/* For CLEANUP on a heap pointer. */
void memory_free(void *pointer_to_pointer);

#endif
