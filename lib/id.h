/* SPDX-License-Identifier: MIT
 *
 * Message ids: UUID version 7 (RFC 9562 5.7) as 36 lower-case characters. They sort by
 * the time at which they were minted, and that time can be read back. */
#ifndef LIB_ID_H
#define LIB_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/slice.h"

#define ID_LENGTH 36
/* In their first characters ids agree that were minted in the same 16 ms. */
#define ID_MOMENT 12

struct id {
	char text[ID_LENGTH + 1];
};

/* For one thread. Ids of one process rise strictly. Ends the process if the kernel has no
 * randomness. */
struct id id_mint(void);
bool id_is_valid(struct slice text);
/* Unix ms at which a valid id was minted. */
int64_t id_time_ms(struct slice text);

#endif
