/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "services/sender/offers.h"
#include "services/sender/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read must not depend on how the bytes were cut. */
static size_t read_all(struct slice bytes, size_t step, struct reply *ret_last)
{
	struct reply_parser parser;
	reply_parser_init(&parser);
	struct fault fault;
	size_t count = 0;
	enum reply_progress progress = REPLY_MORE;
	while (bytes.size && progress != REPLY_BROKEN) {
		struct slice some = slice_head(bytes, step);
		size_t given = some.size;
		progress = reply_feed(&parser, &some, &fault);
		bytes = slice_skip(bytes, given - some.size);
		if (progress != REPLY_DONE)
			continue;
		count++;
		reply_read(&parser, ret_last);
		for (const char *c = ret_last->text; *c; c++)
			if (*c < 0x20 || *c > 0x7e)
				abort();
		struct offers offers;
		offers_read(&offers, reply_lines(&parser));
	}
	reply_parser_done(&parser);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = { (const char *)data, size };
	struct reply whole = { 0 }, parts = { 0 };
	size_t count = read_all(bytes, size, &whole);
	if (read_all(bytes, 1, &parts) != count || memcmp(&whole, &parts, sizeof(whole)))
		abort();
	return 0;
}
