/* SPDX-License-Identifier: MIT */
#include "lib/bus/gather.h"

/* After some were let go of, for as long. Where no client waits, longer. */
#define GATHER_US    4000
#define GATHER_ON_US 12000
/* Records that come further apart than that, on average, have nobody to wait for. */
#define THICK_GAP_US 3000
#define MOST_GAP_US  10000
/* So many times that some were let go of does the average look back. */
#define LOOK_BACK 8

void gather_init(struct gather *gather)
{
	*gather = (struct gather){ .gap_us = MOST_GAP_US };
}

void gather_sent(struct gather *gather, size_t count, int64_t now_us)
{
	int64_t gap_us = MOST_GAP_US;
	if (count)
		gap_us = (now_us - gather->sent_us) / (int64_t)count;
	if (gap_us > MOST_GAP_US)
		gap_us = MOST_GAP_US;
	gather->gap_us += (gap_us - gather->gap_us) / LOOK_BACK;
	gather->sent_us = now_us;
}

int64_t gather_until(const struct gather *gather, bool goes_on)
{
	if (gather->gap_us >= THICK_GAP_US)
		return 0;
	return gather->sent_us + (goes_on ? GATHER_ON_US : GATHER_US);
}
