/* SPDX-License-Identifier: MIT */
#include "lib/bus/local/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "tests/lib/bus_rig.h"

#define LARGE_BYTES ((size_t)48 << 20)

static struct queue queue;

static void add(uint64_t app)
{
	struct publication *publication = NEW(struct publication);
	publication->app = app;
	queue_add(&queue, publication, false);
}

/* Frees what is given; its apps as text. */
static const char *take(void)
{
	static char text[256];
	size_t size = 0, count = 0;
	text[0] = 0;
	for (struct parcel *next, *parcel = queue_take(&queue); parcel; parcel = next) {
		next = parcel->next;
		if (count++ < 16)
			size += snprintf(text + size, sizeof(text) - size, "%d",
				(int)publication_of(parcel)->app);
		free(publication_of(parcel));
	}
	queue_done(&queue, count);
	return text;
}

START_TEST(records_are_taken_in_their_order)
{
	queue_init(&queue);
	ck_assert_str_eq(take(), "");
	for (uint64_t app = 1; app < 4; app++)
		add(app);
	add(1);
	ck_assert_str_eq(take(), "1231");
	ck_assert_str_eq(take(), "");
	add(5);
	ck_assert_str_eq(take(), "5");
}
END_TEST

START_TEST(a_commit_has_bounds)
{
	queue_init(&queue);
	for (int i = 0; i < 1000; i++)
		add(1);
	add(2);
	add(3);
	ck_assert_str_eq(take(), "1111111111111111");
	ck_assert(queue_holds(&queue, 2));
	ck_assert(!queue_holds(&queue, 1));
	ck_assert_str_eq(take(), "23");
}
END_TEST

START_TEST(whose_records_are_in_hand_is_known_until_after_the_next_commit)
{
	queue_init(&queue);
	ck_assert(queue_is_free(&queue));
	add(7);
	ck_assert(!queue_is_free(&queue));
	ck_assert(queue_holds(&queue, 7) && !queue_knows(&queue, 8));
	struct parcel *batch = queue_take(&queue);
	ck_assert(!queue_is_free(&queue));
	ck_assert(queue_holds(&queue, 7));
	free(publication_of(batch));
	queue_done(&queue, 1);
	ck_assert(!queue_holds(&queue, 7) && queue_knows(&queue, 7));
	add(8);
	ck_assert(queue_knows(&queue, 7));
	take();
	ck_assert(!queue_knows(&queue, 7) && queue_knows(&queue, 8));
}
END_TEST

START_TEST(of_many_apps_everyone_may_be_known)
{
	queue_init(&queue);
	for (uint64_t app = 1; app <= FEW_APPS; app++)
		add(app);
	ck_assert(!queue_knows(&queue, 100));
	add(50);
	ck_assert(queue_knows(&queue, 100) && !queue_holds(&queue, 50));
	take();
	ck_assert(queue_knows(&queue, 100));
	add(1);
	take();
	ck_assert(!queue_knows(&queue, 100));
}
END_TEST

static char order[64]; /* one for each that is durable */
static size_t durable;

static void note_durable(void *with, const struct fault *fault)
{
	ck_assert_msg(!fault, "%s", fault ? fault->text : "");
	order[durable++] = *(const char *)with;
}

static void publish(struct rig *rig, const char *topic, const char *app, size_t size)
{
	char key[64];
	snprintf(key, sizeof(key), "%s/1", app);
	char *body = memory_new(size + 1);
	memset(body, 'x', size);
	struct bus_record record = { .topic = topic,
		.key = slice_of(key),
		.value = SLICE("v"),
		.body = { body, size } };
	bus_publish(rig->bus, &record, note_durable, (void *)app);
	free(body);
}

START_TEST(a_code_does_not_wait_while_anothers_large_body_is_synced)
{
	struct rig rig;
	rig_plan(&rig, RIG_LOCAL);
	rig_open(&rig);
	const char *topic = rig_topic(&rig, "mail");
	durable = 0;
	/* The first stay in their records. */
	for (int i = 0; i < 16; i++)
		publish(&rig, topic, ".", 5000);
	RIG_UNTIL(&rig, durable == 16);
	publish(&rig, topic, "L", LARGE_BYTES);
	publish(&rig, topic, "c", 100);
	publish(&rig, topic, "c", 100);
	RIG_UNTIL(&rig, durable == 19);
	ck_assert_mem_eq(order + 16, "ccL", 3);
	rig_done(&rig);
}
END_TEST

struct sequence {
	long last[3];
	int count;
};

static void check_sequence(
	void *with, const struct bus_delivery *delivery, const struct fault *fault)
{
	struct sequence *sequence = with;
	ck_assert_ptr_null(fault);
	if (!delivery)
		return;
	char text[16] = "";
	memcpy(text, delivery->value.data, delivery->value.size);
	long number = strtol(text, NULL, 10), *last;
	last = &sequence->last[delivery->key.data[0] - 'a'];
	ck_assert_int_gt(number, *last);
	*last = number;
	sequence->count++;
}

START_TEST(an_apps_records_keep_their_order_whoever_goes_ahead)
{
	struct rig rig;
	struct fault fault = { 0 };
	struct sequence sequence = { .count = 0 };
	rig_plan(&rig, RIG_LOCAL);
	rig_open(&rig);
	const char *topic = rig_topic(&rig, "mail");
	srand(1);
	for (int i = 1; i <= 3000; i++) {
		/* Most are of one app; the others come by twos and threes. */
		char key[] = "a/1", value[16];
		key[0] = (char)('a' + (rand() % 8 ? i / 4 % 9 / 7 : i % 3));
		snprintf(value, sizeof(value), "%d", i);
		rig_publish(&rig, topic, key, value);
		if (i % 3 == 0)
			rig_turn(&rig, 0);
	}
	rig_flush(&rig);
	struct bus_browser *browser = bus_browse(rig.bus,
		&(struct bus_range){ .topic = topic }, check_sequence, &sequence, &fault);
	ck_assert_msg(browser != NULL, "%s", fault.text);
	RIG_UNTIL(&rig, sequence.count == 3000);
	bus_unbrowse(browser);
	rig_done(&rig);
}
END_TEST

Suite *queue_suite(void)
{
	Suite *suite = suite_create("queue");
	TCase *tcase = tcase_create("queue");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, records_are_taken_in_their_order);
	tcase_add_test(tcase, a_commit_has_bounds);
	tcase_add_test(
		tcase, whose_records_are_in_hand_is_known_until_after_the_next_commit);
	tcase_add_test(tcase, of_many_apps_everyone_may_be_known);
	tcase_add_test(tcase, a_code_does_not_wait_while_anothers_large_body_is_synced);
	tcase_add_test(tcase, an_apps_records_keep_their_order_whoever_goes_ahead);
	suite_add_tcase(suite, tcase);
	return suite;
}
