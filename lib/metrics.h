/* SPDX-License-Identifier: MIT
 *
 * Numbers that a process shows at /metrics in Prometheus' text format. Metrics are made
 * at start, live as long as the process and are changed on the loop's thread only. */
#ifndef LIB_METRICS_H
#define LIB_METRICS_H

#include <stdint.h>

#include "lib/buffer.h"

struct metric;

/* `name` as in Prometheus' rules (postern_gateway_messages_total); `label` is a
 * ready-made list (result="accepted") or NULL. All are borrowed and must be literals.
 * Asking again for the same name and label gives the same metric. */
struct metric *metric_counter(const char *name, const char *label, const char *help);
struct metric *metric_gauge(const char *name, const char *label, const char *help);
/* Buckets from 1 ms to 60 s, roughly 1, 2, 5; shown in seconds, so the name ends so. */
struct metric *metric_histogram(const char *name, const char *label, const char *help);

void metric_add(struct metric *metric, int64_t count);
void metric_set(struct metric *metric, int64_t value);
void metric_observe_ms(struct metric *metric, double ms);

/* Appends all metrics; false if `out` is full. */
bool metrics_print(struct buffer *out);

#endif
