/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdint.h>

#include "services/scanner/worker/match.h"
#include "services/scanner/worker/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct matcher *matcher;
	struct fault fault;
	if (!matcher)
		matcher = matcher_new(&fault);
	struct report report = { .arena = arena_new() };
	matcher_begin(matcher);
	bool good = matcher_scan(
		matcher, (struct slice){ (const char *)data, size }, "1", &fault);
	assert(good);
	matcher_report(matcher, &report);
	for (size_t i = 0; i < report.count; i++)
		assert(report.findings[i]->count > 0);
	arena_free(report.arena);
	return 0;
}
