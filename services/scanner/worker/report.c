/* SPDX-License-Identifier: MIT */
#include "services/scanner/worker/report.h"

#include <string.h>

#include "lib/printable.h"

#define TEXT_MAX 120

const char *report_text(struct arena *arena, const char *text)
{
	return printable(arena, slice_of(text), TEXT_MAX);
}

static Postern__Finding *last_of(struct report *report, const char *check)
{
	for (size_t i = report->count; i > 0; i--)
		if (strcmp(report->findings[i - 1]->check, check) == 0)
			return report->findings[i - 1];
	return report->findings[report->count - 1];
}

void report_add(struct report *report, const struct observation *observation)
{
	for (size_t i = 0; i < report->count; i++) {
		Postern__Finding *known = report->findings[i];
		if (strcmp(known->check, observation->check) == 0 &&
			strcmp(known->name, observation->name) == 0) {
			known->count += observation->count;
			return;
		}
	}
	if (report->count == REPORT_FINDINGS) {
		last_of(report, observation->check)->count += observation->count;
		return;
	}
	struct arena *arena = report->arena;
	Postern__Finding *finding = ARENA_NEW(arena, Postern__Finding);
	postern__finding__init(finding);
	finding->check = (char *)observation->check;
	finding->name = (char *)report_text(arena, observation->name);
	finding->evidence = (char *)report_text(arena, observation->evidence);
	finding->part = (char *)report_text(arena, observation->part);
	finding->count = observation->count;
	report->findings[report->count++] = finding;
}
