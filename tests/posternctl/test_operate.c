/* SPDX-License-Identifier: MIT
 *
 * posternctl on a real local bus: what one call writes, another process would see. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/held.h"
#include "cli/session.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mail.h"
#include "lib/registry/credential.h"
#include "lib/topics.h"
#include "tests/posternctl/sample.h"

#define SHOP                                                                   \
	"kind: app\nname: shop\nlane: urgent\nsenders:\n"                      \
	"  - envelope: bounces@shop.example\n    header: \"*@shop.example\"\n" \
	"---\nkind: domain\nname: shop.example\nkeys:\n"                       \
	"  - {selector: s1, file: s1.pem}\n"

static char folder[64], where[80];
static struct outcome outcome;
static struct arena *arena;

static void setup(void)
{
	static const char form[] = "/tmp/posternctl-test-XXXXXX";
	memcpy(folder, form, sizeof(form));
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(where, sizeof(where), "local:%s", folder);
	arena = arena_new();
}

static void teardown(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
	arena_free(arena);
}

#define CTL(...) RUN(&outcome, where, "", __VA_ARGS__)

static void apply(const char *text)
{
	RUN(&outcome, where, text, "apply", "-f", "-");
}

static void expect(enum status status, const char *out, const char *errors)
{
	ck_assert_msg(outcome.status == status, "status %d: %s%s", (int)outcome.status,
		outcome.out, outcome.errors);
	ck_assert_msg(
		strstr(outcome.out, out), "not in the output: %s\n%s", out, outcome.out);
	ck_assert_msg(strstr(outcome.errors, errors), "not in the errors: %s\n%s", errors,
		outcome.errors);
}

/* --- the topics, seen as a service sees them ------------------------------------------
 */

static struct session *open_bus(void)
{
	struct fault fault = { 0 };
	struct session *session = session_open(where, &fault);
	ck_assert_msg(session, "%s", fault.text);
	return session;
}

static void publish(const char *topic, struct slice key, const ProtobufCMessage *message)
{
	struct session *session = open_bus();
	struct fault fault = { 0 };
	ck_assert(session_publish(session,
		&(struct bus_record){ .topic = topic,
			.key = key,
			.value = record_encode(arena, message) },
		&fault));
	session_close(session);
}

struct newest {
	size_t count;
	Postern__Mail *mail; /* NULL: there is none, or it is deleted */
};

static void see_newest(void *with, const struct bus_delivery *delivery)
{
	struct newest *newest = with;
	newest->count++;
	struct slice value = arena_copy(arena, delivery->value);
	newest->mail = value.size ? mail_decode(arena, value, NULL) : NULL;
}

static struct newest read_topic(const char *topic)
{
	struct newest newest = { 0 };
	struct session *session = open_bus();
	struct bus_range range = { .topic = topic };
	ck_assert(session_browse(session, &range, see_newest, &newest, NULL));
	session_close(session);
	return newest;
}

static bool is_in_quarantine(const char *id)
{
	struct session *session = open_bus();
	bool is_held = held_read(session, arena, id, NULL);
	session_close(session);
	return is_held;
}

static const char *hold_mail(const char *resume, Postern__Decision decision)
{
	const char *id = arena_string(arena, slice_of(id_mint().text));
	Postern__Mail *mail = sample_mail(arena, id);
	Postern__Hold hold = POSTERN__HOLD__INIT;
	Postern__Finding finding = POSTERN__FINDING__INIT, *findings[] = { &finding };
	finding.check = (char *)"card_number";
	finding.evidence = (char *)"4111********1111";
	finding.decision = POSTERN__DECISION__DECISION_HOLD;
	hold.stage = (char *)"scanner";
	hold.reason = (char *)"a card number";
	hold.held_us = clock_unix_us();
	hold.resume = (char *)resume;
	mail->hold = &hold;
	mail->verdict->decision = decision;
	mail->verdict->n_findings = 1;
	mail->verdict->findings = findings;
	publish(TOPIC_QUARANTINE, slice_of(id), &mail->base);
	return id;
}

/* --- control --------------------------------------------------------------------------
 */

START_TEST(objects_are_created_configured_and_unchanged)
{
	apply(SHOP);
	expect(STATUS_DONE, "app/shop created\ndomain/shop.example created\n", "");
	apply(SHOP);
	expect(STATUS_DONE, "app/shop unchanged\ndomain/shop.example unchanged\n", "");
	RUN(&outcome, where, SHOP, "diff", "-f", "-");
	expect(STATUS_DONE, "", "");
	ck_assert_str_eq(outcome.out, "");
	RUN(&outcome, where,
		"kind: app\nname: shop\nsenders: [{envelope: '', header: "
		"'*@shop.example'}]\n",
		"diff", "-f", "-");
	expect(STATUS_FAILED,
		"--- app/shop (now)\n+++ app/shop (stdin:1)\n kind: app\n name: shop\n"
		"-lane: urgent\n+lane: normal\n senders:\n"
		"-  - envelope: bounces@shop.example\n+  - envelope: \"\"\n"
		"     header: \"*@shop.example\"\n",
		"");
	CTL("get", "apps");
	expect(STATUS_DONE,
		"NAME  STATE   LANE    POOL  POLICY  SENDERS  OWNER\n"
		"shop  active  urgent  -     -       1        -\n",
		"");
	CTL("describe", "app", "shop");
	expect(STATUS_DONE, "# state: active\n# written 20", "");
	expect(STATUS_DONE, "`posternctl credential create shop` makes one", "");
	CTL("get", "app", "nix");
	expect(STATUS_FAILED, "", "there is no app \"nix\"");
	CTL("topics");
	expect(STATUS_DONE, "control  newest of each key", "");
}
END_TEST

static const struct {
	const char *policy, *of_app;
} used[] = {
	{ "strict", "policy: strict\n" },
	{ "default", "policy: default\n" },
	{ "default", "" },
};

START_TEST(a_policy_that_an_app_uses_is_not_deleted)
{
	apply(arena_printf(arena, "kind: policy\nname: %s\n", used[_i].policy));
	apply(arena_printf(arena,
		"kind: app\nname: shop\n%s"
		"senders: [{envelope: '', header: '*@shop.example'}]\n",
		used[_i].of_app));
	CTL("delete", "policy", used[_i].policy);
	expect(STATUS_FAILED, "", "is used by 1 apps (shop); first");
	CTL("delete", "app", "shop");
	CTL("delete", "policy", used[_i].policy);
	expect(STATUS_DONE, "deleted", "");
}
END_TEST

START_TEST(a_bad_document_keeps_the_good_ones_from_being_applied)
{
	apply(SHOP "---\nkind: pool\nname: P\n");
	expect(STATUS_USAGE, "", "stdin:14:7: name: \"P\" is not allowed");
	apply("kind: pool\nname: p\n");
	CTL("get", "apps", "-o", "json");
	expect(STATUS_DONE, "[]", "");
}
END_TEST

START_TEST(a_backup_of_all_can_be_applied)
{
	apply(SHOP
		"---\n{kind: pool, name: p}\n---\n{kind: route, domain: '*', host: h}\n");
	CTL("get", "all", "-o", "yaml");
	expect(STATUS_DONE, "kind: route", "");
	struct outcome backup = outcome;
	apply(backup.out);
	expect(STATUS_DONE,
		"app/shop unchanged\ndomain/shop.example unchanged\npool/p unchanged\n"
		"route/* unchanged\n",
		"");
	CTL("get", "all", "-o", "json");
	backup = outcome;
	apply(backup.out);
	expect(STATUS_DONE, "route/* unchanged\n", "");
}
END_TEST

START_TEST(the_samples_of_the_docs_can_be_applied)
{
#define SAMPLE(name) "-f", "docs/objects/" name ".yaml"
	CTL("apply", SAMPLE("app"), SAMPLE("domain"), SAMPLE("policy"), SAMPLE("pool"),
		SAMPLE("route"));
	ck_assert_str_eq(outcome.errors, "");
	expect(STATUS_DONE,
		"app/shop created\ndomain/shop.example created\npolicy/default created\n"
		"pool/default created\nroute/partner.example created\n",
		"");
}
END_TEST

START_TEST(a_suspended_app_stays_so_when_it_is_applied_again)
{
	apply(SHOP);
	CTL("app", "suspend", "shop", "--reason", "leaked");
	expect(STATUS_DONE, "app/shop suspended\n", "");
	CTL("app", "suspend", "shop", "--reason", "leaked");
	expect(STATUS_DONE, "app/shop is suspended already\n", "");
	apply(SHOP);
	expect(STATUS_DONE, "app/shop unchanged\n", "");
	CTL("get", "app", "shop", "-o", "yaml");
	expect(STATUS_DONE, "state: suspended\nstate-reason: leaked\n", "");
	CTL("app", "resume", "shop");
	expect(STATUS_DONE, "app/shop active\n", "");
	CTL("app", "revoke", "shop");
	expect(STATUS_DONE, "app/shop revoked\n", "");
	CTL("app", "resume", "shop");
	expect(STATUS_FAILED, "", "apply it with `state: active`");
	CTL("app", "suspend", "shop");
	expect(STATUS_FAILED, "", "is revoked, which is more");
	CTL("app", "suspend", "nix");
	expect(STATUS_FAILED, "", "there is no app \"nix\"");
}
END_TEST

static void on_change(void *with, struct slice key)
{
	if (slice_equal(key, SLICE("app/shop")))
		session_stop(with);
}

START_TEST(a_service_that_follows_knows_within_a_second)
{
	apply(SHOP);
	struct session *service = open_bus();
	const struct registry *registry = session_registry(service, NULL);
	const Postern__App *app = registry_app(registry, SLICE("shop"));
	ck_assert_int_eq(app->state, POSTERN__APP_STATE__APP_ACTIVE);
	registry_listen((struct registry *)registry, on_change, service);
	CTL("app", "suspend", "shop");
	int64_t began_ms = clock_monotonic_ms();
	struct bus_range for_ever = { .topic = TOPIC_DEAD, .live = true };
	ck_assert(session_browse(service, &for_ever, see_newest, NULL, NULL));
	ck_assert_int_lt(clock_monotonic_ms() - began_ms, 1000);
	app = registry_app(registry, SLICE("shop"));
	ck_assert_int_eq(app->state, POSTERN__APP_STATE__APP_SUSPENDED);
	session_close(service);
}
END_TEST

static void find_secret(char *secret)
{
	const char *line = strstr(outcome.out, "secret     ");
	ck_assert_ptr_nonnull(line);
	memcpy(secret, line + 11, CREDENTIAL_SECRET_LENGTH);
	secret[CREDENTIAL_SECRET_LENGTH] = '\0';
}

START_TEST(a_credential_opens_and_a_third_is_refused)
{
	char first[CREDENTIAL_SECRET_LENGTH + 1], second[CREDENTIAL_SECRET_LENGTH + 1];
	apply(SHOP);
	CTL("credential", "create", "nix");
	expect(STATUS_FAILED, "", "there is no app \"nix\"");
	CTL("credential", "create", "shop");
	expect(STATUS_DONE, "credential/shop/key-1 created, expires never", "");
	find_secret(first);
	CTL("credential", "create", "shop", "autumn", "--expires", "90d",
		"--secret-only");
	ck_assert_uint_eq(strlen(outcome.out), CREDENTIAL_SECRET_LENGTH + 1);
	memcpy(second, outcome.out, CREDENTIAL_SECRET_LENGTH);
	second[CREDENTIAL_SECRET_LENGTH] = '\0';
	CTL("credential", "create", "shop", "third");
	expect(STATUS_FAILED, "",
		"delete the one that is no longer used, with `posternctl credential delete "
		"shop NAME`");
	struct session *session = open_bus();
	const struct registry *registry = session_registry(session, NULL);
	struct slice app = SLICE("shop");
	int64_t now_us = clock_unix_us(), later_us = now_us + INT64_C(91) * 86400000000;
	ck_assert_str_eq(
		credential_find(registry, app, slice_of(first), now_us)->name, "key-1");
	ck_assert_str_eq(
		credential_find(registry, app, slice_of(second), now_us)->name, "autumn");
	ck_assert_ptr_null(credential_find(registry, app, slice_of(second), later_us));
	session_close(session);
	CTL("get", "all");
	ck_assert_ptr_null(strstr(outcome.out, first));
	CTL("credential", "delete", "shop", "key-1");
	expect(STATUS_DONE, "credential/shop/key-1 deleted\n", "");
	CTL("credential", "delete", "shop", "key-1");
	expect(STATUS_FAILED, "", "has no credential \"key-1\"");
	CTL("credential", "create", "shop", "autumn");
	expect(STATUS_FAILED, "", "has a credential \"autumn\" already");
	CTL("credential", "create", "shop", "x", "--expires", "2020-01-01");
	expect(STATUS_USAGE, "", "in the past");
	CTL("delete", "app", "shop");
	expect(STATUS_DONE, "credential/shop/autumn deleted\napp/shop deleted\n", "");
	CTL("delete", "app", "shop");
	expect(STATUS_FAILED, "", "there is no app \"shop\"");
}
END_TEST

/* --- quarantine -----------------------------------------------------------------------
 */

START_TEST(held_mail_is_listed_and_shown_masked)
{
	apply(SHOP);
	const char *id = hold_mail("", POSTERN__DECISION__DECISION_HOLD);
	CTL("quarantine", "list", "--app", "shop", "--since", "1h");
	expect(STATUS_DONE, id, "");
	expect(STATUS_DONE, "a card number", "");
	CTL("quarantine", "list", "--app", "other");
	expect(STATUS_DONE, "", "none");
	CTL("quarantine", "list", "--where", "verdict=clear");
	expect(STATUS_DONE, "", "none");
	CTL("quarantine", "show", id);
	expect(STATUS_DONE, "4111********1111", "");
	ck_assert_ptr_null(strstr(outcome.out, "Hello"));
	CTL("quarantine", "show", id, "--raw");
	ck_assert_str_eq(outcome.out, "DKIM-Signature: v=1\r\nReceived: from x\r\n"
				      "Subject: hi\r\n\r\nHello\r\n");
	CTL("quarantine", "show", SAMPLE_ID);
	expect(STATUS_FAILED, "", "it is not in quarantine");
}
END_TEST

static const struct {
	const char *verb, *resume;
	Postern__Decision decision;
	const char *topic;
	bool has_release, has_verdict;
} ways[] = {
	{ "release", "", POSTERN__DECISION__DECISION_HOLD, "mail.cleared.urgent", true,
		true },
	{ "release", "mail.accepted", POSTERN__DECISION__DECISION_HOLD,
		"mail.cleared.urgent", true, true },
	{ "release", "mail.accepted", POSTERN__DECISION__DECISION_UNSPECIFIED,
		"mail.accepted.urgent", false, true },
	{ "release", "mail.outbound.otp", POSTERN__DECISION__DECISION_CLEAR,
		"mail.outbound.otp.urgent", true, true },
	{ "rescan", "mail.cleared", POSTERN__DECISION__DECISION_HOLD,
		"mail.accepted.urgent", false, false },
};

START_TEST(a_mail_is_let_go_to_where_it_belongs)
{
	apply(SHOP);
	const char *id = hold_mail(ways[_i].resume, ways[_i].decision);
	CTL("quarantine", ways[_i].verb, id, "--why", "asked for");
	expect(STATUS_DONE, id, "");
	struct newest went = read_topic(ways[_i].topic);
	ck_assert_uint_eq(went.count, 1);
	ck_assert_str_eq(went.mail->id, id);
	ck_assert_ptr_null(went.mail->hold);
	ck_assert_int_eq(went.mail->release != NULL, ways[_i].has_release);
	ck_assert_int_eq(went.mail->verdict != NULL, ways[_i].has_verdict);
	if (went.mail->release)
		ck_assert_str_eq(went.mail->release->why, "asked for");
	ck_assert_ptr_null(read_topic(TOPIC_QUARANTINE).mail);
	CTL("trace", id, "--json");
	expect(STATUS_DONE,
		strcmp(ways[_i].verb, "release") == 0 ? "\"kind\":\"released\""
						      : "\"kind\":\"rescan\"",
		"");
	expect(STATUS_DONE, "\"reason\":\"asked for\"", "");
	CTL("quarantine", "release", id);
	expect(STATUS_FAILED, "", "it is not in quarantine");
}
END_TEST

START_TEST(mail_of_an_app_that_is_not_active_is_not_let_go)
{
	apply(SHOP);
	const char *id = hold_mail("", POSTERN__DECISION__DECISION_HOLD);
	CTL("app", "suspend", "shop");
	CTL("quarantine", "release", id);
	expect(STATUS_FAILED, "", "`posternctl app resume shop`");
	ck_assert_ptr_nonnull(read_topic(TOPIC_QUARANTINE).mail);
	CTL("quarantine", "discard", id);
	expect(STATUS_DONE, "discarded", "");
	ck_assert_ptr_null(read_topic(TOPIC_QUARANTINE).mail);
}
END_TEST

START_TEST(many_are_chosen_by_a_condition)
{
	apply(SHOP);
	for (int i = 0; i < 3; i++)
		hold_mail("", POSTERN__DECISION__DECISION_HOLD);
	CTL("quarantine", "discard", "--where", "app=shop");
	expect(STATUS_FAILED, "3 would be discarded; --yes does it\n", "");
	CTL("quarantine", "release", "--where", "app=shop,to=bob@*");
	expect(STATUS_DONE, "released", "");
	ck_assert_uint_eq(read_topic("mail.cleared.urgent").count, 3);
	CTL("quarantine", "discard", "--where", "app=shop", "--yes");
	expect(STATUS_DONE, "", "none");
}
END_TEST

/* As the stage that took it from there would. */
static const char *hold_anew(const char *topic)
{
	Postern__Mail *mail = read_topic(topic).mail;
	Postern__Hold hold = POSTERN__HOLD__INIT;
	hold.stage = (char *)"scanner";
	hold.reason = (char *)"still a card number";
	hold.resume = (char *)TOPIC_CLEARED;
	hold.held_us = clock_unix_us();
	mail->hold = &hold;
	const char *key = mail_hold_key(arena, mail);
	publish(TOPIC_QUARANTINE, slice_of(key), &mail->base);
	return key;
}

static void delete_hold(const char *key)
{
	struct session *session = open_bus();
	ck_assert(session_publish(session,
		&(struct bus_record){ .topic = TOPIC_QUARANTINE, .key = slice_of(key) },
		NULL));
	session_close(session);
}

/* On Kafka a delete may appear long after the command, even after its death. */
START_TEST(a_delete_that_comes_late_spares_the_newer_hold)
{
	apply(SHOP);
	const char *id = hold_mail("", POSTERN__DECISION__DECISION_HOLD);
	CTL("quarantine", "rescan", id);
	expect(STATUS_DONE, "sent to the scanner", "");
	const char *key = hold_anew("mail.accepted.urgent");
	delete_hold(id);
	ck_assert(is_in_quarantine(id));
	CTL("quarantine", "list");
	expect(STATUS_DONE, key, "");
	CTL("quarantine", "list", "--json");
	expect(STATUS_DONE, arena_printf(arena, "\"id\":\"%s\"", id), "");
	CTL("quarantine", "release", id);
	expect(STATUS_DONE, "released", "");
	ck_assert(!is_in_quarantine(id));
	ck_assert_str_ne(
		mail_hold_key(arena, read_topic("mail.cleared.urgent").mail), key);
}
END_TEST

START_TEST(a_command_acts_on_one_hold_of_a_mail)
{
	apply(SHOP);
	const char *id = hold_mail("", POSTERN__DECISION__DECISION_HOLD);
	Postern__Mail *first = read_topic(TOPIC_QUARANTINE).mail;
	CTL("quarantine", "rescan", id);
	const char *key = hold_anew("mail.accepted.urgent");
	publish(TOPIC_QUARANTINE, slice_of(id), &first->base);
	CTL("quarantine", "show", id);
	expect(STATUS_DONE, "a card number", "");
	ck_assert_ptr_null(strstr(outcome.out, "still a card number"));
	CTL("quarantine", "discard", id);
	expect(STATUS_DONE, "discarded", "");
	CTL("quarantine", "show", key);
	expect(STATUS_DONE, "still a card number", "");
	CTL("quarantine", "discard", "--where", "app=shop", "--yes");
	expect(STATUS_DONE, key, "");
	ck_assert(!is_in_quarantine(id));
}
END_TEST

/* The worst is a mail that is in neither place. */
START_TEST(a_kill_at_any_time_loses_no_held_mail)
{
	apply(SHOP);
	size_t went_before = 0;
	bool was_killed = false, was_done = false;
	/* As late as it takes for a command to be done. */
	for (int i = 0; i < 16 || (!was_done && i < 400); i++) {
		const char *id = hold_mail("", POSTERN__DECISION__DECISION_HOLD);
		pid_t child = fork();
		if (child == 0) {
			CTL("quarantine", i % 2 ? "release" : "rescan", id);
			_exit(0);
		}
		usleep((unsigned)i * 2500);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		size_t went = read_topic("mail.cleared.urgent").count +
			      read_topic("mail.accepted.urgent").count;
		bool is_held = is_in_quarantine(id);
		ck_assert_msg(is_held || went > went_before, "kill %d lost a mail", i);
		was_killed = was_killed || is_held;
		was_done = was_done || !is_held;
		went_before = went;
	}
	/* Both ends of the time were met, so the kills fell in between too. */
	ck_assert(was_killed);
	ck_assert(was_done);
}
END_TEST

/* --- the past -------------------------------------------------------------------------
 */

static const char *clear_mail(const char *topic)
{
	const char *id = arena_string(arena, slice_of(id_mint().text));
	Postern__Mail *mail = sample_mail(arena, id);
	mail->verdict->decision = POSTERN__DECISION__DECISION_CLEAR;
	publish(topic, mail_key(arena, mail), &mail->base);
	return id;
}

START_TEST(a_replay_says_what_it_does_and_does_it)
{
	apply(SHOP);
	const char *id = clear_mail("mail.cleared.urgent");
	clear_mail("mail.cleared.urgent");
	clear_mail("mail.cleared.bulk");
	Postern__Event no_mail = POSTERN__EVENT__INIT;
	publish("mail.cleared.bulk", SLICE("k"), &no_mail.base);
#define REPLAY \
	"replay", "--topic", "mail.cleared", "--since", "1h", "--into", "mail.cleared"
	CTL(REPLAY, "--dry-run");
	expect(STATUS_DONE, "3 messages of mail.cleared, published from ", "");
	expect(STATUS_DONE, "left out: 1 records that hold no mail\n", "");
	CTL(REPLAY);
	expect(STATUS_FAILED, "under their own ids", "--yes does it");
	CTL(REPLAY, "--limit", "2", "--yes");
	expect(STATUS_FAILED, "", "that is more than 2");
	ck_assert_uint_eq(read_topic("mail.cleared.urgent").count, 2);
	const char *one = arena_printf(arena, "app=shop,id=%s", id);
	CTL(REPLAY, "--where", one, "--yes");
	expect(STATUS_DONE, "1 replayed\n", "");
	struct newest went = read_topic("mail.cleared.urgent");
	ck_assert_uint_eq(went.count, 3);
	ck_assert_str_eq(went.mail->id, id);
	CTL("trace", id);
	expect(STATUS_DONE, "replayed by ", "");
	expect(STATUS_DONE, "from mail.cleared.urgent into mail.cleared.urgent", "");
}
END_TEST

START_TEST(again_is_a_new_message_whose_trace_names_the_old)
{
	apply(SHOP);
	const char *id = clear_mail("mail.cleared.urgent");
	CTL(REPLAY, "--again", "--yes");
	expect(STATUS_DONE, "every recipient gets them, even those who have them", "");
	struct newest went = read_topic("mail.cleared.urgent");
	ck_assert_uint_eq(went.count, 2);
	ck_assert_str_ne(went.mail->id, id);
	CTL("trace", went.mail->id);
	expect(STATUS_DONE, arena_printf(arena, "a new message made of %s", id), "");
	expect(STATUS_DONE, "ann@customer.example  on its way", "");
	CTL("trace", id);
	expect(STATUS_DONE, arena_printf(arena, "sent again as %s", went.mail->id), "");
}
END_TEST

/* More than a batch holds, many of them published in the same millisecond. */
START_TEST(a_replay_of_many_misses_none)
{
	apply(SHOP);
	struct session *session = open_bus();
	for (int i = 0; i < 300; i++) {
		Postern__Mail *mail = sample_mail(arena, id_mint().text);
		session_begin(
			session, &(struct bus_record){ .topic = "mail.accepted.urgent",
					 .key = mail_key(arena, mail),
					 .value = record_encode(arena, &mail->base) });
	}
	ck_assert(session_wait(session, 0, NULL));
	session_close(session);
	CTL("replay", "--topic", "mail.accepted", "--since", "1h", "--into",
		"mail.accepted.bulk", "--yes");
	expect(STATUS_DONE, "300 replayed\n", "");
	struct newest went = read_topic("mail.accepted.bulk");
	ck_assert_uint_eq(went.count, 300);
	ck_assert_int_eq(went.mail->lane, POSTERN__LANE__LANE_BULK);
	CTL("replay", "--topic", "mail.accepted", "--since", "1h", "--into",
		"mail.cleared", "--dry-run");
	expect(STATUS_DONE, "left out: 600 that are not cleared by the scanner\n", "");
}
END_TEST

/* --- events ---------------------------------------------------------------------------
 */

static void publish_event(
	const char *id, Postern__EventKind kind, const char *recipient, int64_t after_ms)
{
	Postern__Event event = POSTERN__EVENT__INIT;
	Postern__Accepted accepted = POSTERN__ACCEPTED__INIT;
	char *recipients[] = { (char *)"ann@customer.example" };
	accepted.n_recipients = 1;
	accepted.recipients = recipients;
	accepted.from = (char *)"bounces@shop.example";
	accepted.subject = (char *)"hi";
	event.version = RECORD_VERSION;
	event.message_id = (char *)id;
	event.kind = kind;
	event.app = (char *)"shop";
	event.lane = POSTERN__LANE__LANE_URGENT;
	event.service = (char *)"test";
	event.recipient = (char *)recipient;
	event.time_us = id_time_ms(slice_of(id)) * 1000 + after_ms * 1000;
	event.started_us = event.time_us - 500;
	if (kind == POSTERN__EVENT_KIND__EVENT_ACCEPTED)
		event.accepted = &accepted;
	publish(TOPIC_EVENTS, slice_of(id), &event.base);
}

START_TEST(a_trace_is_in_order_of_time_and_ends_with_the_states)
{
	const char *id = arena_string(arena, slice_of(id_mint().text));
	/* A stage's event may be durable before the gateway's. */
	publish_event(id, POSTERN__EVENT_KIND__EVENT_CLEARED, "", 2);
	publish_event(id, POSTERN__EVENT_KIND__EVENT_ACCEPTED, "", 0);
	publish_event(
		id, POSTERN__EVENT_KIND__EVENT_DELIVERED, "ann@customer.example", 7);
	publish_event(id_mint().text, POSTERN__EVENT_KIND__EVENT_SIGNED, "", 0);
	CTL("trace", id);
	expect(STATUS_DONE,
		"      +ms  in stage  STAGE  WHAT HAPPENED\n"
		"      0.0       0.5  test   accepted\n"
		"      2.0       0.5  test   cleared\n"
		"      7.0       0.5  test   delivered to ann@customer.example\n"
		"\nRECIPIENT             STATE\nann@customer.example  delivered\n",
		"");
	CTL("trace", id, "--follow");
	expect(STATUS_DONE, "delivered to ann@customer.example", "");
	CTL("trace", SAMPLE_ID);
	expect(STATUS_FAILED, "", "there are no events of message " SAMPLE_ID);
	CTL("events", "--kind", "signed", "--app", "shop", "--json");
	expect(STATUS_DONE, "\"kind\":\"signed\"", "");
	ck_assert_ptr_null(strstr(outcome.out, id));
	CTL("events", "--limit", "2", "--since", "1d", "--follow");
	expect(STATUS_DONE, "cleared", "");
	CTL("events", "--app", "other");
	ck_assert_str_eq(outcome.out, "");
}
END_TEST

Suite *operate_suite(void)
{
	Suite *suite = suite_create("operate");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 30);
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, objects_are_created_configured_and_unchanged);
	tcase_add_test(all, a_bad_document_keeps_the_good_ones_from_being_applied);
	tcase_add_loop_test(all, a_policy_that_an_app_uses_is_not_deleted, 0, 3);
	tcase_add_test(all, a_backup_of_all_can_be_applied);
	tcase_add_test(all, the_samples_of_the_docs_can_be_applied);
	tcase_add_test(all, a_suspended_app_stays_so_when_it_is_applied_again);
	tcase_add_test(all, a_service_that_follows_knows_within_a_second);
	tcase_add_test(all, a_credential_opens_and_a_third_is_refused);
	tcase_add_test(all, held_mail_is_listed_and_shown_masked);
	tcase_add_loop_test(all, a_mail_is_let_go_to_where_it_belongs, 0,
		sizeof(ways) / sizeof(*ways));
	tcase_add_test(all, mail_of_an_app_that_is_not_active_is_not_let_go);
	tcase_add_test(all, many_are_chosen_by_a_condition);
	tcase_add_test(all, a_delete_that_comes_late_spares_the_newer_hold);
	tcase_add_test(all, a_command_acts_on_one_hold_of_a_mail);
	tcase_add_test(all, a_kill_at_any_time_loses_no_held_mail);
	tcase_add_test(all, a_replay_says_what_it_does_and_does_it);
	tcase_add_test(all, again_is_a_new_message_whose_trace_names_the_old);
	tcase_add_test(all, a_replay_of_many_misses_none);
	tcase_add_test(all, a_trace_is_in_order_of_time_and_ends_with_the_states);
	suite_add_tcase(suite, all);
	return suite;
}
