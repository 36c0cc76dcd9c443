/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdint.h>

#include "lib/encoded_word.h"
#include "lib/header.h"
#include "lib/mailbox.h"
#include "lib/utf8.h"

static void decode(struct slice text)
{
	struct buffer out;
	buffer_init(&out, 200);
	encoded_words_decode(text, &out);
	assert(utf8_is_valid(buffer_slice(&out)));
	buffer_done(&out);
}

static void check(const struct mailbox *mailbox)
{
	struct address again;
	assert(address_parse(mailbox->address.whole, &again, NULL));
	assert(utf8_is_valid(mailbox->display));
	assert(!mailbox->shown.whole.size ||
		!address_equal(&mailbox->shown, &mailbox->address));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct arena *arena = arena_new();
	struct slice message = { (const char *)bytes, size }, rest = message;
	struct header_field field;
	struct mailbox mailbox;
	struct fault fault;
	const char *end = message.data;
	while (header_next(&rest, &field, &fault) == HEADER_FIELD) {
		assert(field.whole.data == end);
		end += field.whole.size;
		assert(rest.data == end);
		decode(field.value);
		if (mailbox_parse(arena, field.value, &mailbox, &fault))
			check(&mailbox);
	}
	if (mailbox_from(arena, message, &mailbox, &fault))
		check(&mailbox);
	if (mailbox_parse(arena, message, &mailbox, &fault))
		check(&mailbox);
	arena_free(arena);
	return 0;
}
