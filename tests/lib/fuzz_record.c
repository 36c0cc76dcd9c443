/* SPDX-License-Identifier: MIT
 *
 * The record decoders: whatever the bytes, a message that passes is one that packs again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_body(struct arena *arena, const Postern__Mail *mail)
{
	struct bus_record record = { 0 };
	mail_encode(arena, mail, &record);
	char *bytes = arena_alloc(arena, record.value.size + record.body.size);
	memcpy(bytes, record.value.data, record.value.size);
	memcpy(bytes + record.value.size, record.body.data, record.body.size);
	struct slice whole = { bytes, record.value.size + record.body.size };
	Postern__Mail *back = mail_decode(arena, whole, NULL);
	if (!back || back->content.len != mail->content.len ||
		(char *)back->content.data != bytes + record.value.size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice record = { (const char *)data, size };
	struct arena *arena = arena_new();
	mail_peek_id(record);
	Postern__Mail *mail = mail_decode(arena, record, NULL);
	if (mail) {
		mail_prepend(arena, mail, SLICE("X: y\r\n"));
		struct slice again = record_encode(arena, &mail->base);
		if (!mail_decode(arena, again, NULL))
			abort();
		check_body(arena, mail);
	}
	event_decode(arena, record, NULL);
	object_decode(arena, record, NULL);
	arena_free(arena);
	return 0;
}
