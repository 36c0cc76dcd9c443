/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/meter.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/memory.h"
#include "lib/table.h"

#define HOUR_US INT64_C(3600000000)
#define DAY_US  (24 * HOUR_US)
#define FLOWS   4

struct meter {
	/* GCRA: the time until which the quota is used up, were it used evenly. */
	double used_until_us[FLOWS];
	uint32_t sessions;
};

struct meters {
	struct table *apps;
};

struct flow {
	const char *name;
	int64_t period_us;
	uint64_t quota; /* 0: no limit */
	double cost_us; /* of this message */
};

struct meters *meters_new(void)
{
	struct meters *meters = NEW(struct meters);
	meters->apps = table_new();
	return meters;
}

void meters_free(struct meters *meters)
{
	if (!meters)
		return;
	struct slice key;
	void *meter;
	for (size_t i = 0; table_next(meters->apps, &i, &key, &meter);)
		free(meter);
	table_free(meters->apps);
	free(meters);
}

static struct meter *meter_of(struct meters *meters, struct slice app)
{
	struct meter *meter = table_get(meters->apps, app);
	if (!meter) {
		meter = NEW(struct meter);
		table_put(meters->apps, app, meter);
	}
	return meter;
}

/* A message larger than a whole quota passes when the quota is untouched. */
static void fill_flows(const Postern__App *app, size_t bytes, struct flow flows[FLOWS])
{
	static const Postern__Limits none = POSTERN__LIMITS__INIT;
	const Postern__Limits *limits = app->limits ? app->limits : &none;
	flows[0] = (struct flow){ "messages per hour", HOUR_US, limits->messages_per_hour,
		1 };
	flows[1] = (struct flow){ "messages per day", DAY_US, limits->messages_per_day,
		1 };
	flows[2] = (struct flow){ "bytes per hour", HOUR_US, limits->bytes_per_hour,
		(double)bytes };
	flows[3] = (struct flow){ "bytes per day", DAY_US, limits->bytes_per_day,
		(double)bytes };
	for (size_t i = 0; i < FLOWS; i++) {
		double period = (double)flows[i].period_us;
		double cost = flows[i].quota
				      ? flows[i].cost_us * period / (double)flows[i].quota
				      : 0;
		flows[i].cost_us = cost < period ? cost : period;
	}
}

static double used_with(const struct meter *meter, size_t i, double cost, double now)
{
	double used = meter->used_until_us[i];
	return (used > now ? used : now) + cost;
}

bool meters_spend(struct meters *meters, const Postern__App *app, size_t bytes,
	bool charge, int64_t now_us, struct fault *why)
{
	struct meter *meter = meter_of(meters, slice_of(app->name));
	struct flow flows[FLOWS];
	double now = (double)now_us;
	fill_flows(app, bytes, flows);
	for (size_t i = 0; i < FLOWS; i++) {
		double over = used_with(meter, i, flows[i].cost_us, now) - now -
			      (double)flows[i].period_us;
		/* A microsecond is beyond what a double tells in a Unix time. */
		if (flows[i].quota && over > 1)
			return fault_temporary(why,
				"The app's %llu %s are used up, try again in %lld s",
				(unsigned long long)flows[i].quota, flows[i].name,
				(long long)(over / 1e6) + 1);
	}
	for (size_t i = 0; charge && i < FLOWS; i++)
		if (flows[i].quota)
			meter->used_until_us[i] = used_with(
				meter, i, flows[i].cost_us, now);
	return true;
}

void meters_refund(struct meters *meters, const Postern__App *app, size_t bytes)
{
	struct meter *meter = meter_of(meters, slice_of(app->name));
	struct flow flows[FLOWS];
	fill_flows(app, bytes, flows);
	for (size_t i = 0; i < FLOWS; i++)
		meter->used_until_us[i] -= flows[i].cost_us;
}

bool meters_enter(struct meters *meters, struct slice app, uint32_t most)
{
	struct meter *meter = meter_of(meters, app);
	if (most && meter->sessions >= most)
		return false;
	meter->sessions++;
	return true;
}

void meters_leave(struct meters *meters, struct slice app)
{
	struct meter *meter = meter_of(meters, app);
	assert(meter->sessions > 0);
	meter->sessions--;
}
