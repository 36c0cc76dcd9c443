/* SPDX-License-Identifier: MIT */
#include "lib/topics.h"

#include <string.h>

#include "lib/id.h"

#define HOURS(n) ((n)*3600 * INT64_C(1000))
#define DAYS(n)  HOURS(24 * (n))
#define GIB(n)   ((int64_t)(n) << 30)

/* The pipeline's topics are kept a day beyond their work, for replay. */
const struct bus_topic postern_topics[] = {
	{ .name = TOPIC_QUARANTINE, .compacted = true },
	{ .name = TOPIC_CONTROL, .compacted = true },
	{ .name = TOPIC_EVENTS,
		.is_searched = true,
		.key_prefix = ID_MOMENT,
		.retention_ms = DAYS(30),
		.retention_bytes = GIB(16) },
	{ .name = TOPIC_DEAD, .retention_ms = DAYS(30), .retention_bytes = GIB(4) },
	{ .name = "mail.*",
		.is_work = true,
		.retention_ms = DAYS(1),
		.retention_bytes = GIB(8) },
	{ 0 },
};

static const struct {
	Postern__Lane lane;
	const char *name;
	unsigned weight;
} rows[LANES] = {
	{ POSTERN__LANE__LANE_URGENT, "urgent", 16 },
	{ POSTERN__LANE__LANE_NORMAL, "normal", 4 },
	{ POSTERN__LANE__LANE_BULK, "bulk", 1 },
};

size_t lane_index(Postern__Lane lane)
{
	for (size_t i = 0; i < LANES; i++)
		if (rows[i].lane == lane)
			return i;
	return 1;
}

unsigned lane_weight(size_t index)
{
	return rows[index].weight;
}

const char *lane_name(Postern__Lane lane)
{
	for (size_t i = 0; i < LANES; i++)
		if (rows[i].lane == lane)
			return rows[i].name;
	return NULL;
}

Postern__Lane lane_parse(const char *name)
{
	for (size_t i = 0; i < LANES; i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].lane;
	return POSTERN__LANE__LANE_UNSPECIFIED;
}

const char *topic_of_lane(struct arena *arena, const char *family, Postern__Lane lane)
{
	const char *name = lane_name(lane);
	return arena_printf(arena, "%s.%s", family, name ? name : "normal");
}

const char *topic_family_of_pool(struct arena *arena, const char *pool)
{
	return arena_printf(arena, TOPIC_OUTBOUND ".%s", pool);
}

const struct bus_source *topic_sources(struct arena *arena, const char *family)
{
	struct bus_source *sources = ARENA_ARRAY(arena, struct bus_source, LANES + 1);
	for (size_t i = 0; i < LANES; i++)
		sources[i] = (struct bus_source){
			topic_of_lane(arena, family, rows[i].lane), rows[i].weight
		};
	return sources;
}
