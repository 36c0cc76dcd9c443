/* SPDX-License-Identifier: MIT
 *
 * Messages from files, and what an inspection of one finds. For tests. */
#ifndef TESTS_SCANNER_WORKER_SAMPLE_H
#define TESTS_SCANNER_WORKER_SAMPLE_H

#include "lib/arena.h"
#include "proto/inspection.pb-c.h"

/* The file with CRLF line ends. */
struct slice sample_read(struct arena *arena, const char *path);
/* Calls `seen` for each file of the folder, in the order of names; how many. */
unsigned sample_each(
	const char *folder, void (*seen)(void *with, const char *path), void *with);
/* Usual limits; malware and DLP. */
const Postern__WorkerPlan *sample_plan(void);
/* Of that check; NULL if there is none. */
const Postern__Finding *finding_of(
	const Postern__Inspection *inspection, const char *check);

#endif
