/* SPDX-License-Identifier: MIT */
#include "lib/metrics.h"

#include <assert.h>
#include <string.h>

#include "lib/memory.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

static const double bounds_ms[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000,
	10000, 20000, 60000 };
#define BOUNDS (sizeof(bounds_ms) / sizeof(*bounds_ms))

struct metric {
	struct metric *next;
	enum metric_kind kind;
	const char *name, *label, *help;
	int64_t value; /* of a histogram: how many there were */
	double sum_ms;
	int64_t buckets[BOUNDS]; /* each without those below */
};

static struct metric *metrics, **last = &metrics;

static struct metric *find_or_make(
	enum metric_kind kind, const char *name, const char *label, const char *help)
{
	if (!label)
		label = "";
	for (struct metric *metric = metrics; metric; metric = metric->next)
		if (strcmp(metric->name, name) == 0) {
			assert(metric->kind == kind);
			if (strcmp(metric->label, label) == 0)
				return metric;
		}
	struct metric *metric = NEW(struct metric);
	*metric = (struct metric){
		.kind = kind, .name = name, .label = label, .help = help
	};
	*last = metric;
	last = &metric->next;
	return metric;
}

struct metric *metric_counter(const char *name, const char *label, const char *help)
{
	return find_or_make(METRIC_COUNTER, name, label, help);
}

struct metric *metric_gauge(const char *name, const char *label, const char *help)
{
	return find_or_make(METRIC_GAUGE, name, label, help);
}

struct metric *metric_histogram(const char *name, const char *label, const char *help)
{
	return find_or_make(METRIC_HISTOGRAM, name, label, help);
}

void metric_add(struct metric *metric, int64_t count)
{
	metric->value += count;
}

void metric_set(struct metric *metric, int64_t value)
{
	metric->value = value;
}

void metric_observe_ms(struct metric *metric, double ms)
{
	metric->value++;
	metric->sum_ms += ms;
	for (size_t i = 0; i < BOUNDS; i++)
		if (ms <= bounds_ms[i]) {
			metric->buckets[i]++;
			return;
		}
}

static bool print_histogram(const struct metric *metric, struct buffer *out)
{
	const char *comma = *metric->label ? "," : "";
	const char *open = *metric->label ? "{" : "", *close = *metric->label ? "}" : "";
	int64_t so_far = 0;
	bool fits = true;
	for (size_t i = 0; i < BOUNDS; i++) {
		so_far += metric->buckets[i];
		fits = fits && buffer_printf(out, "%s_bucket{%s%sle=\"%g\"} %lld\n",
				       metric->name, metric->label, comma,
				       bounds_ms[i] / 1000, (long long)so_far);
	}
	return fits &&
	       buffer_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %lld\n", metric->name,
		       metric->label, comma, (long long)metric->value) &&
	       buffer_printf(out, "%s_sum%s%s%s %.6f\n", metric->name, open,
		       metric->label, close, metric->sum_ms / 1000) &&
	       buffer_printf(out, "%s_count%s%s%s %lld\n", metric->name, open,
		       metric->label, close, (long long)metric->value);
}

static bool print_one(const struct metric *metric, struct buffer *out)
{
	if (metric->kind == METRIC_HISTOGRAM)
		return print_histogram(metric, out);
	const char *open = *metric->label ? "{" : "", *close = *metric->label ? "}" : "";
	return buffer_printf(out, "%s%s%s%s %lld\n", metric->name, open, metric->label,
		close, (long long)metric->value);
}

static bool is_first_of_name(const struct metric *metric)
{
	const struct metric *other = metrics;
	while (strcmp(other->name, metric->name) != 0)
		other = other->next;
	return other == metric;
}

bool metrics_print(struct buffer *out)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };
	bool fits = true;
	for (const struct metric *metric = metrics; metric && fits;
		metric = metric->next) {
		if (!is_first_of_name(metric))
			continue;
		fits = buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name,
			metric->help, metric->name, kinds[metric->kind]);
		for (const struct metric *m = metric; m && fits; m = m->next)
			if (strcmp(m->name, metric->name) == 0)
				fits = print_one(m, out);
	}
	return fits;
}
