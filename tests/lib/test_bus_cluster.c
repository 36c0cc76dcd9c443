/* SPDX-License-Identifier: MIT
 *
 * What the Kafka engine has to prove where there are several brokers, which learn of
 * things one after the other: on a cluster of three that is started once (tools/kafka);
 * and what only injected errors show, on librdkafka's mock cluster. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus_rig.h"
#include "lib/bus/kafka/reader.h"
#include "lib/memory.h"

static struct rig rig;
static struct takes takes;

/* The cluster. */

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

static void publish_spread(struct rig *whose, const char *topic, int count)
{
	for (int i = 0; i < count; i++) {
		char key[16], value[16];
		snprintf(key, sizeof(key), "app/%d", i % 12);
		snprintf(value, sizeof(value), "%d", i);
		rig_publish(whose, topic, key, value);
	}
}

START_TEST(what_is_published_before_the_last_broker_knows_the_topic_is_durable)
{
	begin();
	const char *topic = rig_topic(&rig, "fresh");
	rig_open(&rig);
	/* It leads some of the partitions, but can't know. */
	signal_broker(3, SIGSTOP);
	publish_spread(&rig, topic, 60);
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
	publish_spread(&rig, warm, 12);
	publish_spread(&other, warm, 12);
	for (int i = 0; i < 8; i++) {
		char name[16];
		snprintf(name, sizeof(name), i % 2 ? "made-%d" : "compact-%d", i);
		const char *topic = rig_topic(&rig, name);
		publish_spread(&rig, topic, 12);
		publish_spread(&other, topic, 12);
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
	publish_spread(&rig, topic, 12);
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
	publish_spread(&rig, topic, 24);
	takes_subscribe(&takes, &rig, "g", topic, 100);
	rig_flush(&rig);
	RIG_UNTIL(&rig, takes.count >= 24);
	ck_assert_int_le(clock_monotonic_ms() - killed_ms, 20000);
	finish();
}
END_TEST

/* The mock. */

enum { API_OFFSET_COMMIT = 8, API_OFFSET_FETCH = 9 };

static rd_kafka_t *mock_owner;
static rd_kafka_mock_cluster_t *mock;

static const char *const movers[] = { KAFKA_OWN_PREFIX "0s", KAFKA_OWN_PREFIX "1s",
	KAFKA_OWN_PREFIX "5s", KAFKA_OWN_PREFIX "30s", KAFKA_OWN_PREFIX "2m",
	KAFKA_OWN_PREFIX "10m", KAFKA_OWN_PREFIX "1h" };

static void begin_with_mock(void)
{
	char why[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "socket.nagle.disable", "true", why, sizeof(why));
	rd_kafka_conf_set(conf, "log_level", "3", why, sizeof(why));
	mock_owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	ck_assert_msg(mock_owner != NULL, "%s", why);
	mock = rd_kafka_mock_cluster_new(mock_owner, 1);
	/* The mock makes none when it is asked, and the bus asks for 10 s. */
	for (size_t i = 0; i < sizeof(movers) / sizeof(*movers); i++)
		rd_kafka_mock_topic_create(mock, movers[i], 1, 1);
	rig_plan(&rig, RIG_KAFKA);
	snprintf(rig.where, sizeof(rig.where), "kafka:%s",
		rd_kafka_mock_cluster_bootstraps(mock));
	takes = (struct takes){ 0 };
}

static const char *mock_topic(const char *name)
{
	const char *topic = rig_topic(&rig, name);
	ck_assert_int_eq(rd_kafka_mock_topic_create(mock, topic, 6, 1), 0);
	return topic;
}

static void destroy_mock(void)
{
	rd_kafka_mock_cluster_destroy(mock);
	rd_kafka_destroy(mock_owner);
}

static void finish_with_mock(void)
{
	finish();
	destroy_mock();
}

static void note_listed(void *with, const char *topic, const struct fault *fault)
{
	(void)fault;
	if (!topic)
		*(bool *)with = true;
	loop_stop(rig.loop);
}

/* The producer hears of it from metadata, as from a broker that hasn't heard of the topic
 * yet. */
static void forget_topic(const char *topic)
{
	bool is_over = false;
	rd_kafka_mock_topic_set_error(
		mock, topic, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	bus_list(rig.bus, "", note_listed, &is_over);
	RIG_UNTIL(&rig, is_over);
}

START_TEST(a_topic_that_a_broker_does_not_know_yet_is_tried_until_it_does)
{
	begin_with_mock();
	const char *topic = mock_topic("unknown");
	rig_open(&rig);
	rig_publish(&rig, topic, "app/1", "x");
	rig_flush(&rig);
	forget_topic(topic);
	publish_spread(&rig, topic, 12);
	rig_turn(&rig, 1500);
	ck_assert_uint_eq(rig.durable, 1);
	ck_assert_msg(rig.failed == 0, "%s", rig.last_fault.text);
	rd_kafka_mock_topic_set_error(mock, topic, RD_KAFKA_RESP_ERR_NO_ERROR);
	rig_flush(&rig);
	ck_assert_uint_eq(rig.durable, 13);
	finish_with_mock();
}
END_TEST

START_TEST(a_topic_that_no_broker_ever_knows_fails_in_time_and_says_why)
{
	begin_with_mock();
	const char *topic = mock_topic("unknown");
	rig_open_with(&rig, &(struct bus_options){ .where = rig.where,
				    .instance = "here",
				    .publish_timeout_ms = 2000 });
	rig_publish(&rig, topic, "app/1", "x");
	rig_flush(&rig);
	forget_topic(topic);
	int64_t start_ms = clock_monotonic_ms();
	rig_publish(&rig, topic, "app/1", "x");
	RIG_UNTIL(&rig, rig.failed == 1);
	ck_assert_int_ge(clock_monotonic_ms() - start_ms, 1500);
	ck_assert_int_le(clock_monotonic_ms() - start_ms, 5000);
	ck_assert_int_eq(rig.last_fault.kind, FAULT_TEMPORARY);
	ck_assert_msg(strstr(rig.last_fault.text, "Unknown topic") != NULL, "%s",
		rig.last_fault.text);
	finish_with_mock();
}
END_TEST

START_TEST(a_member_that_only_a_commit_shuts_out_comes_back)
{
	begin_with_mock();
	const char *topic = mock_topic("shut-out");
	struct fault why = { 0 };
	rig_open_with(
		&rig, &(struct bus_options){ .where = rig.where, .instance = "here" });
	takes_subscribe(&takes, &rig, "g", topic, 10);
	rd_kafka_mock_push_request_errors(
		mock, API_OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
	publish_spread(&rig, topic, 12);
	RIG_UNTIL(&rig, takes.count >= 12);
	unsigned losses = 0;
	RIG_UNTIL(&rig, losses += bus_losses(rig.bus, &why));
	ck_assert_msg(strstr(why.text, "was shut out") != NULL, "%s", why.text);
	publish_spread(&rig, topic, 13);
	RIG_UNTIL(&rig, takes_of(&takes, "12") > 0);
	finish_with_mock();
}
END_TEST

START_TEST(a_member_that_closes_before_it_has_answered_an_offer_leaves)
{
	begin_with_mock();
	const char *topic = mock_topic("offered");
	rig_open(&rig);
	rd_kafka_mock_broker_push_request_error_rtts(
		mock, 1, API_OFFSET_FETCH, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 1000);
	takes_subscribe(&takes, &rig, "g", topic, 10);
	struct kafka_reader *reader = (struct kafka_reader *)takes.reader;
	RIG_UNTIL(&rig, reader->membership == KAFKA_OFFERED);
	/* The broker's answer takes 1 s; one that leaves is patient for 2 s. */
	int64_t start_ms = clock_monotonic_ms();
	finish();
	ck_assert_int_le(clock_monotonic_ms() - start_ms, 2500);
	destroy_mock();
}
END_TEST

Suite *bus_cluster_suite(void)
{
	Suite *suite = suite_create("bus cluster");
	TCase *injected = tcase_create("kafka mock");
	tcase_set_timeout(injected, 60);
	tcase_add_test(
		injected, a_topic_that_a_broker_does_not_know_yet_is_tried_until_it_does);
	tcase_add_test(
		injected, a_topic_that_no_broker_ever_knows_fails_in_time_and_says_why);
	tcase_add_test(injected, a_member_that_only_a_commit_shuts_out_comes_back);
	tcase_add_test(
		injected, a_member_that_closes_before_it_has_answered_an_offer_leaves);
	suite_add_tcase(suite, injected);
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
