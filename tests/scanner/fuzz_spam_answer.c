/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdint.h>

#include "services/scanner/spam_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct spam_answer answer = { 0 };
	struct fault fault = { 0 };
	if (spam_answer_parse(
		    arena, (struct slice){ (const char *)data, size }, &answer, &fault))
		assert(*answer.action && answer.symbols && answer.score <= 1e6);
	else
		assert(fault.kind == FAULT_TEMPORARY);
	arena_free(arena);
	return 0;
}
