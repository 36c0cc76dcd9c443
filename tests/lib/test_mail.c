/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/id.h"
#include "lib/mail.h"
#include "lib/topics.h"

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new();
}

static void tear_down(void)
{
	arena_free(arena);
}

static Postern__Mail *sample(void)
{
	Postern__Mail *mail = ARENA_NEW(arena, Postern__Mail);
	postern__mail__init(mail);
	mail->version = RECORD_VERSION;
	mail->content_sha256 = (ProtobufCBinaryData){ 32, arena_alloc(arena, 32) };
	memset(mail->content_sha256.data, 1, 32);
	mail->id = arena_string(arena, slice_of(id_mint().text));
	mail->app = "shop";
	mail->lane = POSTERN__LANE__LANE_URGENT;
	mail->envelope = ARENA_NEW(arena, Postern__Envelope);
	postern__envelope__init(mail->envelope);
	Postern__Recipient *recipient = ARENA_NEW(arena, Postern__Recipient);
	postern__recipient__init(recipient);
	recipient->address = "ann@example.com";
	mail->envelope->recipients = ARENA_NEW(arena, Postern__Recipient *);
	mail->envelope->recipients[0] = recipient;
	mail->envelope->n_recipients = 1;
	mail->submission = ARENA_NEW(arena, Postern__Submission);
	postern__submission__init(mail->submission);
	mail->content = (ProtobufCBinaryData){ 9, (uint8_t *)"A: b\r\n\r\n." };
	return mail;
}

/* As a bus gives it back. */
static struct slice encode(const Postern__Mail *mail)
{
	struct bus_record record = { 0 };
	mail_encode(arena, mail, &record);
	char *bytes = arena_alloc(arena, record.value.size + record.body.size);
	memcpy(bytes, record.value.data, record.value.size);
	if (record.body.size)
		memcpy(bytes + record.value.size, record.body.data, record.body.size);
	return (struct slice){ bytes, record.value.size + record.body.size };
}

START_TEST(headers_are_dropped_by_their_whole_name)
{
	Postern__Mail *mail = sample();
	mail_prepend(arena, mail, SLICE("Sig: 1\r\n"));
	mail_prepend(arena, mail, SLICE("Signed: 2\r\n"));
	mail_prepend(arena, mail, SLICE("SIG: 3\r\n"));
	mail_prepend(arena, mail, SLICE("Sig"));
	Postern__Mail before = *mail;
	mail_drop_headers(arena, mail, SLICE("Sig"));
	ck_assert_uint_eq(mail->n_headers, 2);
	ck_assert_uint_eq(mail->headers[1].len, sizeof("Signed: 2\r\n") - 1);
	ck_assert_uint_eq(before.n_headers, 4);
	ck_assert_uint_eq(before.headers[1].len, sizeof("SIG: 3\r\n") - 1);
}
END_TEST

START_TEST(a_mail_survives_the_way_through_bytes)
{
	Postern__Mail *mail = sample();
	mail_prepend(arena, mail, SLICE("Second: 2\r\n"));
	mail_prepend(arena, mail, SLICE("First: 1\r\n"));
	mail_add_step(arena, mail, "smtp-gateway", 5);
	struct slice bytes = encode(mail);
	struct fault fault = { 0 };
	Postern__Mail *back = mail_decode(arena, bytes, &fault);
	ck_assert_msg(back != NULL, "%s", fault.text);
	ck_assert_str_eq(back->id, mail->id);
	ck_assert_uint_eq(back->n_headers, 2);
	ck_assert_mem_eq(back->headers[0].data, "First", 5);
	ck_assert_uint_eq(mail_size(back), 9 + 11 + 10);
	ck_assert_str_eq(back->steps[0]->stage, "smtp-gateway");
	ck_assert(slice_equal(mail_peek_id(bytes), slice_of(mail->id)));
	ck_assert(slice_equal(slice_head(mail_key(arena, back), 5), SLICE("shop/")));
	ck_assert_mem_eq(back->content.data, mail->content.data, 9);
	ck_assert_ptr_eq(back->content.data + 9, bytes.data + bytes.size);
}
END_TEST

START_TEST(a_content_of_any_size_is_the_end_of_its_record)
{
	const size_t sizes[] = { 1, 127, 128, 16383, 16384, 3000000 };
	Postern__Mail *mail = sample();
	mail->content.data = arena_alloc(arena, 3000000);
	memset(mail->content.data, 'c', 3000000);
	mail->content.len = sizes[_i];
	struct slice bytes = encode(mail);
	Postern__Mail *back = mail_decode(arena, bytes, NULL);
	ck_assert_ptr_nonnull(back);
	ck_assert_uint_eq(back->content.len, sizes[_i]);
	ck_assert_ptr_eq(back->content.data + sizes[_i], bytes.data + bytes.size);
}
END_TEST

/* Protocol Buffers leave the order to the writer. */
START_TEST(a_mail_whose_fields_come_in_their_order_is_read_as_well)
{
	Postern__Mail *mail = sample();
	Postern__Mail *back = mail_decode(arena, record_encode(arena, &mail->base), NULL);
	ck_assert_ptr_nonnull(back);
	ck_assert_uint_eq(back->content.len, 9);
	ck_assert_mem_eq(back->content.data, mail->content.data, 9);
}
END_TEST

static void break_version(Postern__Mail *mail)
{
	mail->version = 2;
}

static void break_id(Postern__Mail *mail)
{
	mail->id = "not-an-id";
}

static void break_lane(Postern__Mail *mail)
{
	mail->lane = (Postern__Lane)9;
}

static void break_recipients(Postern__Mail *mail)
{
	mail->envelope->n_recipients = 0;
}

static void break_content(Postern__Mail *mail)
{
	mail->content.len = 0;
}

static void break_verdict(Postern__Mail *mail)
{
	mail->verdict = ARENA_NEW(arena, Postern__Verdict);
	postern__verdict__init(mail->verdict);
	mail->verdict->decision = (Postern__Decision)77;
}

static void (*const breaks[])(Postern__Mail *mail) = {
	break_version,
	break_id,
	break_lane,
	break_recipients,
	break_content,
	break_verdict,
};

START_TEST(a_mail_that_makes_no_sense_is_refused)
{
	Postern__Mail *mail = sample();
	breaks[_i](mail);
	struct fault fault = { 0 };
	ck_assert(!mail_decode(arena, record_encode(arena, &mail->base), NULL));
	ck_assert(!mail_decode(arena, encode(mail), &fault));
	ck_assert_int_eq(fault.kind, FAULT_PERMANENT);
	ck_assert_uint_gt(strlen(fault.text), 0);
}
END_TEST

START_TEST(a_truncated_record_is_refused)
{
	Postern__Mail *mail = sample();
	mail_prepend(arena, mail, SLICE("First: 1\r\n"));
	mail_add_step(arena, mail, "smtp-gateway", 5);
	mail->header_from = "orders@shop.example";
	mail->policy = "strict";
	const struct slice orders[] = { encode(mail), record_encode(arena, &mail->base) };
	for (int i = 0; i < 2; i++)
		for (size_t size = 0; size < orders[i].size; size++)
			ck_assert(!mail_decode(arena, slice_head(orders[i], size), NULL));
}
END_TEST

/* 1,000,000 empty steps in 2 MB would unpack to 50 times that. */
START_TEST(a_record_can_not_unpack_to_much_more_than_itself)
{
	size_t count = 1000000;
	char *bomb = malloc(2 * count);
	for (size_t i = 0; i < count; i++) {
		bomb[2 * i] = 13 << 3 | 2;
		bomb[2 * i + 1] = 0;
	}
	struct fault fault = { 0 };
	ck_assert(!mail_decode(arena, (struct slice){ bomb, 2 * count }, &fault));
	ck_assert_uint_lt(arena_size(arena), 20 * count);
	free(bomb);
}
END_TEST

START_TEST(a_mail_to_very_many_is_read)
{
	Postern__Mail *mail = sample();
	mail->envelope->n_recipients = 10000;
	mail->envelope->recipients = ARENA_ARRAY(arena, Postern__Recipient *, 10000);
	for (size_t i = 0; i < 10000; i++) {
		Postern__Recipient *recipient = ARENA_NEW(arena, Postern__Recipient);
		postern__recipient__init(recipient);
		recipient->address = "a@b.co";
		mail->envelope->recipients[i] = recipient;
	}
	struct fault fault = { 0 };
	Postern__Mail *read = mail_decode(arena, encode(mail), &fault);
	ck_assert_msg(read != NULL, "%s", fault.text);
	ck_assert_uint_eq(read->envelope->n_recipients, 10000);
}
END_TEST

START_TEST(control_objects_are_checked)
{
	Postern__App app;
	postern__app__init(&app);
	app.name = "shop";
	Postern__Object object;
	postern__object__init(&object);
	object.version = RECORD_VERSION;
	struct fault fault = { 0 };
	ck_assert(!object_decode(arena, record_encode(arena, &object.base), &fault));
	object.kind_case = POSTERN__OBJECT__KIND_APP;
	object.app = &app;
	ck_assert(object_decode(arena, record_encode(arena, &object.base), &fault));
	app.state = (Postern__AppState)9;
	ck_assert(!object_decode(arena, record_encode(arena, &object.base), &fault));
}
END_TEST

START_TEST(lanes_have_topics)
{
	ck_assert_str_eq(topic_of_lane(arena, TOPIC_ACCEPTED, POSTERN__LANE__LANE_BULK),
		"mail.accepted.bulk");
	ck_assert_str_eq(topic_family_of_pool(arena, "eu"), "mail.outbound.eu");
	const struct bus_source *sources = topic_sources(arena, TOPIC_CLEARED);
	ck_assert_str_eq(sources[0].topic, "mail.cleared.urgent");
	ck_assert_uint_gt(sources[0].weight, sources[2].weight);
	ck_assert_uint_eq(sources[3].weight, 0);
	ck_assert_int_eq(lane_parse("urgent"), POSTERN__LANE__LANE_URGENT);
	ck_assert_int_eq(lane_parse("fast"), POSTERN__LANE__LANE_UNSPECIFIED);
	ck_assert_uint_eq(lane_index(POSTERN__LANE__LANE_URGENT), 0);
	ck_assert_uint_eq(lane_index(POSTERN__LANE__LANE_NORMAL), 1);
	ck_assert_uint_eq(lane_index(POSTERN__LANE__LANE_BULK), 2);
	ck_assert_uint_eq(lane_index((Postern__Lane)99), 1);
	ck_assert_uint_eq(lane_weight(0), 16);
	ck_assert_uint_eq(lane_weight(1), 4);
	ck_assert_uint_eq(lane_weight(2), 1);
}
END_TEST

Suite *mail_suite(void)
{
	Suite *suite = suite_create("mail");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, set_up, tear_down);
	tcase_add_test(all, headers_are_dropped_by_their_whole_name);
	tcase_add_test(all, a_mail_survives_the_way_through_bytes);
	tcase_add_loop_test(all, a_content_of_any_size_is_the_end_of_its_record, 0, 6);
	tcase_add_test(all, a_mail_whose_fields_come_in_their_order_is_read_as_well);
	tcase_add_loop_test(all, a_mail_that_makes_no_sense_is_refused, 0,
		sizeof(breaks) / sizeof(*breaks));
	tcase_add_test(all, a_truncated_record_is_refused);
	tcase_add_test(all, a_record_can_not_unpack_to_much_more_than_itself);
	tcase_add_test(all, a_mail_to_very_many_is_read);
	tcase_add_test(all, control_objects_are_checked);
	tcase_add_test(all, lanes_have_topics);
	suite_add_tcase(suite, all);
	return suite;
}
