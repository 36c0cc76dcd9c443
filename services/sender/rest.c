/* SPDX-License-Identifier: MIT */
#include "services/sender/rest.h"

#include "services/sender/retry.h"

#define SPREAD_MIN 1000
#define SPREAD_MAX 3600000
/* Of the time that a destination has been away: what gathered meanwhile goes 16 times as
 * fast, and a long outage costs few returns. */
#define SPREAD_PART 16
/* Of each destination, as many don't wait behind the crowd of another one. */
#define FEW 64

void rest_begin(struct rest *rest, size_t queued, const struct reply *why, int64_t now_ms,
	uint32_t chance)
{
	if (rest->failures++ == 0)
		rest->since_ms = now_ms;
	rest->crowd = rest->untried + queued;
	rest->untried = 0;
	rest->why = *why;
	rest->length_ms = retry_rest_ms(
		rest->failures, now_ms - rest->since_ms, rest->crowd, chance);
	rest->until_ms = now_ms + rest->length_ms;
}

void rest_end(struct rest *rest)
{
	rest->failures = 0;
	rest->until_ms = 0;
	rest->untried = 0;
}

static int64_t step_us(const struct rest_pace *pace, size_t size_bytes)
{
	size_t message_us = 1000000 / pace->messages;
	size_t bytes_us = size_bytes * 1000000 / pace->bytes;
	return (int64_t)(message_us > bytes_us ? message_us : bytes_us);
}

int64_t rest_put_off(const struct rest *rest, struct rest_line *line, size_t size_bytes,
	int64_t now_ms, uint32_t chance)
{
	int64_t spread_ms = (now_ms - rest->since_ms) / SPREAD_PART;
	spread_ms = spread_ms < SPREAD_MAX ? spread_ms : SPREAD_MAX;
	spread_ms = spread_ms > SPREAD_MIN ? spread_ms : SPREAD_MIN;
	/* While somebody is trying, as if that came to nothing. */
	int64_t due_ms = rest->until_ms > now_ms ? rest->until_ms
						 : now_ms + rest->length_ms;
	due_ms += chance % (uint32_t)spread_ms;
	if (line->end_us < now_ms * 1000)
		line->end_us = now_ms * 1000;
	line->end_us += step_us(&line->pace, size_bytes);
	int64_t end_ms = line->end_us / 1000;
	return (rest->untried > FEW && due_ms < end_ms ? end_ms : due_ms) - now_ms;
}
