/* SPDX-License-Identifier: MIT */
#include "cli/held.h"

#include <stdlib.h>
#include <string.h>

#include "cli/control.h"
#include "cli/notice.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mail.h"
#include "lib/memory.h"
#include "lib/table.h"
#include "lib/topics.h"

struct survey {
	const struct held_query *query;
	struct arena *arena;
	struct arena *scratch;
	struct table *found; /* key: struct held */
};

static struct held *summarise(struct arena *arena, const Postern__Mail *mail)
{
	struct held *held = ARENA_NEW(arena, struct held);
	const Postern__Hold *hold = mail->hold;
	held->id = arena_string(arena, slice_of(mail->id));
	held->key = arena_string(arena, slice_of(mail_hold_key(arena, mail)));
	held->app = arena_string(arena, slice_of(mail->app));
	held->from = arena_string(arena, slice_of(mail->envelope->from));
	held->subject = arena_string(arena, slice_of(mail->subject));
	held->stage = arena_string(arena, slice_of(hold ? hold->stage : ""));
	held->reason = arena_string(arena, slice_of(hold ? hold->reason : ""));
	held->held_us = hold ? hold->held_us : 0;
	held->recipients = mail->envelope->n_recipients;
	return held;
}

static void survey_seen(void *with, struct slice key, struct slice value)
{
	struct survey *survey = with;
	table_remove(survey->found, key);
	if (!value.size)
		return;
	arena_clear(survey->scratch);
	Postern__Mail *mail = mail_decode(survey->scratch, value, NULL);
	if (!mail || !filter_matches(survey->query->filter, mail))
		return;
	struct held *held = summarise(survey->arena, mail);
	if (held->held_us >= survey->query->since_us)
		table_put(survey->found, key, held);
}

static int by_time(const void *a, const void *b)
{
	const struct held *left = *(struct held *const *)a;
	const struct held *right = *(struct held *const *)b;
	return (left->held_us > right->held_us) - (left->held_us < right->held_us);
}

bool held_survey(struct session *session, struct arena *arena,
	const struct held_query *query, struct held_list *ret_list, struct fault *fault)
{
	struct survey survey = { query, arena, arena_new(), table_new() };
	bool is_good = session_survey(
		session, TOPIC_QUARANTINE, survey_seen, &survey, fault);
	struct held_list list = { 0 };
	list.list = ARENA_ARRAY(arena, struct held *, table_size(survey.found) + 1);
	struct slice key;
	void *held;
	for (size_t i = 0; table_next(survey.found, &i, &key, &held);)
		list.list[list.count++] = held;
	qsort(list.list, list.count, sizeof(*list.list), by_time);
	table_free(survey.found);
	arena_free(survey.scratch);
	*ret_list = list;
	return is_good;
}

struct reading {
	struct arena *arena;
	Postern__Mail *mail;
	struct fault fault;
};

static void read_seen(void *with, const struct bus_delivery *delivery)
{
	struct reading *reading = with;
	if (delivery->value.size)
		reading->mail = mail_decode(reading->arena,
			arena_copy(reading->arena, delivery->value), &reading->fault);
}

static bool read_key(struct session *session, const char *key, struct reading *reading)
{
	const struct bus_range newest = { .topic = TOPIC_QUARANTINE,
		.key = slice_of(key),
		.newest_first = true,
		.limit = 1 };
	return session_browse(session, &newest, read_seen, reading, &reading->fault);
}

/* The hold of a mail that was let go and held anew; NULL if there is none, or `fault`. */
static const char *find_later(
	struct session *session, struct arena *arena, const char *id, struct fault *fault)
{
	struct filter filter = { 0 };
	struct held_query query = { .filter = &filter };
	struct held_list list = { 0 };
	if (!id_is_valid(slice_of(id)) ||
		!filter_add(&filter, arena, arena_printf(arena, "id=%s", id), fault) ||
		!held_survey(session, arena, &query, &list, fault) || !list.count)
		return NULL;
	return list.list[0]->key;
}

Postern__Mail *held_read(struct session *session, struct arena *arena, const char *word,
	struct fault *fault)
{
	struct reading reading = { .arena = arena };
	const char *key = word;
	if (read_key(session, key, &reading) && !reading.mail && !reading.fault.kind) {
		key = find_later(session, arena, word, &reading.fault);
		if (key)
			read_key(session, key, &reading);
	}
	if (reading.mail)
		return reading.mail;
	if (!reading.fault.kind)
		fault_permanent(&reading.fault,
			"it is not in quarantine; `posternctl trace` shows what became "
			"of it");
	if (fault)
		*fault = reading.fault;
	return NULL;
}

static bool publish_event(const struct held_act *act, const Postern__Mail *mail,
	Postern__EventKind kind, struct fault *fault)
{
	Postern__Event *event = notice_new(act->arena, mail, kind);
	event->reason = (char *)act->why;
	notice_begin(act->session, act->arena, event);
	return session_wait(act->session, 0, fault);
}

static bool delete_record(
	const struct held_act *act, const Postern__Mail *held, struct fault *fault)
{
	const struct bus_record record = { .topic = TOPIC_QUARANTINE,
		.key = slice_of(mail_hold_key(act->arena, held)) };
	return session_publish(act->session, &record, fault);
}

/* Where a mail goes on, and what is said of it. */
struct way {
	const char *family;
	Postern__EventKind kind;
};

/* The record goes last. A stage may hold the mail anew before that, but under another
 * key. */
static bool send_on(const struct held_act *act, const Postern__Mail *held,
	Postern__Mail *mail, struct way way, struct fault *fault)
{
	mail->hold = NULL;
	mail_add_step(
		act->arena, mail, STEP_QUARANTINE, held->hold ? held->hold->held_us : 0);
	struct bus_record record = {
		.topic = topic_of_lane(act->arena, way.family, mail->lane),
		.key = mail_key(act->arena, mail),
	};
	mail_encode(act->arena, mail, &record);
	struct fault why = { 0 };
	if (!session_publish(act->session, &record, fault) ||
		!publish_event(act, mail, way.kind, fault))
		return false;
	return delete_record(act, held, &why) ||
	       fault_temporary(fault,
		       "it is on its way, but its record stays in quarantine; discard "
		       "that once the mail has arrived: %s",
		       why.text);
}

/* A mail that the scanner decided to hold goes past the scanner, whatever its holder
 * asked for: to be scanned again is to be held again. */
const char *held_release_family(const Postern__Mail *held)
{
	const char *resume = held->hold ? held->hold->resume : "";
	int decision = held->verdict ? (int)held->verdict->decision : 0;
	bool is_judged = decision == POSTERN__DECISION__DECISION_HOLD ||
			 decision == POSTERN__DECISION__DECISION_REJECT;
	if (is_judged && (!*resume || strcmp(resume, TOPIC_ACCEPTED) == 0))
		return TOPIC_CLEARED;
	return *resume ? resume : TOPIC_ACCEPTED;
}

bool held_release(
	const struct held_act *act, const Postern__Mail *held, struct fault *fault)
{
	Postern__Release release = POSTERN__RELEASE__INIT;
	release.by = (char *)operator_name(act->arena);
	release.why = (char *)act->why;
	release.released_us = clock_unix_us();
	Postern__Mail mail = *held;
	struct way way = { held_release_family(held),
		POSTERN__EVENT_KIND__EVENT_RELEASED };
	/* What nobody has judged yet is only let go on; it has no verdict to pass over.
	 */
	bool is_unjudged = strcmp(way.family, TOPIC_ACCEPTED) == 0;
	mail.release = is_unjudged ? NULL : &release;
	return send_on(act, held, &mail, way, fault);
}

bool held_rescan(
	const struct held_act *act, const Postern__Mail *held, struct fault *fault)
{
	Postern__Mail mail = *held;
	mail.release = NULL;
	mail.verdict = NULL;
	struct way way = { TOPIC_ACCEPTED, POSTERN__EVENT_KIND__EVENT_RESCAN };
	return send_on(act, held, &mail, way, fault);
}

bool held_discard(
	const struct held_act *act, const Postern__Mail *held, struct fault *fault)
{
	return publish_event(act, held, POSTERN__EVENT_KIND__EVENT_DISCARDED, fault) &&
	       delete_record(act, held, fault);
}
