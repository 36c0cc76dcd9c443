/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "lib/bus/local/keeper.h"
#include "lib/bus/local/walk.h"
#include "lib/memory.h"

struct local_follower {
	struct bus_follower base;
	struct walk walk;
	const struct bus_follow_calls *calls;
	void *with;
	/* The thread's. */
	int64_t position; /* changes up to here are sent */
	int64_t start;    /* newest change there was at the start; -1 = not known yet */
	bool has_caught_up;
};

static struct local_follower *follower_of(struct walk *walk)
{
	return (void *)((char *)walk - offsetof(struct local_follower, walk));
}

/* What was deleted before the start was never there for this follower. */
static bool wants(struct walk *walk, const struct walk_row *row)
{
	struct local_follower *follower = follower_of(walk);
	follower->position = row->id;
	return row->value.size || row->id > follower->start;
}

/* Numbers that end before where we are: an older copy has been put in the file's place.
 */
static bool find_start(struct local_follower *follower, struct fault *fault)
{
	int64_t newest;
	if (!database_number(&follower->walk.records, fault, &newest,
		    "SELECT max(id) FROM record", ""))
		return false;
	if (newest < follower->position)
		follower->position = 0;
	if (follower->start < 0)
		follower->start = newest;
	follower->walk.is_fresh = false;
	return true;
}

/* A change moves its key to the end, so reading on until nothing is left sees the newest
 * value of every key, however many change meanwhile. */
static enum walk_result follow_step(struct walk *walk, struct fault *fault)
{
	struct local_follower *follower = follower_of(walk);
	if (walk->is_fresh && !find_start(follower, fault))
		return WALK_FAILED;
	sqlite3_stmt *rows = database_query(&walk->records, fault,
		"SELECT " WALK_COLUMNS " FROM record WHERE id > ?1 ORDER BY id", "i",
		follower->position);
	enum walk_result result = rows ? walk_send_rows(walk, rows, wants, fault)
				       : WALK_FAILED;
	if (result == WALK_REST && !follower->has_caught_up) {
		follower->has_caught_up = true;
		walk_send(walk, SIGHTING_CAUGHT_UP, NULL);
	}
	return result;
}

static void follow_show(struct walk *walk, const struct sighting *sighting)
{
	struct local_follower *follower = follower_of(walk);
	if (sighting->kind == SIGHTING_RECORD)
		follower->calls->changed(follower->with, sighting->key, sighting->value);
	else if (follower->calls->caught_up)
		follower->calls->caught_up(follower->with);
}

struct bus_follower *local_follow(struct bus *bus, const char *topic,
	const struct bus_follow_calls *calls, void *with, struct fault *fault)
{
	static const struct walk_plan plan = { .may_create = true,
		.is_stubborn = true,
		.step = follow_step,
		.show = follow_show };
	if (!bus_topic_check(topic, fault))
		return NULL;
	struct local_follower *follower = NEW(struct local_follower);
	follower->base.bus = bus;
	follower->calls = calls;
	follower->with = with;
	follower->start = -1;
	keeper_add((struct local_bus *)bus, topic);
	walk_start(&follower->walk, (struct local_bus *)bus, &plan, topic);
	return &follower->base;
}

void local_unfollow(struct bus_follower *base)
{
	struct local_follower *follower = (struct local_follower *)base;
	walk_stop(&follower->walk);
	free(follower);
}
