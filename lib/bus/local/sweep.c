/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/bodies.h"
#include "lib/bus/local/keeper.h"
#include "lib/clock.h"

/* One step: what it looks at and what it deletes, so that publishers hardly wait. */
#define STEP_RECORDS 200
#define STEP_BYTES   (4 << 20)
/* A deletion in a compacted topic is remembered this long for those who follow. */
#define TOMBSTONE_MS (INT64_C(24) * 3600 * 1000)

struct dying {
	int64_t ids[STEP_RECORDS];
	size_t count;
	int64_t bytes;  /* of all that they have */
	int64_t bodies; /* of their bodies */
};

void kept_begin_anew(struct kept *kept)
{
	kept->time_ms = kept->id = 0;
	kept->bodies = -1;
}

static bool delete_all(struct kept *kept, const struct dying *dying, struct fault *fault)
{
	if (dying->count == 0)
		return true;
	if (!database_begin(&kept->records, fault))
		return false;
	for (size_t i = 0; i < dying->count; i++)
		if (!database_run(&kept->records, fault,
			    "DELETE FROM record WHERE id = ?1", "i", dying->ids[i])) {
			database_rollback(&kept->records);
			return false;
		}
	if (!database_commit(&kept->records, fault))
		return false;
	if (kept->bodies > 0)
		kept->bodies -= dying->bodies;
	return true;
}

/* Has a group not settled it? */
static bool is_wanted(
	struct kept *kept, int64_t id, int64_t *ret_groups, struct fault *fault)
{
	*ret_groups = 0;
	return !kept->groups.handle ||
	       database_number(&kept->groups, fault, ret_groups,
		       "SELECT count(*) FROM grp WHERE position < ?1 OR EXISTS (SELECT 1"
		       " FROM pending WHERE pending.grp = grp.id AND pending.id = ?1)",
		       "i", id);
}

/* Bytes by which the records exceed what the topic may keep. */
static bool find_excess(struct kept *kept, int64_t *ret_excess, struct fault *fault)
{
	int64_t most = kept->rules->retention_bytes, used;
	*ret_excess = 0;
	if (!most)
		return true;
	if (!database_number(&kept->records, fault, &used,
		    "SELECT (page_count - freelist_count) * page_size FROM"
		    " pragma_page_count, pragma_freelist_count, pragma_page_size",
		    ""))
		return false;
	/* To add up the topic's own takes a while. */
	if (kept->bodies < 0 && used + bodies_on_disk(kept->bus) > most &&
		!database_number(&kept->records, fault, &kept->bodies,
			"SELECT sum(body_size) FROM record WHERE body_file IS NOT NULL",
			""))
		return false;
	*ret_excess = used + (kept->bodies > 0 ? kept->bodies : 0) - most;
	return true;
}

static bool mark(struct kept *kept, struct dying *dying, int64_t id, struct fault *fault)
{
	int64_t groups, size, body;
	if (!is_wanted(kept, id, &groups, fault) ||
		!database_number(&kept->records, fault, &size,
			"SELECT length(value) FROM record WHERE id = ?1", "i", id) ||
		!database_number(&kept->records, fault, &body,
			"SELECT body_size FROM record WHERE id = ?1", "i", id))
		return false;
	if (groups)
		return true;
	dying->ids[dying->count++] = id;
	dying->bytes += size + body;
	dying->bodies += body;
	return true;
}

/* From the oldest on, until one is young enough and the rest fits. */
static bool mark_old(
	struct kept *kept, struct dying *dying, bool *ret_is_done, struct fault *fault)
{
	int64_t excess, limit_ms = 0;
	if (kept->rules->retention_ms)
		limit_ms = clock_unix_ms() - kept->rules->retention_ms;
	if (!find_excess(kept, &excess, fault))
		return false;
	sqlite3_stmt *rows = database_query(&kept->records, fault,
		"SELECT id, time FROM record WHERE time >= ?1 AND (time > ?1 OR id > ?2)"
		" ORDER BY time, id LIMIT ?3",
		"iii", kept->time_ms, kept->id, (int64_t)STEP_RECORDS);
	if (!rows)
		return false;
	bool is_good = true, is_end = false, is_young = false;
	int looked_at = 0;
	while (is_good && !is_young && dying->bytes < STEP_BYTES &&
		database_row(&kept->records, rows, &is_end, fault)) {
		int64_t id = sqlite3_column_int64(rows, 0);
		int64_t time_ms = sqlite3_column_int64(rows, 1);
		is_young = time_ms >= limit_ms && dying->bytes >= excess;
		if (is_young)
			continue;
		looked_at++;
		kept->id = id;
		kept->time_ms = time_ms;
		is_good = mark(kept, dying, id, fault);
	}
	sqlite3_reset(rows);
	*ret_is_done = is_young || (is_end && looked_at < STEP_RECORDS);
	return is_good && (is_end || is_young || dying->bytes >= STEP_BYTES);
}

static bool sweep_tombstones(struct kept *kept, bool *ret_is_done, struct fault *fault)
{
	int64_t age_ms = kept->rules->retention_ms;
	int64_t limit_ms = clock_unix_ms() - (age_ms ? age_ms : TOMBSTONE_MS), found;
	*ret_is_done = true;
	if (!database_number(&kept->records, fault, &found,
		    "SELECT EXISTS (SELECT 1 FROM record WHERE length(value) = 0 AND time < ?1)",
		    "i", limit_ms))
		return false;
	if (!found)
		return true;
	return database_begin(&kept->records, fault) &&
	       database_run(&kept->records, fault,
		       "DELETE FROM record WHERE length(value) = 0 AND time < ?1", "i",
		       limit_ms) &&
	       database_commit(&kept->records, fault);
}

bool kept_sweep(struct kept *kept, bool *ret_is_done, struct fault *fault)
{
	if (kept->rules->compacted)
		return sweep_tombstones(kept, ret_is_done, fault);
	struct dying dying = { .count = 0 };
	return mark_old(kept, &dying, ret_is_done, fault) &&
	       delete_all(kept, &dying, fault);
}
