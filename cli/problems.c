/* SPDX-License-Identifier: MIT */
#include "cli/problems.h"

#include <stdarg.h>

/* A file that is not what it should be at all would fill the screen. */
#define SHOWN_MOST 100

struct problem {
	struct problem *next;
	struct place place;
	bool is_warning;
	char text[512];
};

void problems_init(struct problems *problems, struct arena *arena)
{
	*problems = (struct problems){ .arena = arena };
	problems->last = &problems->first;
}

__attribute__((format(printf, 4, 0))) static void add(struct problems *problems,
	struct place place, bool is_warning, const char *format, va_list args)
{
	size_t *count = is_warning ? &problems->warnings : &problems->errors;
	if (++*count > SHOWN_MOST)
		return;
	struct problem *problem = ARENA_NEW(problems->arena, struct problem);
	problem->place = place;
	problem->is_warning = is_warning;
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	*problems->last = problem;
	problems->last = &problem->next;
}

void problem_error(struct problems *problems, struct place place, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add(problems, place, false, format, args);
	va_end(args);
}

void problem_warn(struct problems *problems, struct place place, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add(problems, place, true, format, args);
	va_end(args);
}

void problems_print(const struct problems *problems, FILE *out)
{
	for (const struct problem *problem = problems->first; problem;
		problem = problem->next) {
		const struct place *place = &problem->place;
		fprintf(out, "%s:", place->file);
		if (place->line)
			fprintf(out, "%zu:%zu:", place->line, place->column);
		fprintf(out, " %s%s\n", problem->is_warning ? "warning: " : "",
			problem->text);
	}
	if (problems->errors > SHOWN_MOST)
		fprintf(out, "… and %zu errors more\n", problems->errors - SHOWN_MOST);
	if (problems->warnings > SHOWN_MOST)
		fprintf(out, "… and %zu warnings more\n",
			problems->warnings - SHOWN_MOST);
}
