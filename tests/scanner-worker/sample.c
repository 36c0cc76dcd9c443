/* SPDX-License-Identifier: MIT */
#include "tests/scanner-worker/sample.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slice sample_read(struct arena *arena, const char *path)
{
	FILE *file = fopen(path, "rb");
	ck_assert_msg(file != NULL, "%s", path);
	char *raw = arena_alloc(arena, 1 << 20);
	size_t size = fread(raw, 1, 1 << 20, file);
	fclose(file);
	char *text = arena_alloc(arena, size * 2 + 1);
	size_t length = 0;
	for (size_t i = 0; i < size; i++) {
		if (raw[i] == '\n' && (i == 0 || raw[i - 1] != '\r'))
			text[length++] = '\r';
		text[length++] = raw[i];
	}
	return (struct slice){ text, length };
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

unsigned sample_each(
	const char *folder, void (*seen)(void *with, const char *path), void *with)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_visible, alphasort);
	ck_assert_msg(count > 0, "%s has no samples", folder);
	for (int i = 0; i < count; i++) {
		char path[512];
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		seen(with, path);
		free(entries[i]);
	}
	free(entries);
	return (unsigned)count;
}

const Postern__WorkerPlan *sample_plan(void)
{
	static Postern__WorkerPlan plan = POSTERN__WORKER_PLAN__INIT;
	plan.malware = plan.dlp = true;
	plan.signatures = "tests/fixtures/signatures";
	plan.unpacked_bytes = 2 << 20;
	plan.files = 50;
	plan.depth = 16;
	plan.parts = 20;
	return &plan;
}

const Postern__Finding *finding_of(
	const Postern__Inspection *inspection, const char *check)
{
	for (size_t i = 0; i < inspection->n_findings; i++)
		if (strcmp(inspection->findings[i]->check, check) == 0)
			return inspection->findings[i];
	return NULL;
}
