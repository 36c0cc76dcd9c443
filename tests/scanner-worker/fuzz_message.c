/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdint.h>

#include "services/scanner/worker/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Postern__WorkerPlan plan = POSTERN__WORKER_PLAN__INIT;
	if (!plan.parts)
		message_init();
	plan.dlp = true;
	plan.parts = 20;
	plan.depth = 6;
	plan.unpacked_bytes = 1 << 20;
	struct arena *arena = arena_new();
	struct message message;
	message_open(arena, (struct slice){ (const char *)data, size }, &plan, &message);
	size_t lines = 0;
	for (size_t i = 0; i < message.n_parts; i++) {
		assert(message.parts[i].label);
		/* All of it can be read. */
		for (size_t at = 0; at < message.parts[i].content.size; at++)
			lines += message.parts[i].content.data[at] == '\n';
	}
	assert(lines <= size + message.n_parts * plan.unpacked_bytes);
	arena_free(arena);
	return 0;
}
