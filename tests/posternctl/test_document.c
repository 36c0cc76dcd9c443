/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/document.h"
#include "cli/plan.h"
#include "cli/render.h"

static struct arena *arena;
static struct problems problems;
static struct documents documents;

static void setup(void)
{
	arena = arena_new();
	problems_init(&problems, arena);
	documents_init(&documents, arena, &problems);
}

static void teardown(void)
{
	documents_done(&documents);
	arena_free(arena);
}

static const char *told(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	problems_print(&problems, out);
	fclose(out);
	const char *copy = arena_string(arena, slice_of(text));
	free(text);
	return copy;
}

#define NAME_RULE                                                                   \
	"lower-case letters, digits, '.', '_' and '-', beginning with a letter or " \
	"digit, at most 64"
#define APP_KEYS                                                             \
	"name, state, state-reason, lane, senders, networks, limits, pool, " \
	"policy, owner, tags"
#define LIMIT_KEYS                                                            \
	"message-size, messages-per-hour, messages-per-day, bytes-per-hour, " \
	"bytes-per-day, recipients, connections"
#define SENDERS "senders: [{envelope: \"\", header: \"*@a.example\"}]\n"
#define HEADER_RULE                                                          \
	"an address such as orders@shop.example, or \"*@shop.example\" for " \
	"every local part"
#define NETWORK_RULE "a network such as 192.0.2.0/24 or 2001:db8::/32, or one address"
#define KINDS        "app, domain, policy, pool, route"

static const struct {
	const char *text, *wanted;
} bad[] = {
	{ "name: x\n", "t:1:1: kind is missing; allowed: " KINDS "\n" },
	{ "kind: ap\n", "t:1:7: kind: \"ap\" is not allowed; allowed: " KINDS "\n" },
	{ "kind: [app]\n", "t:1:7: kind: a list is not allowed; allowed: " KINDS "\n" },
	{ "kind: credential\n",
		"t:1:7: a credential can't be applied; see `posternctl help credential`\n" },
	{ "kind: app\nkind: app\nname: x\n" SENDERS, "t:2:1: kind stands here twice\n" },
	{ "kind: app\nname: x\nlane: fast\nsendrs: []\n",
		"t:3:7: lane: \"fast\" is not allowed; allowed: urgent, normal, bulk\n"
		"t:4:1: there is no key \"sendrs\" here; allowed: " APP_KEYS "\n"
		"t:1:1: senders is missing\n" },
	{ "kind: app\nname: x\nname: y\n" SENDERS, "t:3:1: name stands here twice\n" },
	{ "kind: app\nname: Shop\n" SENDERS,
		"t:2:7: name: \"Shop\" is not allowed; allowed: " NAME_RULE "\n" },
	{ "kind: app\nname: ../x\n" SENDERS,
		"t:2:7: name: \"../x\" is not allowed; allowed: " NAME_RULE "\n" },
	{ "kind: app\nname: \"a\\0b\"\n" SENDERS,
		"t:2:7: name: \"a?b\" is not allowed; allowed: " NAME_RULE "\n" },
	{ "kind: app\nname: \"\\e[31m\"\n" SENDERS,
		"t:2:7: name: \"?[31m\" is not allowed; allowed: " NAME_RULE "\n" },
	{ "kind: app\nname: [x]\n" SENDERS,
		"t:2:7: name can't be a list; allowed: " NAME_RULE "\n" },
	{ "kind: app\nname:\n" SENDERS,
		"t:2:6: name has no value: give one, or leave the key out; allowed: " NAME_RULE
		"\n" },
	{ "kind: app\nname: x\nowner: ~\n" SENDERS,
		"t:3:8: owner has no value: give one, or leave the key out; allowed: "
		"1 to 256 bytes of text on one line\n" },
	{ "kind: app\nname: !!int 12\n" SENDERS,
		"t:2:7: name: the tag tag:yaml.org,2002:int is not used here\n" },
	{ "kind: app\nname: x\nsenders: []\n", "t:3:10: senders needs at least one\n" },
	{ "kind: app\nname: x\nsenders: a@b\n",
		"t:3:10: senders can't be a single value; allowed: a list, of a mapping "
		"with envelope, header\n" },
	{ "kind: app\nname: x\nsenders:\n  - envelope: a@b.example\n",
		"t:4:5: header is missing\n" },
	{ "kind: app\nname: x\nsenders:\n  - [a, b]\n",
		"t:4:5: senders can't be a list; allowed: a list, of a mapping with "
		"envelope, header\n" },
	{ "kind: app\nname: x\nsenders:\n  - {envelope: \"\", header: \"*@*.a.example\"}\n",
		"t:4:28: header: \"*@*.a.example\" is not allowed: sub-domains are listed "
		"one by one; allowed: " HEADER_RULE "\n" },
	{ "kind: app\nname: x\nsenders:\n  - {envelope: \"\", header: \"\"}\n",
		"t:4:28: header: \"\" is not allowed; allowed: " HEADER_RULE "\n" },
	{ "kind: app\nname: x\nsenders:\n  - {envelope: \"\", header: \"b c@a.example\"}\n",
		"t:4:28: header: \"b c@a.example\" is not allowed; allowed: " HEADER_RULE
		"\n" },
	{ "kind: app\nname: x\nsenders:\n  - {envelope: \"\", header: \"a@b@c.example\"}\n",
		"t:4:28: header: \"a@b@c.example\" is not allowed; allowed: " HEADER_RULE
		"\n" },
	{ "kind: app\nname: x\n" SENDERS "networks: [10.0.0.1/8, 10.0.0.0/33, 10/8, x]\n",
		"t:4:12: networks: \"10.0.0.1/8\" is not allowed: bits are set past the "
		"prefix: write 10.0.0.0/8, or 10.0.0.1/32; allowed: " NETWORK_RULE "\n"
		"t:4:24: networks: \"10.0.0.0/33\" is not allowed: an IPv4 prefix has at "
		"most 32 bits; allowed: " NETWORK_RULE "\n"
		"t:4:37: networks: \"10/8\" is not allowed; allowed: " NETWORK_RULE "\n"
		"t:4:43: networks: \"x\" is not allowed; allowed: " NETWORK_RULE "\n" },
	{ "kind: app\nname: x\n" SENDERS "limits: {recipients: 0, message-size: 25MB}\n",
		"t:4:22: recipients: \"0\" is not allowed; allowed: a whole number from 1\n"
		"t:4:39: message-size: \"25MB\" is not allowed; allowed: a number of bytes "
		"from 1, with k, M or G for 1024 times as much each\n" },
	{ "kind: app\nname: x\n" SENDERS "limits: 5\n",
		"t:4:9: limits can't be a single value; allowed: a mapping with " LIMIT_KEYS
		"\n" },
	{ "kind: domain\nname: a..example\nkeys: [{selector: s, file: a/b}]\n",
		"t:2:7: name: \"a..example\" is not allowed: not a valid domain; allowed: a "
		"domain name such as shop.example, without a dot at its end\n"
		"t:3:28: file: \"a/b\" is not allowed; allowed: the name of a file in the "
		"signer's key folder, without any '/'\n" },
	{ "kind: pool\nname: p\nsources: [1.2.3]\nexpire: 5\n",
		"t:3:11: sources: \"1.2.3\" is not allowed; allowed: an IPv4 or IPv6 "
		"address\n"
		"t:4:9: expire: \"5\" is not allowed; allowed: a duration such as 90s, "
		"1h30m or 2d\n" },
	{ "kind: route\ndomain: \"*\"\nhost: 1.2.3.4\nport: 65536\n",
		"t:4:7: port: \"65536\" is not allowed; allowed: a port from 1 to 65535\n" },
	{ "kind: policy\nname: p\nspam: {hold-score: nan}\nrules: [{detector: Card, "
	  "decision: keep}]\n",
		"t:3:20: hold-score: \"nan\" is not allowed; allowed: a score above 0, such "
		"as 7.5\n"
		"t:4:20: detector: \"Card\" is not allowed; allowed: the name of a detector, "
		"such as card_number, or \"*\" for all\n"
		"t:4:36: decision: \"keep\" is not allowed; allowed: clear, hold, reject\n" },
	{ "kind: pool\nname: p\n---\nkind: pool\nname: q\n---\nkind: pool\nname: p\n",
		"t:7:1: pool/p stands twice, first at t:1\n" },
	{ "{kind: pool, name: p, ? [a] : b}\n", "t:1:25: a key can't be a list\n" },
	{ "just text\n",
		"t:1:1: an object is a mapping with a kind, not a single value\n" },
	{ "- kind: pool\n  name: p\n- 3\n",
		"t:3:3: an object is a mapping with a kind, not a single value\n" },
	{ "kind: pool\nname: [\n",
		"t:3:1: this is not YAML: while parsing a flow node, did not find expected "
		"node content\n" },
	{ "kind: pool\n\tname: p\n",
		"t:2:1: this is not YAML: while scanning a plain scalar, found a tab "
		"character that violates indentation\n" },
	{ "kind: pool\nname: *p\n", "t:2:7: this is not YAML: found undefined alias\n" },
	{ "kind: pool\nname: \xff\n",
		"t:2:7: this is not YAML: invalid leading UTF-8 octet\n" },
	{ "a: &a [*a]\nkind: pool\nname: p\nsources: *a\n",
		"t:1:1: there is no key \"a\" here; allowed: name, helo, sources, "
		"connections-per-destination, messages-per-connection, expire\n"
		"t:1:4: sources can't be a list; allowed: a list, of an IPv4 or IPv6 "
		"address\n" },
};

START_TEST(a_bad_document_is_told_with_its_places)
{
	documents_read(&documents, "t", slice_of(bad[_i].text));
	ck_assert_msg(problems.errors > 0, "row %d passed", _i);
	ck_assert_str_eq(told(), bad[_i].wanted);
}
END_TEST

/* What is read, as it is printed. */
static const struct {
	const char *text, *wanted;
} good[] = {
	{ "kind: pool\nname: p\n", "kind: pool\nname: p\n" },
	{ "name: p\nkind: pool\n", "kind: pool\nname: p\n" },
	{ "---\n---\nkind: pool\nname: p\n---\n", "kind: pool\nname: p\n" },
	{ "{\"kind\": \"pool\", \"name\": \"p\", \"messages-per-connection\": 7}",
		"kind: pool\nname: p\nmessages-per-connection: 7\n" },
	{ "[{kind: pool, name: p}]", "kind: pool\nname: p\n" },
	{ "kind: pool\nname: p\nhelo: Mail.Example\nsources: [\"2001:DB8:0::1\", "
	  "192.0.2.1]\nexpire: 48h\n",
		"kind: pool\nname: p\nhelo: mail.example\nsources:\n  - \"2001:db8::1\"\n"
		"  - \"192.0.2.1\"\nexpire: 2d\n" },
	{ "kind: domain\nname: a.example\nkeys: [{selector: 2026, file: k.pem}]\n",
		"kind: domain\nname: a.example\nkeys:\n  - selector: \"2026\"\n"
		"    file: k.pem\n" },
	{ "kind: domain\nname: MÜNCHEN.example\nkeys: [{selector: s1, file: k.pem}]\n",
		"kind: domain\nname: xn--mnchen-3ya.example\nkeys:\n  - selector: s1\n"
		"    file: k.pem\n" },
	{ "kind: route\ndomain: \"*\"\nhost: \"::1\"\nport: 25\ntls: none\npool: otp\n",
		"kind: route\ndomain: \"*\"\npool: otp\nhost: \"::1\"\nport: 25\ntls: none\n" },
	{ "kind: policy\nname: \"true\"\nmalware: reject\nspam: {hold-score: 7.50}\n"
	  "rules:\n- {detector: iban, count: 3, decision: hold}\n"
	  "- {detector: \"*\", decision: clear}\n",
		"kind: policy\nname: \"true\"\nmalware: reject\nspam:\n  hold-score: 7.5\n"
		"  unavailable: retry\nrules:\n  - detector: iban\n    count: 3\n"
		"    decision: hold\n  - detector: \"*\"\n    decision: clear\n" },
	{ "kind: app\nname: x1\nlane: bulk\nsenders:\n- envelope: ''\n"
	  "  header: Billing@Shop.Example\n- envelope: '*@b.example'\n"
	  "  header: ünï@b.example\nlimits: {message-size: 26214400, bytes-per-day: 1025}\n"
	  "networks: [10.0.0.0/8, 192.0.2.7]\ntags: ['12', a b, \"say \\\"hi\\\"\"]\n"
	  "pool: p\npolicy: strict\nowner: Ann's team\n",
		"kind: app\nname: x1\nlane: bulk\nsenders:\n  - envelope: \"\"\n"
		"    header: Billing@shop.example\n  - envelope: \"*@b.example\"\n"
		"    header: \"ünï@b.example\"\nnetworks:\n  - \"10.0.0.0/8\"\n"
		"  - \"192.0.2.7/32\"\nlimits:\n  message-size: 25M\n  bytes-per-day: 1025\n"
		"pool: p\npolicy: strict\nowner: \"Ann's team\"\ntags:\n  - \"12\"\n"
		"  - \"a b\"\n  - \"say \\\"hi\\\"\"\n" },
	{ "kind: app\nname: x\n" SENDERS "limits: {}\ntags: []\nstate: suspended\n",
		"kind: app\nname: x\nstate: suspended\nsenders:\n  - envelope: \"\"\n"
		"    header: \"*@a.example\"\n" },
	{ "kind: pool\nname: &n p\nhelo: *n\n", "kind: pool\nname: p\nhelo: p\n" },
};

START_TEST(a_good_document_is_printed_in_one_form)
{
	documents_read(&documents, "t", slice_of(good[_i].text));
	ck_assert_str_eq(told(), "");
	ck_assert_ptr_nonnull(documents.first);
	ck_assert_ptr_null(documents.first->next);
	ck_assert_str_eq(object_yaml(arena, documents.first->object), good[_i].wanted);
}
END_TEST

START_TEST(what_is_printed_reads_back_the_same)
{
	documents_read(&documents, "t", slice_of(good[_i].wanted));
	ck_assert_str_eq(told(), "");
	const Postern__Object *object = documents.first->object;
	ck_assert_str_eq(object_yaml(arena, object), good[_i].wanted);
	json_t *json = object_json(arena, object);
	char *text = json_dumps(json, 0);
	struct documents again;
	documents_init(&again, arena, &problems);
	documents_read(&again, "json", slice_of(text));
	ck_assert_str_eq(told(), "");
	ck_assert_str_eq(object_yaml(arena, again.first->object), good[_i].wanted);
	free(text);
	json_decref(json);
	documents_done(&again);
}
END_TEST

START_TEST(names_of_objects_that_are_not_there_are_warned_of)
{
	struct registry *registry = registry_new(NULL);
	documents_read(&documents, "t",
		SLICE("kind: app\nname: x\nsenders:\n  - envelope: ''\n"
		      "    header: '*@A.example'\n  - envelope: ''\n"
		      "    header: '*@b.example'\npool: fast\npolicy: lax\n---\n"
		      "kind: domain\nname: b.example\nkeys: [{selector: s, file: f}]\n---\n"
		      "kind: route\ndomain: '*'\nhost: h\npool: default\n"));
	plan_check_references(&documents, registry);
	ck_assert_str_eq(told(),
		"t:5:13: warning: there is no domain \"a.example\" yet: mail from it waits "
		"until it can be signed\n"
		"t:8:7: warning: there is no pool \"fast\" yet: its mail waits until a "
		"sender of that pool runs\n"
		"t:9:9: warning: there is no policy \"lax\" yet: its mail waits until "
		"there is\n");
	ck_assert_uint_eq(problems.errors, 0);
	registry_close(registry);
}
END_TEST

START_TEST(a_flood_of_faults_is_counted_not_shown)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	for (int i = 0; i < 1000; i++)
		fprintf(file, "- %d\n", i);
	fclose(file);
	documents_read(&documents, "t", (struct slice){ text, size });
	free(text);
	ck_assert_uint_eq(problems.errors, 1000);
	const char *end = "… and 900 errors more\n", *shown = told();
	ck_assert_str_eq(shown + strlen(shown) - strlen(end), end);
}
END_TEST

START_TEST(a_file_beyond_the_ceiling_is_refused)
{
	size_t size = DOCUMENT_CEILING + 1;
	char *text = calloc(1, size);
	documents_read(&documents, "t", (struct slice){ text, size });
	free(text);
	ck_assert_str_eq(told(), "t: larger than 16 MB: take it apart\n");
}
END_TEST

static void begin_anew(void)
{
	documents_done(&documents);
	documents_init(&documents, arena, &problems);
}

static const char *complete(const char *former_text, const char *text)
{
	Postern__Object *former = NULL;
	begin_anew();
	if (former_text) {
		documents_read(&documents, "t", slice_of(former_text));
		former = documents.first->object;
		former->app->state = former->app->state ? former->app->state
							: POSTERN__APP_STATE__APP_ACTIVE;
		begin_anew();
	}
	documents_read(&documents, "t", slice_of(text));
	ck_assert_str_eq(told(), "");
	documents.first->kind->complete(documents.first->object, former);
	const Postern__App *app = documents.first->object->app;
	return arena_printf(
		arena, "%d %s %d", (int)app->state, app->state_reason, (int)app->lane);
}

#define APP       "kind: app\nname: x\n" SENDERS
#define SUSPENDED APP "state: suspended\nstate-reason: leak\n"

START_TEST(a_document_without_state_leaves_the_state)
{
	ck_assert_str_eq(complete(NULL, APP), "1  2");
	ck_assert_str_eq(complete(SUSPENDED, APP), "2 leak 2");
	ck_assert_str_eq(complete(SUSPENDED, APP "lane: bulk\n"), "2 leak 3");
	ck_assert_str_eq(complete(SUSPENDED, APP "state: active\n"), "1  2");
	ck_assert_str_eq(complete(SUSPENDED, APP "state: suspended\n"), "2 leak 2");
	ck_assert_str_eq(complete(SUSPENDED, APP "state: revoked\n"), "3  2");
	ck_assert_str_eq(complete(APP, APP "state: suspended\n"), "2  2");
}
END_TEST

Suite *document_suite(void)
{
	Suite *suite = suite_create("document");
	TCase *all = tcase_create("all");
	int count = sizeof(good) / sizeof(*good);
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_loop_test(all, a_bad_document_is_told_with_its_places, 0,
		sizeof(bad) / sizeof(*bad));
	tcase_add_loop_test(all, a_good_document_is_printed_in_one_form, 0, count);
	tcase_add_loop_test(all, what_is_printed_reads_back_the_same, 0, count);
	tcase_add_test(all, names_of_objects_that_are_not_there_are_warned_of);
	tcase_add_test(all, a_flood_of_faults_is_counted_not_shown);
	tcase_add_test(all, a_file_beyond_the_ceiling_is_refused);
	tcase_add_test(all, a_document_without_state_leaves_the_state);
	suite_add_tcase(suite, all);
	return suite;
}
