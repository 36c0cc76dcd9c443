/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the content of a mail: if they can be read as a letter, the canonical
 * forms don't depend on how the body is cut, have nothing left to reduce, and are never
 * larger than what they came from. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "services/signer/canon.h"
#include "services/signer/letter.h"

static void collect(void *with, struct slice bytes)
{
	assert(buffer_append(with, bytes));
}

static void canonize(struct buffer *out, struct slice in, size_t step)
{
	struct canon_body body;
	canon_body_init(&body, collect, out);
	for (; in.size > 0; in = slice_skip(in, step))
		canon_body_feed(&body, slice_head(in, step));
	canon_body_end(&body);
}

static void check_reduced(struct slice text)
{
	for (size_t i = 0; i + 1 < text.size; i++) {
		assert(text.data[i] != '\t');
		assert(text.data[i] != ' ' ||
			(text.data[i + 1] != ' ' && text.data[i + 1] != '\r'));
	}
}

static void check_body(struct slice body, size_t step)
{
	struct buffer whole, cut, twice;
	buffer_init(&whole, body.size + 2);
	buffer_init(&cut, body.size + 2);
	buffer_init(&twice, body.size + 2);
	canonize(&whole, body, body.size + 1);
	canonize(&cut, body, step);
	canonize(&twice, buffer_slice(&whole), step);
	assert(slice_equal(buffer_slice(&whole), buffer_slice(&cut)));
	assert(slice_equal(buffer_slice(&whole), buffer_slice(&twice)));
	check_reduced(buffer_slice(&whole));
	buffer_done(&whole);
	buffer_done(&cut);
	buffer_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size < 2)
		return 0;
	Postern__Mail mail = POSTERN__MAIL__INIT;
	ProtobufCBinaryData header = { 4, (uint8_t *)"X:\r\n" };
	mail.headers = &header;
	mail.n_headers = 1;
	mail.content = (ProtobufCBinaryData){ size - 1, (uint8_t *)bytes + 1 };
	struct arena *arena = arena_new();
	struct letter letter;
	struct fault fault;
	if (letter_read(arena, &mail, &letter, &fault)) {
		for (size_t i = 0; i < letter.count; i++) {
			struct slice whole = letter.fields[i].whole;
			char *out = arena_alloc(arena, whole.size);
			size_t reduced = canon_field(whole, out);
			assert(reduced <= whole.size);
			check_reduced((struct slice){ out, reduced });
		}
		check_body(letter.body, bytes[0] % 7 + 1);
	}
	arena_free(arena);
	return 0;
}
