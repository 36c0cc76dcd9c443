/* SPDX-License-Identifier: MIT
 *
 * What each app has used of its limits: messages and bytes per hour and day (GCRA: the
 * whole quota at once if it has rested, then as it flows back), open sessions. In memory,
 * for this process alone. */
#ifndef SMTP_GATEWAY_METER_H
#define SMTP_GATEWAY_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/fault.h"
#include "lib/slice.h"
#include "proto/control.pb-c.h"

struct meters;

struct meters *meters_new(void);
void meters_free(struct meters *meters);

/* Is there room for a message of `bytes`? With `charge` it is counted. FAULT_TEMPORARY:
 * which limit, and when it opens. */
bool meters_spend(struct meters *meters, const Postern__App *app, size_t bytes,
	bool charge, int64_t now_us, struct fault *why);
/* The message that was counted was not stored after all. */
void meters_refund(struct meters *meters, const Postern__App *app, size_t bytes);

/* A session of the app begins; false: `most` are open already. 0: no limit. */
bool meters_enter(struct meters *meters, struct slice app, uint32_t most);
void meters_leave(struct meters *meters, struct slice app);

#endif
