/* SPDX-License-Identifier: MIT */
#include "services/sender/retry.h"

#include <string.h>

#include "lib/chaos.h"
#include "lib/id.h"

#define SECONDS(n) ((n)*INT64_C(1000))
#define MINUTES(n) SECONDS((n)*60)
#define HOURS(n)   MINUTES((n)*60)

/* A one-time code is worthless after minutes; an invoice may wait for the night. */
static const int64_t urgent[] = { SECONDS(5), SECONDS(15), SECONDS(30), MINUTES(1),
	MINUTES(2), MINUTES(5), MINUTES(10) };
static const int64_t patient[] = { MINUTES(1), MINUTES(2), MINUTES(5), MINUTES(10),
	MINUTES(20), MINUTES(30), HOURS(1) };

#define STEPS (sizeof(urgent) / sizeof(*urgent))
_Static_assert(sizeof(patient) == sizeof(urgent), "one step for each attempt");

#define REST_MIN   SECONDS(1)
#define REST_MAX   MINUTES(10)
#define REST_CROWD SECONDS(10)
#define CROWD_MAX  32

static int64_t spread(int64_t delay_ms, uint32_t chance)
{
	return delay_ms * 4 / 5 + delay_ms * 2 / 5 * (chance % 1024) / 1024;
}

int64_t retry_delay_ms(
	Postern__Lane lane, unsigned attempt, int64_t waited_ms, uint32_t chance)
{
	const int64_t *steps = lane == POSTERN__LANE__LANE_URGENT ? urgent : patient;
	size_t step = 0;
	/* The shortest that the steps before it can have been. */
	int64_t before_ms = spread(steps[0], 0);
	while (step + 1 < attempt && step + 1 < STEPS && waited_ms >= before_ms)
		before_ms += spread(steps[++step], 0);
	return RETRY_DELAY(spread(steps[step], chance));
}

int64_t retry_rest_ms(unsigned failures, int64_t away_ms, size_t waiting, uint32_t chance)
{
	int64_t crowd = waiting < CROWD_MAX ? (int64_t)waiting : CROWD_MAX;
	int64_t most_ms = crowd > 1 ? away_ms / crowd : REST_MAX;
	most_ms = most_ms > REST_CROWD ? most_ms : REST_CROWD;
	most_ms = most_ms < REST_MAX ? most_ms : REST_MAX;
	int64_t rest_ms = REST_MIN;
	for (unsigned i = 1; i < failures && rest_ms < most_ms; i++)
		rest_ms *= 2;
	return RETRY_DELAY(spread(rest_ms < most_ms ? rest_ms : most_ms, chance));
}

int64_t retry_expiry_ms(const Postern__Mail *mail, int64_t expire_ms)
{
	int64_t from_ms = id_time_ms(slice_of(mail->id));
	if (mail->release && mail->release->released_us / 1000 > from_ms)
		from_ms = mail->release->released_us / 1000;
	return from_ms + expire_ms;
}

/* Each stage adds its step when it passes the mail on; ours are there after a part of the
 * recipients was done. */
int64_t retry_since_ms(const Postern__Mail *mail)
{
	for (size_t i = mail->n_steps; i > 0; i--)
		if (strncmp(mail->steps[i - 1]->stage, "sender", 6) != 0)
			return mail->steps[i - 1]->finished_us / 1000;
	return id_time_ms(slice_of(mail->id));
}
