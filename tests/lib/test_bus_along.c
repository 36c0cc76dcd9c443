/* SPDX-License-Identifier: MIT
 *
 * Following compacted topics and browsing, on every engine; `_i` is the engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus_rig.h"
#include "lib/memory.h"

static struct rig rig;

/* The state that a follower builds, as text "key=value key=value " in the order of keys'
 * first appearance. */
struct state {
	size_t count, changes;
	unsigned caught_up;
	size_t changes_before; /* how many came before caught_up */
	struct {
		char key[32], value[64];
	} rows[4096];
};

static struct state here;

static void note_change(void *with, struct slice key, struct slice value)
{
	struct state *state = with;
	size_t i = 0;
	while (i < state->count && !slice_equal(slice_of(state->rows[i].key), key))
		i++;
	if (i == state->count)
		ck_assert_uint_lt(state->count++, 4096);
	snprintf(state->rows[i].key, 32, "%.*s", SLICE_ARG(key));
	snprintf(state->rows[i].value, 64, "%.*s", SLICE_ARG(value));
	state->changes++;
	loop_stop(rig.loop);
}

static void note_caught_up(void *with)
{
	struct state *state = with;
	state->caught_up++;
	state->changes_before = state->changes;
	loop_stop(rig.loop);
}

static const struct bus_follow_calls calls = { note_change, note_caught_up };

static const char *value_of(const struct state *state, const char *key)
{
	for (size_t i = 0; i < state->count; i++)
		if (strcmp(state->rows[i].key, key) == 0)
			return state->rows[i].value;
	return "none";
}

static struct bus_follower *follow(const char *topic)
{
	struct fault fault = { 0 };
	here = (struct state){ 0 };
	struct bus_follower *follower = bus_follow(rig.bus, topic, &calls, &here, &fault);
	ck_assert_msg(follower != NULL, "%s", fault.text);
	return follower;
}

START_TEST(a_follower_is_given_the_newest_values_then_every_change)
{
	rig_plan(&rig, _i);
	const char *topic = rig_topic(&rig, "compact");
	rig_open(&rig);
	rig_publish(&rig, topic, "app/shop", "1");
	rig_publish(&rig, topic, "app/gone", "1");
	rig_publish(&rig, topic, "pool/bulk", "1");
	rig_publish(&rig, topic, "app/shop", "2");
	rig_publish(&rig, topic, "app/gone", "");
	rig_flush(&rig);
	struct bus_follower *follower = follow(topic);
	RIG_UNTIL(&rig, here.caught_up);
	ck_assert_str_eq(value_of(&here, "app/shop"), "2");
	ck_assert_str_eq(value_of(&here, "pool/bulk"), "1");
	if (rig.engine == RIG_LOCAL) {
		ck_assert_uint_eq(here.changes, 2);
		ck_assert_str_eq(value_of(&here, "app/gone"), "none");
	}
	rig_publish(&rig, topic, "app/shop", "3");
	rig_publish(&rig, topic, "pool/bulk", "");
	rig_publish(&rig, topic, "new", "1");
	RIG_UNTIL(&rig, strcmp(value_of(&here, "new"), "1") == 0);
	ck_assert_str_eq(value_of(&here, "app/shop"), "3");
	ck_assert_str_eq(value_of(&here, "pool/bulk"), "");
	ck_assert_uint_eq(here.caught_up, 1);
	ck_assert_uint_eq(here.changes, here.changes_before + 3);
	bus_unfollow(follower);
	rig_done(&rig);
}
END_TEST

START_TEST(an_empty_topic_is_caught_up_with_at_once)
{
	rig_plan(&rig, _i);
	const char *topic = rig_topic(&rig, "compact-empty");
	rig_open(&rig);
	struct bus_follower *follower = follow(topic);
	RIG_UNTIL(&rig, here.caught_up);
	ck_assert_uint_eq(here.changes, 0);
	rig_publish(&rig, topic, "a", "1");
	RIG_UNTIL(&rig, here.changes);
	bus_unfollow(follower);
	rig_done(&rig);
}
END_TEST

static void follow_and_tell(struct rig *child, int fd, void *with)
{
	rig = *child;
	struct bus_follower *follower = follow(with);
	RIG_UNTIL(&rig, here.caught_up);
	child_say(fd, "%s", value_of(&here, "app/shop"));
	RIG_UNTIL(&rig, strcmp(value_of(&here, "app/shop"), "suspended") == 0);
	child_say(fd, "%s", value_of(&here, "app/shop"));
	RIG_UNTIL(&rig, strcmp(value_of(&here, "app/shop"), "") == 0);
	child_say(fd, "deleted");
	bus_unfollow(follower);
}

START_TEST(processes_follow_a_change_within_a_second)
{
	rig_plan(&rig, _i);
	const char *topic = rig_topic(&rig, "compact-live");
	struct child children[2];
	/* The value must be there before they look. */
	rig_open(&rig);
	rig_publish(&rig, topic, "app/shop", "active");
	rig_flush(&rig);
	rig_close(&rig);
	for (int i = 0; i < 2; i++)
		child_start(&children[i], &rig, follow_and_tell, (void *)topic);
	rig_open(&rig);
	char line[256];
	for (int i = 0; i < 2; i++) {
		ck_assert(child_hear(&children[i], &rig, line));
		ck_assert_str_eq(line, "active");
	}
	const char *values[] = { "suspended", "" }, *told[] = { "suspended", "deleted" };
	for (int change = 0; change < 2; change++) {
		rig_publish(&rig, topic, "app/shop", values[change]);
		rig_flush(&rig);
		int64_t published_ms = clock_monotonic_ms();
		for (int i = 0; i < 2; i++) {
			ck_assert(child_hear(&children[i], &rig, line));
			ck_assert_str_eq(line, told[change]);
		}
		ck_assert_int_le(clock_monotonic_ms() - published_ms, 1000);
	}
	for (int i = 0; i < 2; i++)
		child_wait(&children[i]);
	rig_done(&rig);
}
END_TEST

START_TEST(a_follower_ends_with_the_newest_of_keys_that_keep_changing)
{
	rig_plan(&rig, _i);
	const char *topic = rig_topic(&rig, "compact-busy");
	rig_open(&rig);
	struct bus_follower *follower = NULL;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++) {
			char key[32], value[64];
			snprintf(key, sizeof(key), "message/%d", i);
			snprintf(value, sizeof(value), "%d-%d", round, i);
			rig_publish(&rig, topic, key, value);
		}
		if (!follower)
			follower = follow(topic);
	}
	rig_flush(&rig);
	RIG_UNTIL(&rig,
		here.caught_up && strcmp(value_of(&here, "message/999"), "2-999") == 0);
	for (int i = 0; i < 1000; i++) {
		char key[32], value[64];
		snprintf(key, sizeof(key), "message/%d", i);
		snprintf(value, sizeof(value), "2-%d", i);
		ck_assert_str_eq(value_of(&here, key), value);
	}
	bus_unfollow(follower);
	rig_done(&rig);
}
END_TEST

struct sightings {
	size_t count;
	bool is_over;
	struct fault fault;
	char values[2000][16];
	int64_t times[2000];
	struct bus_browser **closes; /* closed at the end, inside the call */
};

static struct sightings seen;

static void note_seen(
	void *with, const struct bus_delivery *delivery, const struct fault *fault)
{
	struct sightings *sightings = with;
	if (fault)
		sightings->fault = *fault;
	if (delivery) {
		ck_assert_ptr_null(delivery->reader);
		ck_assert_uint_lt(sightings->count, 2000);
		snprintf(sightings->values[sightings->count], 16, "%.*s",
			SLICE_ARG(delivery->value));
		sightings->times[sightings->count++] = delivery->published_ms;
		return;
	}
	sightings->is_over = true;
	if (sightings->closes) {
		bus_unbrowse(*sightings->closes);
		*sightings->closes = NULL;
	}
	loop_stop(rig.loop);
}

static struct bus_browser *browse(const struct bus_range *range)
{
	struct fault fault = { 0 };
	seen = (struct sightings){ 0 };
	struct bus_browser *browser = bus_browse(
		rig.bus, range, note_seen, &seen, &fault);
	ck_assert_msg(browser != NULL, "%s", fault.text);
	return browser;
}

static void check_browse(const struct bus_range *range, const char *values)
{
	struct bus_browser *browser = browse(range);
	seen.closes = &browser;
	RIG_UNTIL(&rig, seen.is_over);
	char text[512] = "";
	for (size_t i = 0; i < seen.count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			i ? " " : "", seen.values[i]);
	ck_assert_str_eq(text, values);
	ck_assert_int_eq(seen.fault.kind, FAULT_NONE);
}

/* a0 b1 a2 b3 a4, each at least 5 ms after the one before. */
static void publish_five(const char *topic, int64_t times[5])
{
	for (int i = 0; i < 5; i++) {
		char value[16];
		snprintf(value, sizeof(value), "%c%d", i % 2 ? 'b' : 'a', i);
		rig_publish(&rig, topic, i % 2 ? "b" : "a", value);
		rig_flush(&rig);
		usleep(5000);
	}
	struct bus_browser *browser = browse(&(struct bus_range){ .topic = topic });
	RIG_UNTIL(&rig, seen.is_over);
	bus_unbrowse(browser);
	ck_assert_uint_eq(seen.count, 5);
	memcpy(times, seen.times, 5 * sizeof(*times));
}

START_TEST(browsing_finds_what_the_range_says)
{
	rig_plan(&rig, _i);
	const char *topic = rig_topic(&rig, "browse");
	rig_open(&rig);
	int64_t times[5];
	publish_five(topic, times);
	const struct {
		struct bus_range range;
		const char *values;
	} rows[] = {
		{ { 0 }, "a0 b1 a2 b3 a4" },
		{ { .newest_first = true }, "a4 b3 a2 b1 a0" },
		{ { .limit = 2 }, "a0 b1" },
		{ { .limit = 2, .newest_first = true }, "a4 b3" },
		{ { .limit = 5 }, "a0 b1 a2 b3 a4" },
		{ { .key = SLICE("b") }, "b1 b3" },
		{ { .key = SLICE("a"), .newest_first = true, .limit = 2 }, "a4 a2" },
		{ { .key = SLICE("none") }, "" },
		{ { .from_ms = times[1], .to_ms = times[3] }, "b1 a2 b3" },
		{ { .from_ms = times[1], .to_ms = times[3], .newest_first = true },
			"b3 a2 b1" },
		{ { .from_ms = times[1] + 1, .to_ms = times[3] - 1 }, "a2" },
		{ { .from_ms = times[2] }, "a2 b3 a4" },
		{ { .to_ms = times[2] }, "a0 b1 a2" },
		{ { .from_ms = times[1], .key = SLICE("a") }, "a2 a4" },
		{ { .to_ms = times[0] - 1 }, "" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct bus_range range = rows[i].range;
		range.topic = topic;
		check_browse(&range, rows[i].values);
	}
	rig_done(&rig);
}
END_TEST

START_TEST(browsing_goes_on_live_where_asked)
{
	rig_plan(&rig, _i);
	const char *topic = rig_topic(&rig, "live");
	rig_open(&rig);
	int64_t times[5];
	publish_five(topic, times);
	struct bus_browser *browser = browse(&(struct bus_range){
		.topic = topic, .live = true, .key = SLICE("a"), .from_ms = times[1] });
	RIG_UNTIL(&rig, seen.count == 2);
	rig_publish(&rig, topic, "b", "b5");
	rig_publish(&rig, topic, "a", "a6");
	RIG_UNTIL(&rig, seen.count == 3);
	ck_assert_str_eq(seen.values[2], "a6");
	rig_publish(&rig, topic, "a", "a7");
	RIG_UNTIL(&rig, seen.count == 4);
	ck_assert(!seen.is_over);
	bus_unbrowse(browser);
	browser = browse(&(struct bus_range){ .topic = topic, .live = true, .limit = 9 });
	RIG_UNTIL(&rig, seen.count == 8);
	rig_publish(&rig, topic, "c", "c8");
	rig_publish(&rig, topic, "c", "c9");
	RIG_UNTIL(&rig, seen.is_over);
	ck_assert_uint_eq(seen.count, 9);
	ck_assert_str_eq(seen.values[8], "c8");
	bus_unbrowse(browser);
	rig_done(&rig);
}
END_TEST

START_TEST(browsing_disturbs_no_group)
{
	rig_plan(&rig, _i);
	const char *topic = rig_topic(&rig, "aside");
	rig_open(&rig);
	for (int i = 0; i < 1000; i++)
		rig_publish(&rig, topic, "app/1", "x");
	rig_flush(&rig);
	struct bus_browser *browser = browse(&(struct bus_range){ .topic = topic });
	struct takes takes = { 0 };
	takes_subscribe(&takes, &rig, "g", topic, 100);
	RIG_UNTIL(&rig, seen.is_over && takes.count >= 1000);
	ck_assert_uint_eq(seen.count, 1000);
	ck_assert_uint_eq(takes.count, 1000);
	bus_unbrowse(browser);
	takes_done(&takes);
	rig_done(&rig);
}
END_TEST

START_TEST(a_browser_may_be_closed_before_it_has_seen_all)
{
	rig_plan(&rig, _i);
	const char *topic = rig_topic(&rig, "cut");
	rig_open(&rig);
	for (int i = 0; i < 500; i++)
		rig_publish(&rig, topic, "", "x");
	rig_flush(&rig);
	struct bus_browser *browser = browse(&(struct bus_range){ .topic = topic });
	RIG_UNTIL(&rig, seen.count > 0);
	bus_unbrowse(browser);
	size_t count = seen.count;
	rig_turn(&rig, 100);
	ck_assert_uint_eq(seen.count, count);
	rig_done(&rig);
}
END_TEST

Suite *bus_along_suite(void)
{
	Suite *suite = suite_create("bus along");
	const TTest *tests[] = { a_follower_is_given_the_newest_values_then_every_change,
		an_empty_topic_is_caught_up_with_at_once,
		processes_follow_a_change_within_a_second,
		a_follower_ends_with_the_newest_of_keys_that_keep_changing,
		browsing_finds_what_the_range_says, browsing_goes_on_live_where_asked,
		browsing_disturbs_no_group,
		a_browser_may_be_closed_before_it_has_seen_all };
	for (int engine = 0; engine < RIG_ENGINES; engine++) {
		if (!rig_has(engine))
			continue;
		TCase *tcase = tcase_create(rig_engine_name(engine));
		tcase_set_timeout(tcase, engine == RIG_LOCAL ? 60 : 180);
		for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
			tcase_add_loop_test(tcase, tests[i], engine, engine + 1);
		suite_add_tcase(suite, tcase);
	}
	return suite;
}
