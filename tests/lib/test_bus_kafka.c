/* SPDX-License-Identifier: MIT
 *
 * What only the Kafka engine has to prove, against the broker that POSTERN_TEST_KAFKA
 * names: members that come, go and are killed; large values in compacted topics; damage;
 * losses. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus_rig.h"
#include "lib/bus/kafka/marks.h"
#include "lib/memory.h"

static struct rig rig;
static struct takes first, second;

static void begin(void)
{
	rig_plan(&rig, RIG_KAFKA);
	first = second = (struct takes){ 0 };
}

static void finish(void)
{
	if (first.reader)
		takes_done(&first);
	if (second.reader)
		takes_done(&second);
	rig_done(&rig);
}

static void settle_all(struct takes *takes)
{
	for (size_t i = 0; i < takes->count; i++)
		if (takes->rows[i].delivery)
			takes_settle(takes, i);
}

/* Members. */

START_TEST(a_new_member_takes_nothing_that_another_has_in_hand)
{
	begin();
	const char *topic = rig_topic(&rig, "handover");
	rig_open(&rig);
	rig_publish_spread(&rig, topic, 0, 60);
	rig_flush(&rig);
	first.keeps = true;
	takes_subscribe(&first, &rig, "g", topic, 30);
	RIG_UNTIL(&rig, first.count == 30);
	takes_subscribe(&second, &rig, "g", topic, 100);
	/* The group waits for the first to finish what it has. */
	rig_turn(&rig, 2000);
	ck_assert_uint_eq(second.count, 0);
	first.keeps = false;
	settle_all(&first);
	RIG_UNTIL(&rig, first.count + second.count >= 60);
	rig_turn(&rig, 300);
	ck_assert_uint_eq(first.count + second.count, 60);
	for (int i = 0; i < 60; i++) {
		char value[16];
		snprintf(value, sizeof(value), "%d", i);
		ck_assert_uint_eq(takes_of(&first, value) + takes_of(&second, value), 1);
	}
	rig_publish_spread(&rig, topic, 60, 160);
	RIG_UNTIL(&rig, first.count + second.count >= 160);
	ck_assert_uint_eq(first.count + second.count, 160);
	ck_assert_uint_gt(second.count, 20);
	finish();
}
END_TEST

START_TEST(what_is_in_hand_for_long_is_not_given_to_its_holder_again)
{
	begin();
	const char *topic = rig_topic(&rig, "long");
	rig_open(&rig);
	rig_publish_spread(&rig, topic, 0, 24);
	rig_flush(&rig);
	first.keeps = true;
	takes_subscribe(&first, &rig, "g", topic, 100);
	RIG_UNTIL(&rig, first.count == 24);
	for (size_t i = 0; i < 24; i += 2)
		takes_settle(&first, i);
	/* Longer than the group waits; then half of the partitions move. */
	takes_subscribe(&second, &rig, "g", topic, 100);
	RIG_UNTIL(&rig, second.count > 0);
	rig_turn(&rig, 500);
	ck_assert_uint_eq(first.count, 24);
	takes_done(&second);
	/* They come back. What the second has settled does not. */
	rig_publish_spread(&rig, topic, 24, 48);
	RIG_UNTIL(&rig, first.count >= 48);
	rig_turn(&rig, 500);
	ck_assert_uint_eq(first.count, 48);
	settle_all(&first);
	takes_done(&first);
	takes_subscribe(&first, &rig, "g", topic, 100);
	rig_turn(&rig, 2000);
	ck_assert_uint_eq(first.count, 0);
	finish();
}
END_TEST

static void hold_and_tell(struct rig *child, int fd, void *with)
{
	struct takes takes = { .keeps = true };
	takes_subscribe(&takes, child, "g", with, 5);
	RIG_UNTIL(child, takes.count == 5);
	child_say(fd, "holding");
	rig_turn(child, 60000);
}

static void open_as(struct rig *rig_of, const char *instance)
{
	rig_open_with(rig_of,
		&(struct bus_options){ .where = rig_of->where, .instance = instance });
}

static void hold_as_twin(struct rig *child, int fd, void *with)
{
	rig_close(child);
	open_as(child, "twin");
	hold_and_tell(child, fd, with);
}

START_TEST(a_killed_member_that_comes_back_goes_on_at_once)
{
	begin();
	const char *topic = rig_topic(&rig, "back");
	struct child child;
	char line[256];
	child_start(&child, &rig, hold_as_twin, (void *)topic);
	open_as(&rig, "twin");
	rig_publish_spread(&rig, topic, 0, 10);
	rig_flush(&rig);
	ck_assert(child_hear(&child, &rig, line));
	child_kill(&child);
	int64_t killed_ms = clock_monotonic_ms();
	takes_subscribe(&first, &rig, "g", topic, 100);
	RIG_UNTIL(&rig, first.count == 10);
	/* A member under another name waits for the session to time out: 6 s. */
	ck_assert_int_le(clock_monotonic_ms() - killed_ms, 4000);
	finish();
}
END_TEST

START_TEST(a_live_twin_is_not_shut_out_for_good)
{
	begin();
	const char *topic = rig_topic(&rig, "twins");
	struct rig other;
	rig_plan(&other, RIG_KAFKA);
	memcpy(other.prefix, rig.prefix, sizeof(other.prefix));
	other.loop = NULL;
	open_as(&rig, "twin");
	open_as(&other, "twin");
	takes_subscribe(&first, &rig, "g", topic, 10);
	rig_publish_spread(&rig, topic, 0, 24);
	RIG_UNTIL(&rig, first.count == 24);
	takes_subscribe(&second, &other, "g", topic, 10);
	rig_publish_spread(&rig, topic, 24, 240);
	int64_t end_ms = clock_monotonic_ms() + 30000;
	while (first.count + second.count < 240 && clock_monotonic_ms() < end_ms) {
		rig_turn(&rig, 20);
		rig_turn(&other, 20);
	}
	ck_assert_uint_ge(first.count + second.count, 240);
	/* Both work, the older one without its name. */
	size_t before = first.count;
	end_ms = clock_monotonic_ms() + 30000;
	for (int i = 240; first.count == before && clock_monotonic_ms() < end_ms;
		i += 12) {
		rig_publish_spread(&rig, topic, i, i + 12);
		rig_turn(&rig, 200);
		rig_turn(&other, 200);
	}
	ck_assert_uint_gt(first.count, before);
	takes_done(&second);
	rig_done(&other);
	finish();
}
END_TEST

START_TEST(a_returned_record_comes_to_its_own_group_only)
{
	begin();
	const char *topic = rig_topic(&rig, "own");
	rig_open(&rig);
	takes_subscribe(&first, &rig, "one", topic, 10);
	takes_subscribe(&second, &rig, "two", topic, 10);
	first.keeps = true;
	rig_publish(&rig, topic, "app/1", "a");
	RIG_UNTIL(&rig, first.count == 1 && second.count == 1);
	bus_return(first.rows[0].delivery, 0);
	RIG_UNTIL(&rig, first.count == 2);
	ck_assert_uint_eq(first.rows[1].attempt, 2);
	ck_assert_int_eq(first.rows[1].published_ms, first.rows[0].published_ms);
	bus_return(first.rows[1].delivery, clock_unix_ms() + 700);
	RIG_UNTIL(&rig, first.count == 3);
	ck_assert_uint_eq(first.rows[2].attempt, 3);
	ck_assert_int_eq(first.rows[2].published_ms, first.rows[0].published_ms);
	rig_turn(&rig, 500);
	ck_assert_uint_eq(second.count, 1);
	finish();
}
END_TEST

START_TEST(a_distant_due_time_does_not_hold_back_a_near_one)
{
	begin();
	const char *topic = rig_topic(&rig, "near");
	rig_open(&rig);
	takes_subscribe(&first, &rig, "g", topic, 10);
	int64_t now_ms = clock_unix_ms();
	const int waits_ms[] = { 7200000, 6500, 300, 2500, 1200 };
	const char *values[] = { "2 h", "6.5 s", "0.3 s", "2.5 s", "1.2 s" };
	for (int i = 0; i < 5; i++)
		rig_publish_record(&rig, &(struct bus_record){ .topic = topic,
						 .key = SLICE("app/1"),
						 .value = slice_of(values[i]),
						 .due_ms = now_ms + waits_ms[i] });
	rig_flush(&rig);
	RIG_UNTIL(&rig, first.count == 4);
	const int order[] = { 2, 4, 3, 1 };
	for (int i = 0; i < 4; i++) {
		int64_t late_ms = first.rows[i].at_ms - now_ms - waits_ms[order[i]];
		ck_assert_str_eq(first.rows[i].value, values[order[i]]);
		ck_assert_msg(late_ms >= 0 && late_ms <= 1000, "%s: late by %d ms",
			values[order[i]], (int)late_ms);
		ck_assert_uint_eq(first.rows[i].attempt, 1);
		ck_assert_int_le(llabs(first.rows[i].published_ms - now_ms), 1000);
	}
	finish();
}
END_TEST

/* Large values. */

static char *large(size_t size, char seed)
{
	char *value = memory_new(size);
	for (size_t i = 0; i < size; i++)
		value[i] = (char)((i * 2654435761u >> 13) + (unsigned char)seed);
	return value;
}

static void publish_large(const char *topic, const char *key, size_t size, char seed)
{
	char *value = large(size, seed);
	rig_publish_record(&rig,
		&(struct bus_record){
			.topic = topic, .key = slice_of(key), .value = { value, size } });
	free(value);
}

struct newest {
	unsigned changes, caught_up;
	size_t sizes[3]; /* of the keys "a", "b" and "c" */
	char seeds[3];
};

static void note_change(void *with, struct slice key, struct slice value)
{
	struct newest *newest = with;
	int i = key.data[0] - 'a';
	newest->changes++;
	newest->sizes[i] = value.size;
	newest->seeds[i] = value.size ? value.data[0] : 0;
	if (value.size > 1) {
		char *wanted = large(value.size, value.data[0]);
		ck_assert(memcmp(wanted, value.data, value.size) == 0);
		free(wanted);
	}
	loop_stop(rig.loop);
}

static void note_caught_up(void *with)
{
	((struct newest *)with)->caught_up++;
	loop_stop(rig.loop);
}

static const struct bus_follow_calls follow_calls = { note_change, note_caught_up };

/* Keys of pieces in the topic that have not been deleted again. */
struct pieces {
	unsigned count;
	char keys[512][80];
};

static void note_piece(struct pieces *pieces, const rd_kafka_message_t *message)
{
	char key[80];
	unsigned i = 0;
	const char *end = (const char *)message->key + message->key_len;
	const char *zero = memchr(message->key, '\0', message->key_len);
	if (!zero)
		return;
	snprintf(key, sizeof(key), "%.*s", (int)(end - zero - 1), zero + 1);
	while (i < pieces->count && strcmp(pieces->keys[i], key) != 0)
		i++;
	if (message->len && i == pieces->count)
		memcpy(pieces->keys[pieces->count++], key, sizeof(key));
	else if (!message->len && i < pieces->count)
		memcpy(pieces->keys[i], pieces->keys[--pieces->count], sizeof(key));
}

static rd_kafka_t *raw_client(rd_kafka_type_t type)
{
	char why[128];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "bootstrap.servers", rig.where + strlen("kafka:"), why,
		sizeof(why));
	if (type == RD_KAFKA_CONSUMER)
		rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof(why));
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));
	ck_assert_ptr_nonnull(rk);
	return rk;
}

static unsigned live_pieces(const char *topic)
{
	static struct pieces pieces;
	pieces.count = 0;
	rd_kafka_t *rk = raw_client(RD_KAFKA_CONSUMER);
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	rd_kafka_consume_start(rkt, 0, RD_KAFKA_OFFSET_BEGINNING);
	bool is_over = false;
	while (!is_over) {
		rd_kafka_message_t *message = rd_kafka_consume(rkt, 0, 20000);
		ck_assert_ptr_nonnull(message);
		is_over = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
		if (!message->err)
			note_piece(&pieces, message);
		rd_kafka_message_destroy(message);
	}
	rd_kafka_consume_stop(rkt, 0);
	rd_kafka_topic_destroy(rkt);
	rd_kafka_destroy(rk);
	return pieces.count;
}

/* Old pieces are deleted after the new value has been reported. */
static void check_pieces(const char *topic, unsigned count)
{
	RIG_UNTIL_MS(&rig, live_pieces(topic) == count, 5000);
	ck_assert_uint_eq(live_pieces(topic), count);
}

START_TEST(large_values_of_a_compacted_topic_are_replaced_whole)
{
	begin();
	const char *topic = rig_topic(&rig, "compact-large");
	struct fault fault;
	struct newest before = { 0 }, after = { 0 };
	rig_open(&rig);
	struct bus_follower *early = bus_follow(
		rig.bus, topic, &follow_calls, &before, &fault);
	RIG_UNTIL(&rig, before.caught_up);
	publish_large(topic, "a", 5000000, 1);
	/* In this order, though the first needs more round trips. */
	publish_large(topic, "b", 3000000, 1);
	publish_large(topic, "b", 1, 2);
	publish_large(topic, "c", 2000000, 1);
	rig_flush(&rig);
	RIG_UNTIL(&rig, before.changes == 4);
	check_pieces(topic, 6 + 3);
	publish_large(topic, "a", 1500000, 3);
	publish_large(topic, "c", 0, 0);
	rig_flush(&rig);
	RIG_UNTIL(&rig, before.changes == 6);
	struct bus_follower *late = bus_follow(
		rig.bus, topic, &follow_calls, &after, &fault);
	RIG_UNTIL(&rig, after.caught_up);
	ck_assert_uint_eq(after.changes, 2);
	for (int i = 0; i < 2; i++) {
		const struct newest *newest = i ? &after : &before;
		ck_assert_uint_eq(newest->sizes[0], 1500000);
		ck_assert_int_eq(newest->seeds[0], 3);
		ck_assert_uint_eq(newest->sizes[1], 1);
		ck_assert_uint_eq(newest->sizes[2], 0);
	}
	bus_unfollow(early);
	bus_unfollow(late);
	finish();
}
END_TEST

START_TEST(a_deleted_large_value_leaves_no_pieces)
{
	begin();
	const char *topic = rig_topic(&rig, "compact-clean");
	rig_open(&rig);
	publish_large(topic, "a", 5000000, 1);
	publish_large(topic, "a", 2000000, 2);
	rig_flush(&rig);
	check_pieces(topic, 3);
	/* Another process, that has read it before it deletes it. */
	rig_close(&rig);
	rig_open(&rig);
	struct newest newest = { 0 };
	struct fault fault;
	struct bus_follower *follower = bus_follow(
		rig.bus, topic, &follow_calls, &newest, &fault);
	RIG_UNTIL(&rig, newest.caught_up);
	ck_assert_uint_eq(newest.sizes[0], 2000000);
	publish_large(topic, "a", 0, 0);
	rig_flush(&rig);
	check_pieces(topic, 0);
	bus_unfollow(follower);
	finish();
}
END_TEST

struct seen {
	unsigned count;
	size_t sizes[64];
	bool is_over;
};

static void note_seen(
	void *with, const struct bus_delivery *delivery, const struct fault *fault)
{
	struct seen *seen = with;
	ck_assert_msg(!fault, "%s", fault ? fault->text : "");
	if (delivery)
		seen->sizes[seen->count++] = delivery->value.size;
	else
		seen->is_over = true;
	loop_stop(rig.loop);
}

START_TEST(large_values_are_browsed_in_both_directions)
{
	begin();
	const char *topic = rig_topic(&rig, "large");
	struct fault fault;
	rig_open(&rig);
	const size_t sizes[] = { 2000000, 10, 7000000, 20 };
	for (int i = 0; i < 4; i++) {
		publish_large(topic, "app/1", sizes[i], 1);
		rig_flush(&rig);
	}
	for (int newest_first = 0; newest_first < 2; newest_first++) {
		struct seen seen = { 0 };
		struct bus_browser *browser = bus_browse(rig.bus,
			&(struct bus_range){
				.topic = topic, .newest_first = newest_first },
			note_seen, &seen, &fault);
		RIG_UNTIL(&rig, seen.is_over);
		ck_assert_uint_eq(seen.count, 4);
		for (int i = 0; i < 4; i++)
			ck_assert_uint_eq(seen.sizes[i], sizes[newest_first ? 3 - i : i]);
		bus_unbrowse(browser);
	}
	finish();
}
END_TEST

static void commit_raw(
	const char *group, const char *topic, int partition, int64_t offset)
{
	char why[128];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "bootstrap.servers", rig.where + strlen("kafka:"), why,
		sizeof(why));
	rd_kafka_conf_set(conf, "group.id", group, why, sizeof(why));
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
	ck_assert_int_eq(rd_kafka_commit(rk, list, 0), 0);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(rk);
}

/* The partition that has records, and the offset of its end. */
static int find_partition(const char *topic, int64_t *ret_end)
{
	int found = -1;
	int64_t low;
	rd_kafka_t *rk = raw_client(RD_KAFKA_PRODUCER);
	for (int i = 0; i < 6 && found < 0; i++) {
		while (rd_kafka_query_watermark_offsets(
			       rk, topic, i, &low, ret_end, 10000) != 0)
			usleep(10000);
		if (*ret_end > 0)
			found = i;
	}
	rd_kafka_destroy(rk);
	ck_assert_int_ge(found, 0);
	return found;
}

START_TEST(pieces_before_the_position_are_read_again)
{
	begin();
	const char *topic = rig_topic(&rig, "torn");
	char group[128];
	rig_open(&rig);
	publish_large(topic, "app/1", 4000000, 1);
	rig_flush(&rig);
	int64_t end;
	int partition = find_partition(topic, &end);
	/* As if a member had died between the last piece and the head. */
	snprintf(group, sizeof(group), "g-%s", rig.prefix);
	commit_raw(group, topic, partition, end - 1);
	takes_subscribe(&first, &rig, "g", topic, 10);
	RIG_UNTIL(&rig, first.count == 1);
	ck_assert_uint_eq(first.rows[0].size, 4000000);
	ck_assert_uint_eq(first.rows[0].attempt, 1);
	finish();
}
END_TEST

/* Damage and loss. */

static void produce_raw(const char *topic, int partition, const char *value,
	const char *header, const char *text)
{
	rd_kafka_t *rk = raw_client(RD_KAFKA_PRODUCER);
	ck_assert_int_eq(
		rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic),
			RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY("app/1", 5),
			RD_KAFKA_V_VALUE((void *)value, strlen(value)),
			RD_KAFKA_V_HEADER(header, text, -1),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
		0);
	ck_assert_int_eq(rd_kafka_flush(rk, 20000), 0);
	rd_kafka_destroy(rk);
}

static void pass_change(void *with, struct slice key, struct slice value)
{
	(void)key, (void)value;
	((struct newest *)with)->changes++;
}

START_TEST(a_damaged_large_value_stops_nothing_and_shows)
{
	begin();
	const char *topic = rig_topic(&rig, "damage");
	const char *id = "01890000-0000-7000-8000-000000000001";
	char text[80];
	struct fault why = { 0 };
	int64_t end;
	rig_open(&rig);
	rig_publish(&rig, topic, "app/1", "before");
	rig_flush(&rig);
	int partition = find_partition(topic, &end);
	produce_raw(topic, partition, "x", "postern-piece", "no id at all");
	snprintf(text, sizeof(text), "%s 1 5", id);
	/* Its only piece is "before", which is none. */
	produce_raw(topic, partition, "\1\1\1\1\1\1\1\1", "postern-head", text);
	snprintf(text, sizeof(text), "%s 9 5", id);
	produce_raw(topic, partition, "short", "postern-head", text);
	produce_raw(topic, partition, "plain", "postern-attempt", "many");
	rig_publish(&rig, topic, "app/1", "after");
	rig_flush(&rig);
	takes_subscribe(&first, &rig, "g", topic, 10);
	/* What is damaged comes as it is: the taker says so to an operator. */
	static const char *const values[] = { "before", "x", "\1\1\1\1\1\1\1\1", "short",
		"plain", "after" };
	RIG_UNTIL(&rig, first.count == 6);
	for (unsigned i = 0; i < 6; i++) {
		ck_assert_str_eq(first.rows[i].value, values[i]);
		ck_assert_uint_eq(first.rows[i].attempt, 1);
	}
	ck_assert_msg(bus_is_healthy(rig.bus, &why), "%s", why.text);
	ck_assert_uint_eq(bus_losses(rig.bus, &why), 3);
	ck_assert_ptr_nonnull(strstr(why.text, "can't be put together"));
	ck_assert_uint_eq(bus_losses(rig.bus, &why), 0);
	/* Nor does it stop those who follow. */
	struct newest newest = { 0 };
	struct bus_follower *follower = bus_follow(rig.bus, topic,
		&(struct bus_follow_calls){ pass_change, note_caught_up }, &newest, &why);
	RIG_UNTIL(&rig, newest.caught_up);
	ck_assert_uint_eq(newest.changes, 1);
	bus_unfollow(follower);
	ck_assert_uint_eq(bus_losses(rig.bus, &why), 3);
	finish();
}
END_TEST

START_TEST(what_can_be_moved_nowhere_is_kept)
{
	begin();
	const char *topic = rig_topic(&rig, "due");
	struct fault why = { 0 };
	char homeless[80], astray[80];
	rig_open(&rig);
	rig_publish_record(&rig, &(struct bus_record){ .topic = topic,
					 .key = SLICE("app/1"),
					 .value = SLICE("first"),
					 .due_ms = clock_unix_ms() + 500 });
	takes_subscribe(&first, &rig, "g", topic, 10);
	RIG_UNTIL(&rig, first.count == 1);
	snprintf(homeless, sizeof(homeless), "homeless %s", rig.prefix);
	snprintf(astray, sizeof(astray), "astray %s", rig.prefix);
	produce_raw("postern.retry.0s", 0, homeless, "postern-attempt", "2");
	produce_raw("postern.retry.0s", 0, astray, "postern-topic", "no/topic");
	takes_subscribe(&second, &rig, "g", "postern.refused", 1000);
	RIG_UNTIL(&rig, takes_of(&second, homeless) && takes_of(&second, astray));
	ck_assert_uint_eq(bus_losses(rig.bus, &why), 2);
	/* Those behind them are moved. */
	rig_publish_record(&rig, &(struct bus_record){ .topic = topic,
					 .key = SLICE("app/1"),
					 .value = SLICE("second"),
					 .due_ms = clock_unix_ms() + 500 });
	RIG_UNTIL(&rig, first.count == 2);
	finish();
}
END_TEST

static void come_and_go(struct rig *child, int fd, void *with)
{
	struct takes takes = { 0 };
	child_say(fd, "here");
	takes_subscribe(&takes, child, "other", with, 1);
	rig_turn(child, 5000);
	takes_done(&takes);
}

START_TEST(what_is_due_is_moved_once_while_members_come_and_go)
{
	begin();
	const char *topic = rig_topic(&rig, "due"), *other = rig_topic(&rig, "other");
	struct child child;
	char line[256], value[16];
	int count = 0;
	child_start(&child, &rig, come_and_go, (void *)other);
	rig_open(&rig);
	takes_subscribe(&first, &rig, "g", topic, 1000);
	ck_assert(child_hear(&child, &rig, line));
	/* Most are due before one that was published before them. */
	for (int64_t end_ms = clock_monotonic_ms() + 8000; clock_monotonic_ms() < end_ms;
		count++) {
		snprintf(value, sizeof(value), "%d", count);
		rig_publish_record(&rig,
			&(struct bus_record){ .topic = topic,
				.key = SLICE("app/1"),
				.value = slice_of(value),
				.due_ms = clock_unix_ms() + (count % 4 ? 50 : 950) });
		rig_turn(&rig, 10);
	}
	child_wait(&child);
	RIG_UNTIL(&rig, first.count >= (size_t)count);
	rig_turn(&rig, 1000);
	ck_assert_uint_eq(first.count, count);
	finish();
}
END_TEST

static void delete_before(const char *topic, int partition, int64_t offset)
{
	rd_kafka_t *rk = raw_client(RD_KAFKA_PRODUCER);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
	rd_kafka_DeleteRecords_t *deletion = rd_kafka_DeleteRecords_new(list);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_DeleteRecords(rk, &deletion, 1, NULL, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
	ck_assert_ptr_nonnull(event);
	ck_assert_int_eq(rd_kafka_event_error(event), 0);
	rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_DeleteRecords_destroy(deletion);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(rk);
}

START_TEST(records_that_were_deleted_before_they_were_taken_show)
{
	begin();
	const char *topic = rig_topic(&rig, "deleted");
	struct fault why = { 0 };
	int64_t end;
	rig_open(&rig);
	for (int i = 0; i < 10; i++)
		rig_publish(&rig, topic, "app/1", "x");
	rig_flush(&rig);
	takes_subscribe(&first, &rig, "g", topic, 3);
	first.keeps = true;
	RIG_UNTIL(&rig, first.count == 3);
	settle_all(&first);
	takes_done(&first);
	int partition = find_partition(topic, &end);
	delete_before(topic, partition, 8);
	takes_subscribe(&first, &rig, "g", topic, 100);
	RIG_UNTIL(&rig, first.count == 2);
	ck_assert_msg(bus_is_healthy(rig.bus, &why), "%s", why.text);
	ck_assert_uint_eq(bus_losses(rig.bus, &why), 1);
	ck_assert_msg(strstr(why.text, "5 records were gone") != NULL, "%s", why.text);
	finish();
}
END_TEST

static bool is_there(rd_kafka_t *rk, const char *topic)
{
	const struct rd_kafka_metadata *all;
	bool is_found = false;
	ck_assert_int_eq(rd_kafka_metadata(rk, 1, NULL, &all, 20000), 0);
	for (int i = 0; i < all->topic_cnt; i++)
		is_found |= strcmp(all->topics[i].topic, topic) == 0;
	rd_kafka_metadata_destroy(all);
	return is_found;
}

START_TEST(a_topic_that_somebody_deleted_is_made_again)
{
	begin();
	const char *topic = rig_topic(&rig, "gone");
	rig_open(&rig);
	rig_publish(&rig, topic, "app/1", "before");
	rig_flush(&rig);
	rd_kafka_t *rk = raw_client(RD_KAFKA_PRODUCER);
	rd_kafka_DeleteTopic_t *deletion = rd_kafka_DeleteTopic_new(topic);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_DeleteTopics(rk, &deletion, 1, NULL, queue);
	rd_kafka_event_destroy(rd_kafka_queue_poll(queue, 20000));
	rd_kafka_queue_destroy(queue);
	rd_kafka_DeleteTopic_destroy(deletion);
	/* The broker says that it will; what it takes until then goes too. */
	while (is_there(rk, topic))
		usleep(10000);
	rd_kafka_destroy(rk);
	/* The first to notice fails; then it works again. */
	for (unsigned i = 0; i < 20 && rig.durable < 2; i++) {
		rig_publish(&rig, topic, "app/1", "after");
		RIG_UNTIL(&rig, rig.durable + rig.failed == rig.asked);
		if (rig.failed)
			ck_assert_int_eq(rig.last_fault.kind, FAULT_TEMPORARY);
	}
	ck_assert_uint_eq(rig.durable, 2);
	takes_subscribe(&first, &rig, "g", topic, 10);
	RIG_UNTIL(&rig, first.count == 1);
	ck_assert_str_eq(first.rows[0].value, "after");
	finish();
}
END_TEST

START_TEST(addresses_that_are_none_are_refused)
{
	const char *wheres[] = { "kafka:", "kafka:localhost",
		"kafka:localhost:", "kafka:a:0", "kafka:a:65536", "kafka:a:1,",
		"kafka:a:1,b", "kafka:a:9x", "kafka::1" };
	struct loop *loop = loop_new();
	for (size_t i = 0; i < sizeof(wheres) / sizeof(*wheres); i++) {
		struct fault fault = { 0 };
		ck_assert_ptr_null(bus_open(
			&(struct bus_options){ .where = wheres[i] }, loop, &fault));
		ck_assert_int_eq(fault.kind, FAULT_PERMANENT);
	}
	loop_free(loop);
}
END_TEST

Suite *bus_kafka_suite(void)
{
	Suite *suite = suite_create("bus kafka");
	TCase *plain = tcase_create("kafka without a broker");
	tcase_set_timeout(plain, 60);
	tcase_add_test(plain, addresses_that_are_none_are_refused);
	suite_add_tcase(suite, plain);
	if (!rig_has(RIG_KAFKA))
		return suite;
	TCase *tcase = tcase_create("kafka alone");
	tcase_set_timeout(tcase, 180);
	tcase_add_test(tcase, a_new_member_takes_nothing_that_another_has_in_hand);
	tcase_add_test(tcase, what_is_in_hand_for_long_is_not_given_to_its_holder_again);
	tcase_add_test(tcase, a_killed_member_that_comes_back_goes_on_at_once);
	tcase_add_test(tcase, a_live_twin_is_not_shut_out_for_good);
	tcase_add_test(tcase, a_returned_record_comes_to_its_own_group_only);
	tcase_add_test(tcase, a_distant_due_time_does_not_hold_back_a_near_one);
	tcase_add_test(tcase, what_is_due_is_moved_once_while_members_come_and_go);
	tcase_add_test(tcase, large_values_of_a_compacted_topic_are_replaced_whole);
	tcase_add_test(tcase, a_deleted_large_value_leaves_no_pieces);
	tcase_add_test(tcase, large_values_are_browsed_in_both_directions);
	tcase_add_test(tcase, pieces_before_the_position_are_read_again);
	tcase_add_test(tcase, a_damaged_large_value_stops_nothing_and_shows);
	tcase_add_test(tcase, what_can_be_moved_nowhere_is_kept);
	tcase_add_test(tcase, records_that_were_deleted_before_they_were_taken_show);
	tcase_add_test(tcase, a_topic_that_somebody_deleted_is_made_again);
	suite_add_tcase(suite, tcase);
	return suite;
}
