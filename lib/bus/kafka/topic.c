/* SPDX-License-Identifier: MIT */
#include "lib/bus/kafka/topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/memory.h"

enum {
	METADATA_MS = 3000,
	CREATE_MS = 10000,
	VISIBLE_MS = 10000,
	BROKER_MS = 1000, /* how long one broker may be silent about a new topic */
	LOOK_AGAIN_MS = 5,
};

struct wanted {
	char *name;
	struct bus_topic kept;
	int partitions;
	bool is_there;
};

struct ensuring {
	struct kafka_errand errand;
	struct kafka *kafka;
	rd_kafka_t *rk;
	kafka_ensured *ensured;
	struct wanted *wanted;
	size_t count;
	bool has_failed;
	struct fault fault;
};

static bool is_usable(const rd_kafka_metadata_topic_t *topic)
{
	for (int i = 0; i < topic->partition_cnt; i++)
		if (topic->partitions[i].leader < 0)
			return false;
	return topic->err == RD_KAFKA_RESP_ERR_NO_ERROR && topic->partition_cnt > 0;
}

static const rd_kafka_metadata_topic_t *find_topic(
	const struct rd_kafka_metadata *metadata, const char *name)
{
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (strcmp(metadata->topics[i].topic, name) == 0)
			return &metadata->topics[i];
	return NULL;
}

/* Asks for all topics, for asking for one by name may create it. */
static bool ask_metadata(rd_kafka_t *rk, int timeout_ms,
	const struct rd_kafka_metadata **ret_metadata, struct fault *fault)
{
	rd_kafka_resp_err_t err = rd_kafka_metadata(
		rk, 1, NULL, ret_metadata, timeout_ms);
	return err == RD_KAFKA_RESP_ERR_NO_ERROR ||
	       fault_temporary(fault, "Kafka metadata: %s", rd_kafka_err2str(err));
}

int kafka_topic_partitions(
	rd_kafka_t *rk, const char *topic, int timeout_ms, struct fault *fault)
{
	const struct rd_kafka_metadata *metadata;
	if (!ask_metadata(rk, timeout_ms, &metadata, fault))
		return -1;
	const rd_kafka_metadata_topic_t *found = find_topic(metadata, topic);
	int count = found ? found->partition_cnt : 0;
	rd_kafka_metadata_destroy(metadata);
	return count;
}

/* Notes which are there; false if the broker didn't answer. `ret_missing`: how many are
 * unknown or without a leader. */
static bool look(struct ensuring *ensuring, size_t *ret_missing)
{
	const struct rd_kafka_metadata *metadata;
	if (!ask_metadata(ensuring->rk, METADATA_MS, &metadata, &ensuring->fault))
		return false;
	size_t missing = 0;
	for (size_t i = 0; i < ensuring->count; i++) {
		struct wanted *wanted = &ensuring->wanted[i];
		const rd_kafka_metadata_topic_t *topic = find_topic(
			metadata, wanted->name);
		wanted->is_there = topic != NULL;
		missing += !topic || !is_usable(topic);
	}
	rd_kafka_metadata_destroy(metadata);
	*ret_missing = missing;
	return true;
}

static void set_number(rd_kafka_NewTopic_t *topic, const char *name, int64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%lld", (long long)value);
	rd_kafka_NewTopic_set_config(topic, name, text);
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* Kafka deletes and compacts whole closed segments only, so these must be small beside
 * what is to be kept. */
static void set_retention(rd_kafka_NewTopic_t *topic, const struct wanted *wanted)
{
	const int64_t minute = 60000, day = 24 * 60 * minute, mib = 1 << 20;
	const struct bus_topic *kept = &wanted->kept;
	if (kept->compacted) {
		rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
		set_number(topic, "segment.bytes", 64 * mib);
		set_number(topic, "segment.ms", day);
		return;
	}
	int64_t bytes = kept->is_work ? 0 : kept->retention_bytes / wanted->partitions;
	set_number(topic, "retention.ms", kept->retention_ms ? kept->retention_ms : -1);
	set_number(topic, "retention.bytes", bytes ? bytes : -1);
	if (kept->retention_ms)
		set_number(topic, "segment.ms",
			clamp(kept->retention_ms / 8, minute, 7 * day));
	if (bytes)
		set_number(topic, "segment.bytes", clamp(bytes / 8, 8 * mib, 1024 * mib));
}

static rd_kafka_NewTopic_t *new_topic(const struct wanted *wanted)
{
	char why[128];
	/* Replication as the broker's default says. */
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
		wanted->name, wanted->partitions, -1, why, sizeof(why));
	if (topic)
		set_retention(topic, wanted);
	return topic;
}

static bool check_results(rd_kafka_event_t *event, struct fault *fault)
{
	const rd_kafka_CreateTopics_result_t *result =
		event ? rd_kafka_event_CreateTopics_result(event) : NULL;
	if (!result || rd_kafka_event_error(event))
		return fault_temporary(fault, "creating a topic: %s",
			event ? rd_kafka_event_error_string(event) : "no answer");
	size_t count;
	const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(
		result, &count);
	for (size_t i = 0; i < count; i++) {
		rd_kafka_resp_err_t err = rd_kafka_topic_result_error(topics[i]);
		const char *name = rd_kafka_topic_result_name(topics[i]);
		const char *why = rd_kafka_topic_result_error_string(topics[i]);
		if (err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION)
			return fault_permanent(fault, "topic %s: %s", name, why);
		if (err && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
			return fault_temporary(fault,
				"topic %s isn't there and can't be created: %s", name,
				why ? why : rd_kafka_err2str(err));
	}
	return true;
}

static bool create_missing(struct ensuring *ensuring)
{
	size_t count = 0;
	rd_kafka_NewTopic_t **topics = NEW_ARRAY(rd_kafka_NewTopic_t *, ensuring->count);
	for (size_t i = 0; i < ensuring->count; i++) {
		struct wanted *wanted = &ensuring->wanted[i];
		if (!wanted->is_there && (topics[count] = new_topic(wanted)))
			count++;
	}
	bool is_good = true;
	if (count) {
		char why[128];
		rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(
			ensuring->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
		rd_kafka_AdminOptions_set_request_timeout(
			options, CREATE_MS, why, sizeof(why));
		rd_kafka_queue_t *queue = rd_kafka_queue_new(ensuring->rk);
		rd_kafka_CreateTopics(ensuring->rk, topics, count, options, queue);
		rd_kafka_event_t *event = rd_kafka_queue_poll(queue, CREATE_MS + 1000);
		is_good = check_results(event, &ensuring->fault);
		if (event)
			rd_kafka_event_destroy(event);
		rd_kafka_queue_destroy(queue);
		rd_kafka_AdminOptions_destroy(options);
		rd_kafka_NewTopic_destroy_array(topics, count);
	}
	free(topics);
	return is_good;
}

/* A broker that doesn't answer, or not to us, is not waited for. */
static bool tells_of_unknown(rd_kafka_event_t *event)
{
	const rd_kafka_DescribeConfigs_result_t *result =
		event ? rd_kafka_event_DescribeConfigs_result(event) : NULL;
	size_t count = 0;
	const rd_kafka_ConfigResource_t **resources =
		result ? rd_kafka_DescribeConfigs_result_resources(result, &count) : NULL;
	for (size_t i = 0; i < count; i++)
		if (rd_kafka_ConfigResource_error(resources[i]) ==
			RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
			return true;
	return false;
}

/* Metadata comes from whichever broker librdkafka likes; this goes to the one named. */
static bool is_unknown_at(struct ensuring *ensuring, int32_t broker)
{
	char why[128];
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(
		ensuring->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_AdminOptions_set_request_timeout(options, BROKER_MS, why, sizeof(why));
	rd_kafka_AdminOptions_set_broker(options, broker, why, sizeof(why));
	rd_kafka_ConfigResource_t **resources = NEW_ARRAY(
		rd_kafka_ConfigResource_t *, ensuring->count);
	for (size_t i = 0; i < ensuring->count; i++)
		resources[i] = rd_kafka_ConfigResource_new(
			RD_KAFKA_RESOURCE_TOPIC, ensuring->wanted[i].name);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(ensuring->rk);
	rd_kafka_DescribeConfigs(
		ensuring->rk, resources, ensuring->count, options, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, BROKER_MS);
	bool is_unknown = tells_of_unknown(event);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_ConfigResource_destroy_array(resources, ensuring->count);
	free(resources);
	rd_kafka_AdminOptions_destroy(options);
	return is_unknown;
}

/* Each broker learns of a new topic in its own time, and refuses it until then. */
static bool wait_for_brokers(struct ensuring *ensuring, int64_t deadline_ms)
{
	const struct rd_kafka_metadata *metadata;
	if (!ask_metadata(ensuring->rk, METADATA_MS, &metadata, &ensuring->fault))
		return false;
	for (int i = 0; i < metadata->broker_cnt && metadata->broker_cnt > 1; i++)
		while (is_unknown_at(ensuring, metadata->brokers[i].id) &&
			clock_monotonic_ms() < deadline_ms)
			usleep(LOOK_AGAIN_MS * 1000);
	rd_kafka_metadata_destroy(metadata);
	return true;
}

static bool wait_until_seen(struct ensuring *ensuring)
{
	size_t missing;
	int64_t deadline_ms = clock_monotonic_ms() + VISIBLE_MS;
	while (look(ensuring, &missing)) {
		if (missing == 0)
			return wait_for_brokers(ensuring, deadline_ms);
		if (clock_monotonic_ms() > deadline_ms)
			return fault_temporary(&ensuring->fault,
				"topic %s has no leader yet", ensuring->wanted[0].name);
		usleep(LOOK_AGAIN_MS * 1000);
	}
	return false;
}

/* Blocks, on the errands' thread. */
static bool ensure_all(struct ensuring *ensuring)
{
	size_t missing;
	if (!look(ensuring, &missing))
		return false;
	return missing == 0 || (create_missing(ensuring) && wait_until_seen(ensuring));
}

static void run_ensuring(struct kafka_errand *errand)
{
	struct ensuring *ensuring = (struct ensuring *)errand;
	ensuring->has_failed = !ensure_all(ensuring);
}

static void end_ensuring(struct kafka_errand *errand)
{
	struct ensuring *ensuring = (struct ensuring *)errand;
	if (errand->owner) {
		if (!ensuring->has_failed)
			kafka_note_answer(ensuring->kafka);
		ensuring->ensured(
			errand->owner, ensuring->has_failed ? &ensuring->fault : NULL);
	}
	for (size_t i = 0; i < ensuring->count; i++)
		free(ensuring->wanted[i].name);
	free(ensuring->wanted);
	free(ensuring);
}

static void want(struct kafka *kafka, struct wanted *wanted, const char *name)
{
	const struct bus_topic *kept = bus_topic_find(kafka->topics, name);
	wanted->name = memory_string(slice_of(name));
	if (kept)
		wanted->kept = *kept;
	wanted->partitions = wanted->kept.compacted ? 1 : KAFKA_PARTITIONS;
	if (strncmp(name, KAFKA_OWN_PREFIX, strlen(KAFKA_OWN_PREFIX)) == 0) {
		/* One partition: read in the order of writing, see mover.c. */
		wanted->partitions = 1;
		wanted->kept = (struct bus_topic){ .retention_ms = KAFKA_RETRY_KEPT_MS };
	}
}

struct kafka_errand *kafka_topics_ensure(
	struct kafka *kafka, const char *const *names, kafka_ensured *ensured, void *with)
{
	struct ensuring *ensuring = NEW(struct ensuring);
	while (names[ensuring->count])
		ensuring->count++;
	ensuring->errand = (struct kafka_errand){
		.run = run_ensuring, .done = end_ensuring, .owner = with
	};
	ensuring->kafka = kafka;
	ensuring->rk = kafka->producer->rk;
	ensuring->ensured = ensured;
	ensuring->has_failed = true;
	fault_temporary(&ensuring->fault, "the bus is being closed");
	ensuring->wanted = NEW_ARRAY(struct wanted, ensuring->count);
	for (size_t i = 0; i < ensuring->count; i++)
		want(kafka, &ensuring->wanted[i], names[i]);
	kafka_errands_add(kafka->errands, &ensuring->errand);
	return &ensuring->errand;
}
