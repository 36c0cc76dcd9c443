/* SPDX-License-Identifier: MIT */
#include "cli/past.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mail.h"

#define BATCH_MAILS 64
#define BATCH_BYTES ((size_t)32 << 20)

struct finding {
	const struct past_query *query;
	struct arena *arena, *scratch;
	struct table *found; /* id: struct past_mail */
	struct past *past;
	const char *topic; /* that is read now */
	struct topics {
		struct topics *next;
		const char *name;
	} * topics;
};

static void found_mail(void *with, const struct bus_delivery *delivery)
{
	struct finding *finding = with;
	arena_clear(finding->scratch);
	Postern__Mail *mail = mail_decode(finding->scratch, delivery->value, NULL);
	if (!mail) {
		finding->past->damaged++;
		return;
	}
	if (!filter_matches(finding->query->filter, mail))
		return;
	const char *refusal = replay_refusal(finding->query->target, mail);
	if (refusal) {
		finding->past->refused++;
		finding->past->refusal = refusal;
		return;
	}
	/* A topic may hold a mail several times, after a rescan or a replay; the newest
	 * is meant. */
	struct slice id = slice_of(mail->id);
	struct past_mail *row = table_get(finding->found, id);
	if (!row)
		row = ARENA_NEW(finding->arena, struct past_mail);
	row->id = arena_string(finding->arena, id);
	row->app = arena_string(finding->arena, slice_of(mail->app));
	row->topic = finding->topic;
	row->published_ms = delivery->published_ms;
	row->size = delivery->value.size;
	table_put(finding->found, id, row);
}

static void found_topic(void *with, const char *topic)
{
	struct finding *finding = with;
	size_t length = strlen(finding->query->topic);
	if (topic[length] && topic[length] != '.')
		return;
	struct topics *row = ARENA_NEW(finding->arena, struct topics);
	row->name = arena_string(finding->arena, slice_of(topic));
	row->next = finding->topics;
	finding->topics = row;
}

static bool read_topics(
	struct session *session, struct finding *finding, struct fault *fault)
{
	const struct past_query *query = finding->query;
	if (!session_list(session, query->topic, found_topic, finding, fault))
		return false;
	if (!finding->topics)
		return fault_permanent(fault,
			"there is no topic \"%s\"; `posternctl topics` lists them",
			query->topic);
	for (struct topics *topic = finding->topics; topic; topic = topic->next) {
		const struct bus_range range = { .topic = topic->name,
			.from_ms = query->from_ms,
			.to_ms = query->to_ms };
		finding->topic = topic->name;
		if (!session_browse(session, &range, found_mail, finding, fault))
			return false;
	}
	return true;
}

static int by_place(const void *a, const void *b)
{
	const struct past_mail *left = *(struct past_mail *const *)a;
	const struct past_mail *right = *(struct past_mail *const *)b;
	int order = strcmp(left->topic, right->topic);
	return order ? order
		     : (left->published_ms > right->published_ms) -
			       (left->published_ms < right->published_ms);
}

bool past_find(struct session *session, struct arena *arena,
	const struct past_query *query, struct past *ret_past, struct fault *fault)
{
	struct past past = { .to_ms = query->to_ms };
	struct finding finding = { .query = query,
		.arena = arena,
		.scratch = arena_new(),
		.found = table_new(),
		.past = &past };
	bool is_good = read_topics(session, &finding, fault);
	past.list = ARENA_ARRAY(arena, struct past_mail *, table_size(finding.found) + 1);
	struct slice id;
	void *row;
	for (size_t i = 0; table_next(finding.found, &i, &id, &row);)
		past.list[past.count++] = row;
	qsort(past.list, past.count, sizeof(*past.list), by_place);
	table_free(finding.found);
	arena_free(finding.scratch);
	*ret_past = past;
	return is_good;
}

/* --- reading again --------------------------------------------------------------------
 */

struct batch {
	struct session *session;
	struct past_mail *const *list;
	size_t count;
	struct table *wanted; /* id: struct past_mail, until it is seen */
	struct arena *scratch;
	past_seen *seen;
	void *with;
};

static void batch_seen(void *with, const struct bus_delivery *delivery)
{
	struct batch *batch = with;
	struct past_mail *row = table_get(batch->wanted, mail_peek_id(delivery->value));
	if (!row || row->published_ms != delivery->published_ms)
		return;
	arena_clear(batch->scratch);
	Postern__Mail *mail = mail_decode(batch->scratch, delivery->value, NULL);
	if (!mail)
		return;
	table_remove(batch->wanted, slice_of(row->id));
	batch->seen(batch->with, batch->scratch, row->topic, mail);
	if (!table_size(batch->wanted))
		session_stop(batch->session);
}

/* As many as lie in one topic and fit the bounds; at least one. */
static size_t batch_size(const struct past *past, size_t from)
{
	size_t bytes = 0, to = from;
	while (to < past->count && to - from < BATCH_MAILS &&
		strcmp(past->list[to]->topic, past->list[from]->topic) == 0 &&
		(to == from || bytes + past->list[to]->size <= BATCH_BYTES))
		bytes += past->list[to++]->size;
	return to - from;
}

/* Up to where the mails were looked for, not up to the last one's time: an engine may
 * place a mail that had a due time where it became due. */
static bool read_batch(struct batch *batch, int64_t to_ms, struct fault *fault)
{
	for (size_t i = 0; i < batch->count; i++)
		table_put(batch->wanted, slice_of(batch->list[i]->id), batch->list[i]);
	const struct bus_range range = { .topic = batch->list[0]->topic,
		.from_ms = batch->list[0]->published_ms,
		.to_ms = to_ms };
	if (!session_browse(batch->session, &range, batch_seen, batch, fault) ||
		!session_wait(batch->session, 0, fault))
		return false;
	size_t gone = table_size(batch->wanted);
	return !gone ||
	       fault_permanent(
		       fault, "%zu messages have passed their retention meanwhile", gone);
}

bool past_read(struct session *session, const struct past *past, past_seen *seen,
	void *with, struct fault *fault)
{
	struct batch batch = {
		.session = session, .scratch = arena_new(), .seen = seen, .with = with
	};
	bool is_good = true;
	for (size_t from = 0; is_good && from < past->count; from += batch.count) {
		batch.list = past->list + from;
		batch.count = batch_size(past, from);
		batch.wanted = table_new();
		is_good = read_batch(&batch, past->to_ms, fault);
		table_free(batch.wanted);
	}
	arena_free(batch.scratch);
	return is_good;
}
