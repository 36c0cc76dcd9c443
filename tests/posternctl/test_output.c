/* SPDX-License-Identifier: MIT
 *
 * What the operator sees: printable text, lists, differences, JSON. */
#include <check.h>
#include <stdlib.h>

#include "cli/difference.h"
#include "cli/event_text.h"
#include "cli/json.h"
#include "cli/listing.h"

static struct arena *arena;
static char *text;
static size_t size;
static FILE *out;

static void setup(void)
{
	arena = arena_new();
	out = open_memstream(&text, &size);
}

static void teardown(void)
{
	fclose(out);
	free(text);
	arena_free(arena);
}

static const char *written(void)
{
	fflush(out);
	return text;
}

START_TEST(a_list_is_aligned_by_characters)
{
	static const char *const titles[] = { "A", "B", "LAST", NULL };
	struct listing listing;
	listing_init(&listing, arena, titles);
	LISTING_ADD(&listing, "größer", "", "end");
	LISTING_ADD(&listing, "x", "\033", NULL);
	listing_print(&listing, out);
	ck_assert_str_eq(written(), "A       B  LAST\n"
				    "größer  -  end\n"
				    "x       ?  -\n");
	ck_assert_uint_eq(listing.count, 2);
}
END_TEST

static const struct {
	const char *before, *after, *wanted;
} differences[] = {
	{ "a\nb\nc\n", "a\nb\nc\n", " a\n b\n c\n" },
	{ "a\nb\nc\n", "a\nx\nc\n", " a\n-b\n+x\n c\n" },
	{ "", "a\n", "+a\n" },
	{ "a\n", "", "-a\n" },
	{ "a\na\n", "a\n", " a\n-a\n" },
	{ "a\nb\nc\nd\n", "b\nx\nd\na\n", "-a\n b\n-c\n+x\n d\n+a\n" },
};

START_TEST(a_difference_keeps_what_is_common)
{
	difference_print(
		slice_of(differences[_i].before), slice_of(differences[_i].after), out);
	ck_assert_str_eq(written(), differences[_i].wanted);
}
END_TEST

static Postern__Event sample(void)
{
	static Postern__Reply reply;
	static Postern__Route route;
	Postern__Event event = POSTERN__EVENT__INIT;
	postern__reply__init(&reply);
	postern__route__init(&route);
	reply.code = 250;
	reply.enhanced = (char *)"2.0.0";
	reply.text = (char *)"Ok\033[1m";
	route.mx = (char *)"mx1.example";
	route.address = (char *)"192.0.2.1:25";
	route.tls_version = (char *)"TLSv1.3";
	route.tls_cipher = (char *)"TLS_AES_256_GCM_SHA384";
	route.certificate = (char *)"self-signed";
	event.kind = POSTERN__EVENT_KIND__EVENT_DELIVERED;
	event.recipient = (char *)"ann@customer.example";
	event.reply = &reply;
	event.route = &route;
	event.attempt = 2;
	event.lane = POSTERN__LANE__LANE_URGENT;
	return event;
}

START_TEST(an_event_is_one_line)
{
	Postern__Event event = sample();
	ck_assert_str_eq(event_text(arena, &event),
		"delivered to ann@customer.example: 250 2.0.0 Ok?[1m; mx1.example "
		"[192.0.2.1:25], TLSv1.3 TLS_AES_256_GCM_SHA384, self-signed; attempt 2");
	Postern__Finding finding = POSTERN__FINDING__INIT, *findings[] = { &finding };
	finding.check = (char *)"card_number";
	finding.name = (char *)"visa";
	finding.evidence = (char *)"4111********1111";
	finding.count = 2;
	finding.part = (char *)"1";
	Postern__Verdict verdict = POSTERN__VERDICT__INIT;
	verdict.reason = (char *)"2 card numbers";
	verdict.n_findings = 1;
	verdict.findings = findings;
	Postern__Event held = POSTERN__EVENT__INIT;
	held.kind = POSTERN__EVENT_KIND__EVENT_HELD;
	held.reason = (char *)"2 card numbers";
	held.verdict = &verdict;
	ck_assert_str_eq(event_text(arena, &held),
		"held: 2 card numbers; card_number visa ×2 (4111********1111) in 1");
}
END_TEST

START_TEST(a_message_is_json_by_its_descriptor)
{
	Postern__Event event = sample();
	char *recipients[] = { (char *)"a@b", (char *)"\xff" };
	uint8_t hash[] = { 0, 0xab };
	Postern__Accepted accepted = POSTERN__ACCEPTED__INIT;
	accepted.n_recipients = 2;
	accepted.recipients = recipients;
	accepted.content_sha256 = (ProtobufCBinaryData){ 2, hash };
	event.accepted = &accepted;
	event.route = NULL;
	event.time_us = 1763809200123456;
	json_print_line(json_of_message(arena, &event.base), out);
	ck_assert_str_eq(written(),
		"{\"kind\":\"delivered\",\"time_us\":1763809200123456,\"lane\":\"urgent\","
		"\"recipient\":\"ann@customer.example\",\"attempt\":2,\"reply\":{\"code\":250,"
		"\"enhanced\":\"2.0.0\",\"text\":\"Ok\\u001B[1m\"},\"accepted\":{\"recipients\":"
		"[\"a@b\",\"?\"],\"content_sha256\":\"00ab\"}}\n");
}
END_TEST

START_TEST(enums_have_words)
{
	int kind = 0;
	ck_assert(enum_parse(&postern__event_kind__descriptor, "held", &kind));
	ck_assert_int_eq(kind, POSTERN__EVENT_KIND__EVENT_HELD);
	ck_assert(!enum_parse(&postern__event_kind__descriptor, "unspecified", &kind));
	ck_assert(!enum_parse(&postern__event_kind__descriptor, "", &kind));
	ck_assert_str_eq(enum_word(arena, &postern__lane__descriptor, 99), "?");
	ck_assert_str_eq(
		enum_words(arena, &postern__lane__descriptor), "urgent, normal, bulk");
}
END_TEST

Suite *output_suite(void)
{
	Suite *suite = suite_create("output");
	TCase *all = tcase_create("all");
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, a_list_is_aligned_by_characters);
	tcase_add_loop_test(all, a_difference_keeps_what_is_common, 0,
		sizeof(differences) / sizeof(*differences));
	tcase_add_test(all, an_event_is_one_line);
	tcase_add_test(all, a_message_is_json_by_its_descriptor);
	tcase_add_test(all, enums_have_words);
	suite_add_tcase(suite, all);
	return suite;
}
