/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/browse.h"

#include <stdlib.h>

#include "lib/bus/kafka/publish.h"
#include "lib/bus/kafka/refetch.h"
#include "lib/bus/kafka/survey.h"
#include "lib/bus/kafka/topic.h"
#include "lib/loop.h"
#include "lib/memory.h"

enum { PATIENCE_MS = 30000, SHOWS_A_TURN = 256 };

static void finish(struct kafka_browser *browser, const struct fault *fault)
{
	if (browser->is_over)
		return;
	browser->is_over = true;
	timer_stop(browser->patience);
	kafka_cursor_close(browser->cursor);
	browser->cursor = NULL;
	browser->is_calling = true;
	browser->seen(browser->with, NULL, fault);
	browser->is_calling = false;
}

static void lose_patience(void *with)
{
	struct kafka_browser *browser = with;
	struct fault fault;
	fault_temporary(&fault, "topic %s: the broker is silent: %s", browser->topic,
		browser->kafka->error);
	finish(browser, &fault);
	if (browser->is_closed)
		free(browser);
}

static void call_seen(struct kafka_browser *browser, struct kafka_record *record)
{
	struct bus_delivery delivery = {
		.topic = browser->topic,
		.key = record->key,
		.value = record->value,
		.published_ms = kafka_record_published_ms(record),
		.attempt = 1,
	};
	browser->is_calling = true;
	browser->seen(browser->with, &delivery, NULL);
	browser->is_calling = false;
	browser->shown++;
	kafka_record_free(record);
}

static void show_more(struct kafka_browser *browser);

static void refetched(void *with, bool is_whole)
{
	struct kafka_browser *browser = with;
	struct kafka_record *record = browser->torn;
	browser->refetch = NULL;
	browser->torn = NULL;
	if (is_whole)
		call_seen(browser, record);
	else
		kafka_record_free(record);
	if (!browser->is_closed)
		show_more(browser);
	if (browser->is_closed)
		free(browser);
	else if (browser->cursor)
		kafka_cursor_ring(browser->cursor);
}

static bool is_live_now(const struct kafka_browser *browser)
{
	for (int32_t i = 0; i < browser->count; i++)
		if (!browser->parts[i].is_at_end)
			return false;
	return browser->range.live && !browser->is_backward;
}

/* In a compacted topic only the newest value of a key counts, and none if it was
 * deleted; a change while we are live is shown as it is. */
static bool is_current(struct kafka_browser *browser, const struct kafka_record *record)
{
	if (!browser->is_compacted || is_live_now(browser))
		return true;
	const struct kafka_record *newest = kafka_newest_find(
		browser->newest, record->key);
	if (browser->is_backward) {
		if (newest)
			return false;
		kafka_newest_add(browser->newest,
			kafka_record_new(&(struct kafka_source){ .key = record->key }));
		return record->value.size > 0;
	}
	return record->value.size && newest && newest->offset == record->offset;
}

static void show(struct kafka_browser *browser, struct kafka_record *record)
{
	enum kafka_joined joined = KAFKA_JOINED;
	if (!is_current(browser, record)) {
		kafka_record_free(record);
		return;
	}
	if (record->marks.form == KAFKA_HEAD) {
		if (browser->is_compacted)
			kafka_publish_saw_head(browser->kafka, browser->topic, record);
		joined = kafka_joiner_join(browser->joiner, record);
	}
	if (joined == KAFKA_JOINED) {
		call_seen(browser, record);
		return;
	}
	browser->torn = record;
	browser->refetch = kafka_refetch_start(
		browser->kafka, browser->topic, record, refetched, browser);
}

/* The partition whose record comes next by time; NULL: none, or one has to be read
 * first. */
static struct kafka_part *next_part(struct kafka_browser *browser)
{
	struct kafka_part *best = NULL;
	int64_t best_ms = 0;
	for (int32_t i = 0; i < browser->count; i++) {
		struct kafka_part *part = &browser->parts[i];
		const struct kafka_record *record = kafka_part_peek(browser, part);
		if (!kafka_part_is_ready(browser, part))
			return NULL;
		if (!record)
			continue;
		bool is_better = browser->is_backward ? record->stamp_ms > best_ms
						      : record->stamp_ms < best_ms;
		if (!best || is_better) {
			best = part;
			best_ms = record->stamp_ms;
		}
	}
	return best;
}

static bool is_all_shown(const struct kafka_browser *browser)
{
	for (int32_t i = 0; i < browser->count; i++) {
		const struct kafka_part *part = &browser->parts[i];
		if (part->count || !kafka_part_is_ready(browser, part))
			return false;
	}
	return true;
}

static void start_forward(struct kafka_browser *browser, const int64_t *from)
{
	for (int32_t i = 0; i < browser->count; i++) {
		struct kafka_part *part = &browser->parts[i];
		part->from = from ? from[i] : part->from;
		part->is_at_end = part->from >= part->to;
		if (!part->is_at_end || browser->range.live)
			kafka_cursor_start(browser->cursor, part->number, part->from);
	}
}

/* Where nothing new is awaited, silence is no fault. */
static void watch_patience(struct kafka_browser *browser)
{
	if (is_live_now(browser))
		timer_stop(browser->patience);
	else
		timer_start(browser->patience, PATIENCE_MS);
}

/* What comes after everything in the range has been shown, or indexed. */
static void go_on(struct kafka_browser *browser)
{
	if (browser->is_indexing) {
		browser->is_indexing = false;
		start_forward(browser, NULL);
		kafka_cursor_ring(browser->cursor);
	} else if (!browser->range.live) {
		finish(browser, NULL);
	} else if (browser->is_backward) {
		browser->is_backward = false;
		for (int32_t i = 0; i < browser->count; i++)
			browser->parts[i].to = browser->ends[i];
		start_forward(browser, browser->ends);
		watch_patience(browser);
	}
}

static void show_more(struct kafka_browser *browser)
{
	struct kafka_part *part;
	for (unsigned shows = 0;
		!browser->torn && !browser->is_closed && !browser->is_over; shows++) {
		if (browser->range.limit && browser->shown == browser->range.limit) {
			finish(browser, NULL);
			return;
		}
		if (shows == SHOWS_A_TURN) {
			kafka_cursor_ring(browser->cursor);
			return;
		}
		if (!(part = next_part(browser)))
			break;
		show(browser, kafka_part_take(browser, part));
	}
	if (!browser->torn && !browser->is_closed && !browser->is_over &&
		is_all_shown(browser))
		go_on(browser);
}

static void read_parts(void *with)
{
	struct kafka_browser *browser = with;
	bool has_read = false;
	for (int32_t i = 0; i < browser->count; i++)
		has_read |= kafka_part_read(browser, &browser->parts[i]);
	if (has_read)
		watch_patience(browser);
	show_more(browser);
	if (browser->is_closed)
		free(browser);
	else if (has_read && browser->cursor)
		kafka_cursor_ring(browser->cursor);
}

static void make_parts(struct kafka_browser *browser, const struct kafka_survey *survey)
{
	int32_t only = -1;
	if (browser->range.key.size)
		only = kafka_partition_of(
			browser->range.key, browser->key_prefix, survey->count);
	browser->parts = NEW_ARRAY(struct kafka_part, (size_t)survey->count);
	browser->ends = NEW_ARRAY(int64_t, (size_t)survey->count);
	for (int32_t i = 0; i < survey->count; i++) {
		if (only >= 0 && i != only)
			continue;
		browser->ends[browser->count] = survey->spans[i].to;
		browser->parts[browser->count++] = (struct kafka_part){ .number = i,
			.from = survey->spans[i].from,
			.to = survey->spans[i].to };
	}
}

static void ensured(void *with, const struct fault *fault);

static void surveyed(void *with, const struct kafka_survey *survey)
{
	struct kafka_browser *browser = with;
	struct fault fault = survey->fault;
	browser->asking = NULL;
	if (!fault.kind && survey->count == 0 && browser->range.live) {
		browser->asking = kafka_topics_ensure(browser->kafka,
			(const char *const[]){ browser->topic, NULL }, ensured, browser);
		return;
	}
	if (!fault.kind && survey->count > 0)
		browser->cursor = kafka_cursor_open(
			browser->kafka, browser->topic, survey->count, &fault);
	if (!browser->cursor) {
		finish(browser, fault.kind ? &fault : NULL);
		if (browser->is_closed)
			free(browser);
		return;
	}
	make_parts(browser, survey);
	kafka_cursor_listen(browser->cursor, read_parts, browser);
	if (!browser->is_backward)
		start_forward(browser, NULL);
	watch_patience(browser);
}

static void start_survey(struct kafka_browser *browser)
{
	browser->asking = &kafka_survey_start(
		browser->kafka, browser->topic, &browser->range, surveyed, browser)
				   ->errand;
}

static void ensured(void *with, const struct fault *fault)
{
	struct kafka_browser *browser = with;
	browser->asking = NULL;
	if (!fault) {
		start_survey(browser);
		return;
	}
	finish(browser, fault);
	if (browser->is_closed)
		free(browser);
}

struct bus_browser *kafka_browse(struct bus *bus, const struct bus_range *range,
	bus_seen *seen, void *with, struct fault *fault)
{
	struct kafka *kafka = (struct kafka *)bus;
	if (!bus_topic_check(range->topic, fault))
		return NULL;
	const struct bus_topic *kept = bus_topic_find(kafka->topics, range->topic);
	struct kafka_browser *browser = NEW(struct kafka_browser);
	*browser = (struct kafka_browser){ .browser = { .bus = bus },
		.kafka = kafka,
		.topic = memory_string(slice_of(range->topic)),
		.key = memory_string(range->key),
		.range = *range,
		.seen = seen,
		.with = with,
		.is_compacted = kept && kept->compacted,
		.key_prefix = kept ? kept->key_prefix : 0,
		.is_backward = range->newest_first,
		.joiner = kafka_joiner_new(KAFKA_JOINER_SIZE(kafka->value_ceiling)),
		.newest = kafka_newest_new() };
	browser->range.topic = browser->topic;
	browser->range.key.data = browser->key;
	browser->is_indexing = browser->is_compacted && !browser->is_backward;
	browser->patience = timer_new(kafka->loop, lose_patience, browser);
	start_survey(browser);
	return &browser->browser;
}

void kafka_unbrowse(struct bus_browser *bus_browser)
{
	struct kafka_browser *browser = (struct kafka_browser *)bus_browser;
	browser->is_closed = true;
	if (browser->asking)
		browser->asking->owner = NULL;
	kafka_refetch_stop(browser->refetch);
	kafka_cursor_close(browser->cursor);
	kafka_record_free(browser->torn);
	for (int32_t i = 0; i < browser->count; i++)
		kafka_part_done(&browser->parts[i]);
	kafka_joiner_free(browser->joiner);
	kafka_newest_free(browser->newest);
	timer_free(browser->patience);
	free(browser->parts);
	free(browser->ends);
	free(browser->topic);
	free(browser->key);
	if (!browser->is_calling)
		free(browser);
}
