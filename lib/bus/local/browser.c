/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "lib/bus/local/walk.h"
#include "lib/clock.h"
#include "lib/memory.h"

/* First what there is, in the order of publishing times; then, if it is live, what comes,
 * in the order of its coming. */
struct local_browser {
	struct bus_browser base;
	struct walk walk;
	bus_seen *seen;
	void *with;
	struct bus_range range; /* topic unused; key owned */
	char *key;
	/* The thread's. */
	bool has_begun, is_live;
	int64_t end;         /* newest record there was at the start */
	int64_t time_ms, id; /* of the last one sent */
	uint64_t left;       /* of the limit */
};

#define COLUMNS "SELECT " WALK_COLUMNS " FROM record WHERE "
#define OLDEST  "time >= ?1 AND (time > ?1 OR id > ?2) AND time <= ?3 AND id <= ?4"
#define NEWEST  "time <= ?1 AND (time < ?1 OR id < ?2) AND time >= ?3 AND id <= ?4"

static const char *const queries[2][2] = {
	{ COLUMNS OLDEST " ORDER BY time, id LIMIT ?5",
		COLUMNS "key = ?6 AND " OLDEST " ORDER BY time, id LIMIT ?5" },
	{ COLUMNS NEWEST " ORDER BY time DESC, id DESC LIMIT ?5",
		COLUMNS "key = ?6 AND " NEWEST " ORDER BY time DESC, id DESC LIMIT ?5" },
};

static struct local_browser *browser_of(struct walk *walk)
{
	return (void *)((char *)walk - offsetof(struct local_browser, walk));
}

static bool wants(struct walk *walk, const struct walk_row *row)
{
	struct local_browser *browser = browser_of(walk);
	const struct bus_range *range = &browser->range;
	browser->id = row->id;
	browser->time_ms = row->time_ms;
	if (browser->left == 0 || row->time_ms < range->from_ms ||
		(range->to_ms && row->time_ms > range->to_ms) ||
		(range->key.size && !slice_equal(range->key, row->key)))
		return false;
	browser->left--;
	return true;
}

static bool begin(struct local_browser *browser, struct fault *fault)
{
	struct bus_range *range = &browser->range;
	if (!database_number(&browser->walk.records, fault, &browser->end,
		    "SELECT max(id) FROM record", ""))
		return false;
	int64_t to_ms = range->to_ms ? range->to_ms : INT64_MAX;
	browser->time_ms = range->newest_first ? to_ms : range->from_ms;
	browser->id = range->newest_first ? INT64_MAX : 0;
	browser->left = range->limit ? range->limit : INT64_MAX;
	browser->has_begun = true;
	return true;
}

static enum walk_result step_through_range(
	struct local_browser *browser, struct fault *fault)
{
	const struct bus_range *range = &browser->range;
	int64_t to_ms = range->to_ms ? range->to_ms : INT64_MAX;
	bool has_key = range->key.size > 0;
	sqlite3_stmt *rows = database_query(&browser->walk.records, fault,
		queries[range->newest_first][has_key], has_key ? "iiiiib" : "iiiii",
		browser->time_ms, browser->id,
		range->newest_first ? range->from_ms : to_ms, browser->end,
		(int64_t)browser->left, range->key);
	enum walk_result result =
		rows ? walk_send_rows(&browser->walk, rows, wants, fault) : WALK_FAILED;
	if (result != WALK_REST)
		return result;
	if (!range->live)
		return WALK_OVER;
	browser->is_live = true;
	browser->id = browser->end;
	return WALK_ON;
}

static enum walk_result step_through_news(
	struct local_browser *browser, struct fault *fault)
{
	sqlite3_stmt *rows = database_query(&browser->walk.records, fault,
		COLUMNS "id > ?1 ORDER BY id", "i", browser->id);
	return rows ? walk_send_rows(&browser->walk, rows, wants, fault) : WALK_FAILED;
}

static enum walk_result browse_step(struct walk *walk, struct fault *fault)
{
	struct local_browser *browser = browser_of(walk);
	if (!browser->has_begun && !begin(browser, fault))
		return WALK_FAILED;
	enum walk_result result = browser->is_live ? step_through_news(browser, fault)
						   : step_through_range(browser, fault);
	return browser->left == 0 && result != WALK_FAILED ? WALK_OVER : result;
}

static void browse_show(struct walk *walk, const struct sighting *sighting)
{
	struct local_browser *browser = browser_of(walk);
	struct bus_delivery delivery = { .topic = walk->topic,
		.key = sighting->key,
		.value = sighting->value,
		.published_ms = sighting->time_ms,
		.attempt = 1 };
	bool has_failed = sighting->fault.kind != FAULT_NONE;
	browser->seen(browser->with, sighting->kind == SIGHTING_RECORD ? &delivery : NULL,
		has_failed ? &sighting->fault : NULL);
}

struct bus_browser *local_browse(struct bus *bus, const struct bus_range *range,
	bus_seen *seen, void *with, struct fault *fault)
{
	static const struct walk_plan past = { .step = browse_step, .show = browse_show };
	static const struct walk_plan live = {
		.may_create = true, .step = browse_step, .show = browse_show
	};
	if (!bus_topic_check(range->topic, fault))
		return NULL;
	struct local_browser *browser = NEW(struct local_browser);
	browser->base.bus = bus;
	browser->seen = seen;
	browser->with = with;
	browser->range = *range;
	browser->key = memory_string(range->key);
	browser->range.key.data = browser->key;
	walk_start(&browser->walk, (struct local_bus *)bus, range->live ? &live : &past,
		range->topic);
	return &browser->base;
}

void local_unbrowse(struct bus_browser *base)
{
	struct local_browser *browser = (struct local_browser *)base;
	walk_stop(&browser->walk);
	free(browser->key);
	free(browser);
}
