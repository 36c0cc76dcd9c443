/* SPDX-License-Identifier: MIT
 *
 * The record decoders: whatever the bytes, a message that passes is one that packs again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	}
	event_decode(arena, record, NULL);
	object_decode(arena, record, NULL);
	arena_free(arena);
	return 0;
}
