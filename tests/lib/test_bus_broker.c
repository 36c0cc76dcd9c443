/* SPDX-License-Identifier: MIT
 *
 * The Kafka engine and a broker that goes away and comes back: one of the test's own
 * (tools/kafka), where POSTERN_TEST_KAFKA says that there is Kafka. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus_rig.h"

static struct rig rig;
static struct takes takes;

static void begin(void)
{
	rig_plan(&rig, RIG_KAFKA);
	takes = (struct takes){ 0 };
}

static void finish(void)
{
	takes_done(&takes);
	rig_done(&rig);
}

struct newest {
	unsigned changes;
	bool has_caught_up;
};

static void note_change(void *with, struct slice key, struct slice value)
{
	(void)key, (void)value;
	((struct newest *)with)->changes++;
	loop_stop(rig.loop);
}

static void note_caught_up(void *with)
{
	((struct newest *)with)->has_caught_up = true;
	loop_stop(rig.loop);
}

static const struct bus_follow_calls follow_calls = { note_change, note_caught_up };

static char broker_folder[64];

static void broker(const char *verb)
{
	char command[160];
	snprintf(command, sizeof(command), "tools/kafka %s %s >/dev/null 2>&1", verb,
		broker_folder);
	ck_assert_msg(system(command) == 0, "%s", command);
}

static void stop_broker(void)
{
	char command[160];
	if (!*broker_folder)
		return;
	snprintf(command, sizeof(command), "tools/kafka stop %s; rm -rf %s",
		broker_folder, broker_folder);
	(void)!system(command);
}

static void begin_with_own_broker(void)
{
	char path[96], port[16] = "";
	snprintf(broker_folder, sizeof(broker_folder), "/tmp/postern-broker-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(broker_folder));
	broker("start");
	begin();
	snprintf(path, sizeof(path), "%s/port", broker_folder);
	FILE *file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(port, sizeof(port), file));
	fclose(file);
	snprintf(rig.where, sizeof(rig.where), "kafka:127.0.0.1:%.*s",
		(int)strcspn(port, "\n"), port);
}

START_TEST(a_broker_that_was_away_is_used_again_by_itself)
{
	begin_with_own_broker();
	const char *topic = rig_topic(&rig, "away");
	struct fault why = { 0 };
	rig_open_with(&rig, &(struct bus_options){ .where = rig.where,
				    .instance = "here",
				    .publish_timeout_ms = 3000 });
	takes_subscribe(&takes, &rig, "g", topic, 10);
	rig_publish_spread(&rig, topic, 0, 20);
	rig_flush(&rig);
	RIG_UNTIL(&rig, takes.count == 20);
	ck_assert_msg(bus_is_healthy(rig.bus, &why), "%s", why.text);
	broker("stop");
	int64_t stopped_ms = clock_monotonic_ms();
	rig_publish(&rig, topic, "app/1", "lost");
	rig_publish(&rig, rig_topic(&rig, "never-seen"), "app/1", "lost");
	RIG_UNTIL(&rig, rig.failed == 2);
	ck_assert_int_eq(rig.last_fault.kind, FAULT_TEMPORARY);
	ck_assert_int_le(clock_monotonic_ms() - stopped_ms, 6000);
	RIG_UNTIL(&rig, !bus_is_healthy(rig.bus, &why));
	ck_assert_int_eq(why.kind, FAULT_TEMPORARY);
	/* Longer than a session, so that the group has to be joined anew. */
	rig_turn(&rig, 7000);
	broker("start");
	RIG_UNTIL(&rig, bus_is_healthy(rig.bus, &why));
	rig.asked = rig.durable = rig.failed = 0;
	rig_publish_spread(&rig, topic, 20, 40);
	rig_flush(&rig);
	/* Each partition when its leader is known again. */
	for (int i = 20; i < 40; i++) {
		char value[16];
		snprintf(value, sizeof(value), "%d", i);
		RIG_UNTIL(&rig, takes_of(&takes, value) >= 1);
	}
	finish();
	stop_broker();
}
END_TEST

START_TEST(a_bus_may_be_opened_before_its_broker)
{
	begin_with_own_broker();
	const char *topic = rig_topic(&rig, "early"), *kept = rig_topic(&rig, "compact");
	struct fault why = { 0 };
	struct newest newest = { 0 };
	broker("stop");
	rig_open(&rig);
	takes_subscribe(&takes, &rig, "g", topic, 10);
	struct bus_follower *follower = bus_follow(
		rig.bus, kept, &follow_calls, &newest, &why);
	rig_turn(&rig, 1500);
	ck_assert(!bus_is_healthy(rig.bus, &why));
	/* Within the time a publish may take, so it isn't even a fault. */
	rig_publish(&rig, topic, "app/1", "x");
	rig_publish(&rig, kept, "a", "1");
	broker("start");
	rig_flush(&rig);
	RIG_UNTIL(&rig, takes.count == 1 && newest.has_caught_up && newest.changes == 1);
	ck_assert_msg(bus_is_healthy(rig.bus, &why), "%s", why.text);
	bus_unfollow(follower);
	finish();
	stop_broker();
}
END_TEST

START_TEST(a_bus_closes_quickly_without_its_broker)
{
	begin();
	const char *topic = rig_topic(&rig, "nowhere");
	struct fault fault;
	snprintf(rig.where, sizeof(rig.where), "kafka:127.0.0.1:1,[::1]:2");
	rig_open(&rig);
	takes_subscribe(&takes, &rig, "g", topic, 10);
	struct newest newest = { 0 };
	struct bus_follower *follower = bus_follow(
		rig.bus, topic, &follow_calls, &newest, &fault);
	rig_publish(&rig, topic, "", "x");
	rig_turn(&rig, 1500);
	int64_t start_ms = clock_monotonic_ms();
	bus_unfollow(follower);
	finish();
	ck_assert_int_le(clock_monotonic_ms() - start_ms, 8000);
}
END_TEST

Suite *bus_broker_suite(void)
{
	Suite *suite = suite_create("bus broker");
	if (!rig_has(RIG_KAFKA))
		return suite;
	TCase *tcase = tcase_create("kafka with a broker of its own");
	tcase_set_timeout(tcase, 180);
	tcase_add_checked_fixture(tcase, NULL, stop_broker);
	tcase_add_test(tcase, a_broker_that_was_away_is_used_again_by_itself);
	tcase_add_test(tcase, a_bus_may_be_opened_before_its_broker);
	tcase_add_test(tcase, a_bus_closes_quickly_without_its_broker);
	suite_add_tcase(suite, tcase);
	return suite;
}
