/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/groups.h"

#include "lib/bus/local/local.h"
#include "lib/table.h"

#define ADMITTED_AT_ONCE 1000
#define PROMOTED_AT_ONCE 1000

static bool find_or_make(struct group *group, struct slice name, struct fault *fault)
{
	if (!database_number(group->groups, fault, &group->id,
		    "SELECT id FROM grp WHERE name = CAST(?1 AS TEXT)", "b", name))
		return false;
	if (group->id)
		return true;
	if (!database_begin(group->groups, fault))
		return false;
	bool is_made =
		database_run(group->groups, fault,
			"INSERT OR IGNORE INTO grp (name) VALUES (CAST(?1 AS TEXT))", "b",
			name) &&
		database_number(group->groups, fault, &group->id,
			"SELECT id FROM grp WHERE name = CAST(?1 AS TEXT)", "b", name);
	if (is_made)
		return database_commit(group->groups, fault);
	database_rollback(group->groups);
	return false;
}

/* The group itself must outlive a power cut, or retention would drop what it has not
 * settled. A take or a settle need not: it would only be repeated. */
bool group_open(struct group *group, struct slice name, struct fault *fault)
{
	return find_or_make(group, name, fault) &&
	       database_run(group->groups, fault, "PRAGMA synchronous=NORMAL", "");
}

bool group_refresh(struct group *group, struct fault *fault)
{
	static const char sql[] = "SELECT position, turn FROM grp WHERE id = ?1";
	sqlite3_stmt *row = database_query(group->groups, fault, sql, "i", group->id);
	bool is_done = false;
	if (!row || !database_row(group->groups, row, &is_done, fault))
		return is_done && fault_temporary(fault, "%s: the group is gone",
					  group->groups->path);
	group->position = sqlite3_column_int64(row, 0);
	group->turn = sqlite3_column_int64(row, 1);
	sqlite3_reset(row);
	return true;
}

bool group_has_work(
	struct group *group, int64_t now_ms, bool *ret_has, struct fault *fault)
{
	int64_t found;
	if (!group_refresh(group, fault) ||
		!database_number(group->records, fault, &found,
			"SELECT EXISTS (SELECT 1 FROM record WHERE id > ?1)", "i",
			group->position))
		return false;
	if (!found &&
		!database_number(group->groups, fault, &found,
			"SELECT EXISTS (SELECT 1 FROM pending WHERE grp = ?1 AND"
			" member IS NULL AND due = 0) OR EXISTS (SELECT 1 FROM pending"
			" WHERE grp = ?1 AND member IS NULL AND due > 0 AND due <= ?2)",
			"ii", group->id, now_ms))
		return false;
	*ret_has = found;
	return true;
}

/* The tag that puts a record behind what its app has waiting, else into the next turn. */
static bool find_tag(
	struct group *group, struct slice app, int64_t *ret_tag, struct fault *fault)
{
	int64_t last;
	if (!database_number(group->groups, fault, &last,
		    "SELECT max(tag) FROM pending WHERE grp = ?1 AND app = ?2 AND"
		    " member IS NULL AND due = 0",
		    "ib", group->id, app))
		return false;
	*ret_tag = (last > group->turn ? last : group->turn) + 1;
	return true;
}

static bool admit_row(struct group *group, sqlite3_stmt *row, struct fault *fault)
{
	int64_t id = sqlite3_column_int64(row, 0);
	struct slice app = local_app_of(column_slice(row, 1));
	int64_t due = sqlite3_column_int64(row, 2);
	int64_t size = sqlite3_column_int64(row, 3), tag = 0;
	group->position = id;
	if (due <= 0 && !find_tag(group, app, &tag, fault))
		return false;
	return database_run(group->groups, fault,
		"INSERT OR IGNORE INTO pending (grp, id, app, tag, due, attempt, size)"
		" VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)",
		"iibiii", group->id, id, app, tag, due, size);
}

bool group_admit(struct group *group, bool *ret_has_more, struct fault *fault)
{
	int64_t before = group->position;
	bool is_done = false, is_good = true;
	int count = 0;
	sqlite3_stmt *row = database_query(group->records, fault,
		"SELECT id, key, due, length(value) + ifnull(body_size, 0) FROM record WHERE id > ?1"
		" ORDER BY id LIMIT ?2",
		"ii", before, (int64_t)ADMITTED_AT_ONCE);
	if (!row)
		return false;
	while (is_good && database_row(group->records, row, &is_done, fault)) {
		is_good = admit_row(group, row, fault);
		count++;
	}
	sqlite3_reset(row);
	*ret_has_more = count == ADMITTED_AT_ONCE;
	return is_good && is_done &&
	       (group->position == before ||
		       database_run(group->groups, fault,
			       "UPDATE grp SET position = ?2 WHERE id = ?1", "ii",
			       group->id, group->position));
}

static bool promote_row(
	struct group *group, int64_t id, struct slice app, struct fault *fault)
{
	int64_t tag;
	return find_tag(group, app, &tag, fault) &&
	       database_run(group->groups, fault,
		       "UPDATE pending SET due = 0, tag = ?3 WHERE grp = ?1 AND id = ?2",
		       "iii", group->id, id, tag);
}

bool group_promote(
	struct group *group, int64_t now_ms, bool *ret_has_promoted, struct fault *fault)
{
	/* One at a time: an update under an open cursor of the same index may repeat
	 * rows. */
	for (int i = 0; i < PROMOTED_AT_ONCE; i++) {
		bool is_done = false;
		sqlite3_stmt *row = database_query(group->groups, fault,
			"SELECT id, app FROM pending WHERE grp = ?1 AND member IS NULL AND"
			" due > 0 AND due <= ?2 ORDER BY due LIMIT 1",
			"ii", group->id, now_ms);
		if (!row || !database_row(group->groups, row, &is_done, fault))
			return is_done;
		bool is_good = promote_row(
			group, sqlite3_column_int64(row, 0), column_slice(row, 1), fault);
		sqlite3_reset(row);
		if (!is_good)
			return false;
		*ret_has_promoted = true;
	}
	return true;
}

static bool take(struct group *group, const struct claim *claims, size_t count,
	int64_t turn, struct fault *fault)
{
	for (size_t i = 0; i < count; i++)
		if (!database_run(group->groups, fault,
			    "UPDATE pending SET member = ?3 WHERE grp = ?1 AND id = ?2",
			    "iii", group->id, claims[i].id, group->member))
			return false;
	if (turn <= group->turn)
		return true;
	group->turn = turn;
	return database_run(group->groups, fault,
		"UPDATE grp SET turn = ?2 WHERE id = ?1", "ii", group->id, turn);
}

unsigned crowd_place(struct slice app)
{
	return (unsigned)(table_hash(app) % CROWD_PLACES);
}

static bool is_newcomer(
	const struct crowd *crowd, const struct claim *claims, size_t count)
{
	unsigned place = claims[count].place;
	for (size_t i = 0; i < count; i++)
		if (claims[i].place == place)
			return false;
	return !crowd->in_hand[place];
}

/* May the claim after the first `count` be taken as well? */
static bool has_room(const struct claim_bounds *bounds, const struct claim *claims,
	size_t count, size_t newcomers)
{
	if (count - newcomers < bounds->records)
		return true;
	return newcomers < bounds->newcomers && is_newcomer(bounds->crowd, claims, count);
}

static bool fits(
	const struct claim_bounds *bounds, size_t count, int64_t bytes, int64_t size)
{
	return (uint64_t)(bytes + size) <= bounds->bytes ||
	       (bounds->may_exceed && count == 0);
}

bool group_claim(struct group *group, const struct claim_bounds *bounds,
	struct claim claims[CLAIMS_AT_ONCE], size_t *ret_count, bool *ret_left,
	struct fault *fault)
{
	size_t count = 0, newcomers = 0;
	int64_t bytes = 0, turn = 0;
	bool is_done = false, is_left = false, is_full = false;
	sqlite3_stmt *row = database_query(group->groups, fault,
		"SELECT id, tag, attempt, size, app FROM pending WHERE grp = ?1 AND member IS NULL"
		" AND due = 0 ORDER BY tag, id LIMIT ?2",
		"ii", group->id, (int64_t)CLAIMS_AT_ONCE + 1);
	if (!row)
		return false;
	while (!is_full && database_row(group->groups, row, &is_done, fault)) {
		int64_t size = sqlite3_column_int64(row, 3);
		is_full = count == CLAIMS_AT_ONCE || !fits(bounds, count, bytes, size);
		is_left |= is_full;
		if (is_full)
			continue;
		claims[count] = (struct claim){ sqlite3_column_int64(row, 0), size,
			(unsigned)sqlite3_column_int64(row, 2),
			crowd_place(column_slice(row, 4)) };
		if (!has_room(bounds, claims, count, newcomers)) {
			is_left = true;
			is_full = newcomers == bounds->newcomers;
			continue;
		}
		newcomers += count - newcomers >= bounds->records;
		turn = sqlite3_column_int64(row, 1);
		bytes += size;
		count++;
	}
	sqlite3_reset(row);
	*ret_count = count;
	*ret_left = is_left;
	return (is_full || is_done) && take(group, claims, count, turn, fault);
}

bool group_settle(struct group *group, int64_t record, struct fault *fault)
{
	return database_run(group->groups, fault,
		"DELETE FROM pending WHERE grp = ?1 AND id = ?2", "ii", group->id,
		record);
}

bool group_put_off(struct group *group, int64_t record, int64_t due_ms, bool is_attempt,
	struct fault *fault)
{
	return database_run(group->groups, fault,
		"UPDATE pending SET member = NULL, due = max(?3, 1), attempt = attempt + ?4"
		" WHERE grp = ?1 AND id = ?2",
		"iiii", group->id, record, due_ms, (int64_t)is_attempt);
}

bool group_release(
	struct group *group, int64_t member, bool is_attempt, struct fault *fault)
{
	return database_run(group->groups, fault,
		"UPDATE pending SET member = NULL, attempt = attempt + ?3"
		" WHERE grp = ?1 AND member = ?2",
		"iii", group->id, member, (int64_t)is_attempt);
}

bool group_next_due(struct group *group, int64_t *ret_due_ms, struct fault *fault)
{
	return database_number(group->groups, fault, ret_due_ms,
		"SELECT min(due) FROM pending WHERE grp = ?1 AND member IS NULL AND due > 0",
		"i", group->id);
}

bool group_next_peer(
	struct group *group, int64_t member, int64_t *ret_member, struct fault *fault)
{
	return database_number(group->groups, fault, ret_member,
		"SELECT min(member) FROM pending WHERE grp = ?1 AND member > ?2 AND"
		" member <> ?3",
		"iii", group->id, member, group->member);
}
