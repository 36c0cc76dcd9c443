/* SPDX-License-Identifier: MIT
 *
 * Gathering, for the publishers of both engines: while records come thick each is kept
 * back for a moment, so that one sync or one request does for many. All times are
 * monotonic, in microseconds. */
#ifndef LIB_BUS_GATHER_H
#define LIB_BUS_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long records that can wait do so for others to go along with. */
#define GATHER_PATIENCE_US 25000

struct gather {
	int64_t sent_us; /* when some were last let go of */
	int64_t gap_us;  /* between records, on average */
};

void gather_init(struct gather *gather);
/* `count` records have been let go of. */
void gather_sent(struct gather *gather, size_t count, int64_t now_us);
/* Until when what comes now is kept back; a time that has passed: not at all. What goes
 * on comes of a delivery: no client waits for it, and it is kept longer. */
int64_t gather_until(const struct gather *gather, bool goes_on);

#endif
