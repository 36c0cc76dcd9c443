/* SPDX-License-Identifier: MIT
 *
 * What is wrong in the operator's files, each with its place, gathered so that all of it
 * is told at once. */
#ifndef CLI_PROBLEMS_H
#define CLI_PROBLEMS_H

#include <stdio.h>

#include "lib/arena.h"

/* Lines and columns count from 1; line 0: the file as a whole. */
struct place {
	const char *file;
	size_t line, column;
};

struct problems {
	struct arena *arena;
	struct problem *first, **last;
	size_t errors, warnings;
};

void problems_init(struct problems *problems, struct arena *arena);
void problem_error(struct problems *problems, struct place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void problem_warn(struct problems *problems, struct place place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* "shop.yaml:3:7: …", one line each. */
void problems_print(const struct problems *problems, FILE *out);

#endif
