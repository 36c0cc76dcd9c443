/* SPDX-License-Identifier: MIT
 *
 * What the Kafka engine has to prove where there are several brokers, which learn of
 * things one after the other: on a cluster of three that is started once (tools/kafka).
 */
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus_rig.h"
#include "lib/memory.h"

static struct rig rig;
static struct takes takes;

static char folder[64], brokers[96];

static void start_cluster(void)
{
	char command[96];
	snprintf(folder, sizeof(folder), "/tmp/postern-cluster-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(command, sizeof(command), "tools/kafka start %s 3 2>/dev/null", folder);
	FILE *output = popen(command, "r");
	ck_assert_ptr_nonnull(output);
	ck_assert_ptr_nonnull(fgets(brokers, sizeof(brokers), output));
	brokers[strcspn(brokers, "\n")] = '\0';
	ck_assert_int_eq(pclose(output), 0);
}

static void stop_cluster(void)
{
	char command[160];
	snprintf(command, sizeof(command), "tools/kafka stop %s; rm -rf %s", folder,
		folder);
	(void)!system(command);
}

static void signal_broker(int number, int what)
{
	char path[96];
	int pid = 0;
	snprintf(path, sizeof(path), "%s/broker-%d/pid", folder, number);
	FILE *file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%d", &pid), 1);
	fclose(file);
	kill(pid, what);
}

/* Also after a test that failed. */
static void wake_broker(void)
{
	signal_broker(3, SIGCONT);
}

static void begin(void)
{
	rig_plan(&rig, RIG_KAFKA);
	snprintf(rig.where, sizeof(rig.where), "kafka:%s", brokers);
	takes = (struct takes){ 0 };
}

static void finish(void)
{
	if (takes.reader)
		takes_done(&takes);
	rig_done(&rig);
}

START_TEST(what_is_published_before_the_last_broker_knows_the_topic_is_durable)
{
	begin();
	const char *topic = rig_topic(&rig, "fresh");
	rig_open(&rig);
	/* It leads some of the partitions, but can't know. */
	signal_broker(3, SIGSTOP);
	rig_publish_spread(&rig, topic, 0, 60);
	rig_turn(&rig, 2500);
	signal_broker(3, SIGCONT);
	rig_flush(&rig);
	ck_assert_uint_eq(rig.durable, 60);
	takes_subscribe(&takes, &rig, "g", topic, 100);
	RIG_UNTIL(&rig, takes.count == 60);
	finish();
}
END_TEST

START_TEST(two_buses_make_the_same_topics_and_nothing_fails)
{
	begin();
	struct rig other;
	rig_plan(&other, RIG_KAFKA);
	memcpy(other.where, rig.where, sizeof(other.where));
	rig_open(&rig);
	rig_open(&other);
	/* Both have connections to all brokers by then. */
	const char *warm = rig_topic(&rig, "warm");
	rig_publish_spread(&rig, warm, 0, 12);
	rig_publish_spread(&other, warm, 0, 12);
	for (int i = 0; i < 8; i++) {
		char name[16];
		snprintf(name, sizeof(name), i % 2 ? "made-%d" : "compact-%d", i);
		const char *topic = rig_topic(&rig, name);
		rig_publish_spread(&rig, topic, 0, 12);
		rig_publish_spread(&other, topic, 0, 12);
		for (int turn = 0; turn < 4; turn++) {
			rig_turn(&rig, 10);
			rig_turn(&other, 10);
		}
	}
	int64_t end_ms = clock_monotonic_ms() + 20000;
	while (clock_monotonic_ms() < end_ms &&
		rig.durable + other.durable + rig.failed + other.failed < 2 * 9 * 12) {
		rig_turn(&rig, 20);
		rig_turn(&other, 20);
	}
	ck_assert_msg(rig.failed == 0, "%s", rig.last_fault.text);
	ck_assert_msg(other.failed == 0, "%s", other.last_fault.text);
	ck_assert_uint_eq(rig.durable + other.durable, 2 * 9 * 12);
	rig_done(&other);
	finish();
}
END_TEST

static void add_partitions(rd_kafka_t *rk, const char *topic, size_t count)
{
	char why[128];
	rd_kafka_NewPartitions_t *more = rd_kafka_NewPartitions_new(
		topic, count, why, sizeof(why));
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_CreatePartitions(rk, &more, 1, NULL, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 10000);
	ck_assert_ptr_nonnull(event);
	ck_assert_int_eq(rd_kafka_event_error(event), 0);
	rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_NewPartitions_destroy(more);
}

START_TEST(what_is_added_to_a_topic_is_read_soon)
{
	begin();
	char why[128];
	const char *topic = rig_topic(&rig, "grown");
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	rig_open(&rig);
	takes_subscribe(&takes, &rig, "g", topic, 100);
	rig_publish_spread(&rig, topic, 0, 12);
	RIG_UNTIL(&rig, takes.count == 12);
	add_partitions(rk, topic, 9);
	int64_t added_ms = clock_monotonic_ms();
	ck_assert_int_eq(
		rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(8),
			RD_KAFKA_V_VALUE("more", 4), RD_KAFKA_V_END),
		0);
	ck_assert_int_eq(rd_kafka_flush(rk, 10000), 0);
	RIG_UNTIL(&rig, takes_of(&takes, "more") == 1);
	ck_assert_int_le(clock_monotonic_ms() - added_ms, 12000);
	rd_kafka_destroy(rk);
	finish();
}
END_TEST

struct watched {
	unsigned count;
	char fault[256];
};

static void note_seen(
	void *with, const struct bus_delivery *delivery, const struct fault *fault)
{
	struct watched *watched = with;
	watched->count += delivery != NULL;
	if (fault)
		snprintf(watched->fault, sizeof(watched->fault), "%.255s", fault->text);
	loop_stop(rig.loop);
}

START_TEST(a_fresh_topic_is_browsed_live_at_once)
{
	begin();
	struct fault fault;
	rig_open(&rig);
	for (int i = 0; i < 6; i++) {
		char name[16];
		snprintf(name, sizeof(name), "live-%d", i);
		const char *topic = rig_topic(&rig, name);
		struct watched watched = { 0 };
		struct bus_browser *browser = bus_browse(rig.bus,
			&(struct bus_range){ .topic = topic, .live = true }, note_seen,
			&watched, &fault);
		rig_publish(&rig, topic, "app/1", "x");
		RIG_UNTIL(&rig, watched.count || *watched.fault);
		ck_assert_msg(watched.count == 1, "%s", watched.fault);
		bus_unbrowse(browser);
	}
	finish();
}
END_TEST

static struct {
	char order[8];
	unsigned count;
} durable;

static void note_durable(void *with, const struct fault *fault)
{
	ck_assert_msg(!fault, "%s", fault ? fault->text : "");
	durable.order[durable.count++] = *(const char *)with;
	loop_stop(rig.loop);
}

static void publish_as(const char *topic, const char *name, const char *key, size_t size)
{
	char *value = memory_new(size);
	memset(value, *name, size);
	bus_publish(rig.bus,
		&(struct bus_record){
			.topic = topic, .key = slice_of(key), .value = { value, size } },
		note_durable, (void *)name);
	free(value);
}

struct kept {
	unsigned changes;
	char newest; /* of key "a" */
};

static void note_change(void *with, struct slice key, struct slice value)
{
	struct kept *kept = with;
	kept->changes++;
	if (slice_equal(key, SLICE("a")))
		kept->newest = value.data[0];
	loop_stop(rig.loop);
}

static void note_caught_up(void *with)
{
	(void)with;
}

START_TEST(in_a_compacted_topic_only_values_of_one_key_wait_for_each_other)
{
	begin();
	const struct bus_follow_calls calls = { note_change, note_caught_up };
	const char *topic = rig_topic(&rig, "compact");
	struct fault fault;
	struct kept kept = { 0 };
	rig_open(&rig);
	rig_publish(&rig, topic, "warm", "x");
	rig_flush(&rig);
	/* Twelve pieces, then the head. */
	publish_as(topic, "1", "a", 10000000);
	publish_as(topic, "2", "a", 1);
	publish_as(topic, "3", "b", 1);
	publish_as(topic, "4", "a", 2);
	RIG_UNTIL(&rig, durable.count == 4);
	ck_assert_str_eq(durable.order, "3124");
	struct bus_follower *follower = bus_follow(rig.bus, topic, &calls, &kept, &fault);
	RIG_UNTIL(&rig, kept.changes == 3);
	ck_assert_int_eq(kept.newest, '4');
	bus_unfollow(follower);
	finish();
}
END_TEST

START_TEST(a_topic_is_made_while_a_broker_is_down)
{
	begin();
	const char *topic = rig_topic(&rig, "without");
	rig_open(&rig);
	rig_publish(&rig, rig_topic(&rig, "before"), "app/1", "x");
	rig_flush(&rig);
	signal_broker(3, SIGKILL);
	int64_t killed_ms = clock_monotonic_ms();
	rig_publish_spread(&rig, topic, 0, 24);
	takes_subscribe(&takes, &rig, "g", topic, 100);
	rig_flush(&rig);
	RIG_UNTIL(&rig, takes.count >= 24);
	ck_assert_int_le(clock_monotonic_ms() - killed_ms, 20000);
	finish();
}
END_TEST

Suite *bus_cluster_suite(void)
{
	Suite *suite = suite_create("bus cluster");
	if (!rig_has(RIG_KAFKA) || getenv("KAFKA_TEST_NO_CLUSTER"))
		return suite;
	TCase *tcase = tcase_create("kafka cluster");
	tcase_set_timeout(tcase, 60);
	tcase_add_unchecked_fixture(tcase, start_cluster, stop_cluster);
	tcase_add_checked_fixture(tcase, NULL, wake_broker);
	tcase_add_test(tcase,
		what_is_published_before_the_last_broker_knows_the_topic_is_durable);
	tcase_add_test(tcase, two_buses_make_the_same_topics_and_nothing_fails);
	tcase_add_test(tcase, what_is_added_to_a_topic_is_read_soon);
	tcase_add_test(tcase, a_fresh_topic_is_browsed_live_at_once);
	tcase_add_test(
		tcase, in_a_compacted_topic_only_values_of_one_key_wait_for_each_other);
	/* The last: the broker stays dead. */
	tcase_add_test(tcase, a_topic_is_made_while_a_broker_is_down);
	suite_add_tcase(suite, tcase);
	return suite;
}
