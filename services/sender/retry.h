/* SPDX-License-Identifier: MIT
 *
 * When to try again, and for how long. Pure functions: chance and clock are arguments. */
#ifndef SERVICES_SENDER_RETRY_H
#define SERVICES_SENDER_RETRY_H

#include <stddef.h>
#include <stdint.h>

#include "proto/mail.pb-c.h"

/* Delay after the `attempt`-th attempt (from 1) of a message that this stage has had for
 * `waited_ms`. It is no longer than for a message that was tried all that time: attempts
 * that were no deliveries (restarts, a destination that is busy or away) don't lengthen
 * it. `chance` is any random number; it spreads the delay by a fifth either way. */
int64_t retry_delay_ms(
	Postern__Lane lane, unsigned attempt, int64_t waited_ms, uint32_t chance);

/* Back-off of a destination after `failures` connections in a row failed, the first of
 * them `away_ms` ago: 1 s, doubled each time up to 10 min, spread likewise. The more
 * messages wait, the shorter: from 32 on, 10 s or a 32nd of that time. */
int64_t retry_rest_ms(
	unsigned failures, int64_t away_ms, size_t waiting, uint32_t chance);

/* Unix ms from which a message is given up: some time after it was accepted, or released
 * from quarantine. */
int64_t retry_expiry_ms(const Postern__Mail *mail, int64_t expire_ms);

/* When this stage was first given the message, Unix ms. */
int64_t retry_since_ms(const Postern__Mail *mail);

#endif
