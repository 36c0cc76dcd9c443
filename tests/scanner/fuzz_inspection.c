/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdint.h>

#include "services/scanner/checks.h"
#include "services/scanner/inspection.h"
#include "services/scanner/policy.h"

/* What is let through must be fit for a policy. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct fault fault = { 0 };
	Postern__Policy policy = POSTERN__POLICY__INIT;
	struct evidence evidence = { .checks = CHECK_MALWARE | CHECK_DLP };
	evidence.inspection = inspection_decode(
		arena, (struct slice){ (const char *)data, size }, &fault);
	if (evidence.inspection) {
		struct judgement judgement = policy_judge(arena, &policy, &evidence);
		assert(judgement.verdict && judgement.verdict->reason);
	} else {
		assert(fault.kind == FAULT_PERMANENT);
	}
	arena_free(arena);
	return 0;
}
