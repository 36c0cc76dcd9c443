/* SPDX-License-Identifier: MIT
 *
 * Durations, sizes and moments as people write them: "90s", "1h30m", "25M",
 * "2026-11-22T10:00:00Z". Every reader refuses what it does not understand to the last
 * character. */
#ifndef CLI_QUANTITY_H
#define CLI_QUANTITY_H

#include <stdint.h>

#include "lib/arena.h"

#define DURATION_FORM "a duration such as 90s, 1h30m or 2d"
#define MOMENT_FORM   "a date, an RFC 3339 time, or a duration such as 2h or 7d"

/* Units ms, s, m, h, d, w, largest first where there are several. */
bool duration_parse(struct slice text, int64_t *ret_ms);
const char *duration_print(struct arena *arena, int64_t ms);

/* Decimal digits and, for 1024 times as much each, k, M or G. */
bool bytes_parse(struct slice text, uint64_t *ret_bytes);
const char *bytes_print(struct arena *arena, uint64_t bytes);

/* In Unix microseconds: a date (its midnight UTC), a date and time with zone, or "now".
 */
bool moment_parse(struct slice text, int64_t now_us, int64_t *ret_us);
/* Likewise; a duration is so long ago. */
bool moment_parse_past(struct slice text, int64_t now_us, int64_t *ret_us);
/* Likewise; a duration is so far ahead. */
bool moment_parse_future(struct slice text, int64_t now_us, int64_t *ret_us);
/* "2026-11-22T10:00:00.123Z". */
const char *moment_print(struct arena *arena, int64_t us);

#endif
