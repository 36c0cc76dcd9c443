/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdint.h>

#include "services/scanner/worker/html.h"
#include "services/scanner/worker/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct slice html = { (const char *)data, size };
	struct slice text = html_text(arena, html);
	assert(text.size <= size);
	struct slice folded = text_fold(arena, text);
	assert(folded.size <= text.size);
	text_is_likely(html);
	arena_free(arena);
	return 0;
}
