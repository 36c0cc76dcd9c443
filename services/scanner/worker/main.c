/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "lib/thread.h"
#include "services/scanner/worker/detector.h"
#include "services/scanner/worker/inspect.h"

static int list_detectors(void)
{
	for (const struct detector *const *d = detector_registry; *d; d++)
		printf("%-20s %s\n", (*d)->name, (*d)->help);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--list-detectors") == 0)
		return list_detectors();
	if (argc != 1) {
		fputs("usage: scanner-worker [--list-detectors]\n"
		      "Started by scanner, which it inspects messages for.\n",
			stderr);
		return EXIT_FAILURE;
	}
	memory_keep();
	thread_compute_some();
	return zygote_run(CONTROL_FD, &inspection_duty);
}
