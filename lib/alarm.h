/* SPDX-License-Identifier: MIT
 *
 * Keeps one broken key, or one missing policy, from raising an alarm for each of a
 * million messages: at most one a minute for each subject. Says nothing itself. */
#ifndef LIB_ALARM_H
#define LIB_ALARM_H

#include <stdbool.h>

struct alarms;

struct alarms *alarms_new(void);
void alarms_free(struct alarms *alarms);
/* Is an alarm about `subject` due? Then it counts as raised now. */
bool alarm_is_due(struct alarms *alarms, const char *subject);

#endif
