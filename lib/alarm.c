/* SPDX-License-Identifier: MIT */
#include "lib/alarm.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/memory.h"
#include "lib/table.h"

#define EVERY_MS     60000
#define SUBJECTS_MAX 10000 /* further ones share one alarm */

struct alarms {
	struct table *raised; /* subject to the int64_t of its last alarm */
};

struct alarms *alarms_new(void)
{
	struct alarms *alarms = NEW(struct alarms);
	alarms->raised = table_new();
	return alarms;
}

void alarms_free(struct alarms *alarms)
{
	if (!alarms)
		return;
	size_t cursor = 0;
	struct slice subject;
	void *value;
	while (table_next(alarms->raised, &cursor, &subject, &value))
		free(value);
	table_free(alarms->raised);
	free(alarms);
}

bool alarm_is_due(struct alarms *alarms, const char *subject)
{
	int64_t now_ms = clock_monotonic_ms();
	struct slice key = slice_of(subject);
	if (!table_get(alarms->raised, key) && table_size(alarms->raised) >= SUBJECTS_MAX)
		key = SLICE("");
	int64_t *last_ms = table_get(alarms->raised, key);
	if (last_ms && now_ms - *last_ms < EVERY_MS)
		return false;
	if (!last_ms) {
		last_ms = NEW(int64_t);
		table_put(alarms->raised, key, last_ms);
	}
	*last_ms = now_ms;
	return true;
}
