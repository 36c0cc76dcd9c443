/* SPDX-License-Identifier: MIT
 *
 * What only injected errors show of the Kafka engine, on librdkafka's mock cluster. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <string.h>

#include "bus_rig.h"
#include "lib/bus/kafka/reader.h"

static struct rig rig;
static struct takes takes;

enum { API_OFFSET_COMMIT = 8, API_OFFSET_FETCH = 9 };

static rd_kafka_t *mock_owner;
static rd_kafka_mock_cluster_t *mock;

static const char *const movers[] = { KAFKA_OWN_PREFIX "0s", KAFKA_OWN_PREFIX "1s",
	KAFKA_OWN_PREFIX "5s", KAFKA_OWN_PREFIX "30s", KAFKA_OWN_PREFIX "2m",
	KAFKA_OWN_PREFIX "10m", KAFKA_OWN_PREFIX "1h" };

static void begin(void)
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

static void finish(void)
{
	if (takes.reader)
		takes_done(&takes);
	rig_done(&rig);
	rd_kafka_mock_cluster_destroy(mock);
	rd_kafka_destroy(mock_owner);
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
	begin();
	const char *topic = mock_topic("unknown");
	rig_open(&rig);
	rig_publish(&rig, topic, "app/1", "x");
	rig_flush(&rig);
	forget_topic(topic);
	rig_publish_spread(&rig, topic, 0, 12);
	rig_turn(&rig, 1500);
	ck_assert_uint_eq(rig.durable, 1);
	ck_assert_msg(rig.failed == 0, "%s", rig.last_fault.text);
	rd_kafka_mock_topic_set_error(mock, topic, RD_KAFKA_RESP_ERR_NO_ERROR);
	rig_flush(&rig);
	ck_assert_uint_eq(rig.durable, 13);
	finish();
}
END_TEST

START_TEST(a_topic_that_no_broker_ever_knows_fails_in_time_and_says_why)
{
	begin();
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
	finish();
}
END_TEST

START_TEST(a_member_that_only_a_commit_shuts_out_comes_back)
{
	begin();
	const char *topic = mock_topic("shut-out");
	struct fault why = { 0 };
	rig_open_with(
		&rig, &(struct bus_options){ .where = rig.where, .instance = "here" });
	takes_subscribe(&takes, &rig, "g", topic, 10);
	rd_kafka_mock_push_request_errors(
		mock, API_OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
	rig_publish_spread(&rig, topic, 0, 12);
	RIG_UNTIL(&rig, takes.count >= 12);
	unsigned losses = 0;
	RIG_UNTIL(&rig, losses += bus_losses(rig.bus, &why));
	ck_assert_msg(strstr(why.text, "was shut out") != NULL, "%s", why.text);
	rig_publish_spread(&rig, topic, 0, 13);
	RIG_UNTIL(&rig, takes_of(&takes, "12") > 0);
	finish();
}
END_TEST

START_TEST(a_member_that_closes_before_it_has_answered_an_offer_leaves)
{
	begin();
	const char *topic = mock_topic("offered");
	rig_open(&rig);
	rd_kafka_mock_broker_push_request_error_rtts(
		mock, 1, API_OFFSET_FETCH, 1, RD_KAFKA_RESP_ERR_NO_ERROR, 1000);
	takes_subscribe(&takes, &rig, "g", topic, 10);
	struct kafka_reader *reader = (struct kafka_reader *)takes.reader;
	RIG_UNTIL(&rig, reader->membership == KAFKA_OFFERED);
	/* The broker's answer takes 1 s; one that leaves is patient for 2 s. */
	int64_t start_ms = clock_monotonic_ms();
	takes_done(&takes);
	rig_close(&rig);
	ck_assert_int_le(clock_monotonic_ms() - start_ms, 2500);
	finish();
}
END_TEST

Suite *bus_mock_suite(void)
{
	Suite *suite = suite_create("bus mock");
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
	return suite;
}
