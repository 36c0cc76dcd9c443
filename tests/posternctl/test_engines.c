/* SPDX-License-Identifier: MIT
 *
 * One round of an operator's work on each engine. The broker is shared with other tests,
 * so everything here has names of its own. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cli/session.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/mail.h"
#include "lib/topics.h"
#include "tests/posternctl/sample.h"

static struct arena *arena;
static char folder[64];
static const char *where, *app;
static struct outcome outcome;

/* 0: local; 1: Kafka, where there is a broker. */
static bool open_engine(int engine)
{
	static const char form[] = "/tmp/posternctl-test-XXXXXX";
	const char *broker = getenv("POSTERN_TEST_KAFKA");
	arena = arena_new();
	app = arena_printf(arena, "shop-%.8s", id_mint().text + 28);
	if (engine == 1) {
		where = arena_printf(arena, "kafka:%s", broker ? broker : "");
		return broker && *broker;
	}
	memcpy(folder, form, sizeof(form));
	ck_assert_ptr_nonnull(mkdtemp(folder));
	where = arena_printf(arena, "local:%s", folder);
	return true;
}

static void close_engine(void)
{
	if (*folder)
		ck_assert_int_eq(system(arena_printf(arena, "rm -rf %s", folder)), 0);
	arena_free(arena);
}

#define CTL(...) RUN(&outcome, where, "", __VA_ARGS__)

static void expect(enum status status, const char *out)
{
	ck_assert_msg(outcome.status == status && strstr(outcome.out, out),
		"%s: status %d, wanted \"%s\" in:\n%s%s", where, (int)outcome.status, out,
		outcome.out, outcome.errors);
}

static void apply(const char *rest)
{
	RUN(&outcome, where,
		arena_printf(arena,
			"kind: app\nname: %s\nlane: urgent\nsenders: [{envelope: '', "
			"header: '*@shop.example'}]\n%s",
			app, rest),
		"apply", "-f", "-");
}

/* --- what is in a topic ---------------------------------------------------------------
 */

struct sought {
	const char *id;
	size_t count;
	Postern__Mail *newest;
};

static void see(void *with, const struct bus_delivery *delivery)
{
	struct sought *sought = with;
	Postern__Mail *mail = mail_decode(arena, delivery->value, NULL);
	if (sought && mail && strcmp(mail->app, app) == 0 &&
		(!sought->id || strcmp(mail->id, sought->id) == 0)) {
		sought->count++;
		sought->newest = mail;
	}
}

static struct sought seek(const char *topic, const char *id)
{
	struct sought sought = { .id = id };
	struct fault fault = { 0 };
	struct session *session = session_open(where, &fault);
	struct bus_range range = { .topic = topic };
	bool is_good = session_browse(session, &range, see, &sought, &fault);
	ck_assert_msg(is_good, "%s: %s", topic, fault.text);
	session_close(session);
	return sought;
}

static const char *hold_mail(void)
{
	const char *id = arena_string(arena, slice_of(id_mint().text));
	Postern__Mail *mail = sample_mail(arena, id);
	Postern__Hold hold = POSTERN__HOLD__INIT;
	hold.stage = (char *)"scanner";
	hold.reason = (char *)"a card number";
	hold.held_us = clock_unix_us();
	mail->app = (char *)app;
	mail->hold = &hold;
	mail->verdict->decision = POSTERN__DECISION__DECISION_HOLD;
	struct session *session = session_open(where, NULL);
	ck_assert(session_publish(session,
		&(struct bus_record){ .topic = TOPIC_QUARANTINE,
			.key = slice_of(id),
			.value = record_encode(arena, &mail->base) },
		NULL));
	session_close(session);
	return id;
}

struct taking {
	struct session *session;
	const char *id;
};

static void on_taken(void *with, struct bus_delivery *delivery)
{
	struct taking *taking = with;
	bool is_it = slice_equal(mail_peek_id(delivery->value), slice_of(taking->id));
	bus_settle(delivery);
	if (is_it)
		session_stop(taking->session);
}

/* As a stage would take it, once it is due; the test's time-out is the limit. */
static void take_mail(const char *family, const char *id)
{
	struct taking taking = { session_open(where, NULL), id };
	struct bus_subscription subscription = { app, topic_sources(arena, family), 10,
		1 << 20 };
	struct bus_reader *reader = bus_subscribe(
		session_bus(taking.session), &subscription, on_taken, &taking, NULL);
	struct bus_range for_ever = { .topic = TOPIC_DEAD, .live = true };
	ck_assert(session_browse(taking.session, &for_ever, see, NULL, NULL));
	bus_unsubscribe(reader);
	session_close(taking.session);
}

/* --- the round ------------------------------------------------------------------------
 */

static void check_objects(void)
{
	apply("");
	expect(STATUS_DONE, arena_printf(arena, "app/%s created\n", app));
	CTL("app", "suspend", app);
	expect(STATUS_DONE, "suspended");
	apply("");
	expect(STATUS_DONE, "unchanged");
	CTL("app", "resume", app);
	expect(STATUS_DONE, "active");
	CTL("credential", "create", app);
	expect(STATUS_DONE, "    secret     ");
	CTL("credential", "list", app);
	expect(STATUS_DONE, "key-1");
	apply("owner: ann\n");
	expect(STATUS_DONE, "configured");
}

static void check_quarantine(void)
{
	const char *discarded = hold_mail(), *released = hold_mail();
	CTL("quarantine", "list", "--app", app);
	expect(STATUS_DONE, discarded);
	expect(STATUS_DONE, released);
	CTL("quarantine", "discard", discarded);
	expect(STATUS_DONE, "discarded");
	CTL("quarantine", "release", released, "--why", "asked for");
	expect(STATUS_DONE, "released");
	CTL("quarantine", "list", "--app", app);
	ck_assert_str_eq(outcome.out, "");
	CTL("quarantine", "show", released);
	ck_assert_int_eq(outcome.status, STATUS_FAILED);
	CTL("trace", released);
	expect(STATUS_DONE, "asked for");
	CTL("trace", discarded, "--json");
	expect(STATUS_DONE, "\"kind\":\"discarded\"");
	take_mail(TOPIC_CLEARED, released);
	ck_assert_uint_eq(seek("mail.cleared.urgent", discarded).count, 0);
}

static void check_replay(void)
{
	const char *condition = arena_printf(arena, "app=%s", app);
#define REPLAY                                                                          \
	"replay", "--topic", "mail.cleared", "--since", "1h", "--into", "mail.cleared", \
		"--where", condition
	CTL(REPLAY, "--dry-run");
	expect(STATUS_DONE, "1 messages of mail.cleared");
	size_t before = seek("mail.cleared.urgent", NULL).count;
	CTL(REPLAY, "--again", "--yes");
	expect(STATUS_DONE, "1 replayed");
	struct sought after = seek("mail.cleared.urgent", NULL);
	/* Not equal: what the bus moves when it is due may come twice. */
	ck_assert_uint_gt(after.count, before);
	CTL("trace", after.newest->id);
	expect(STATUS_DONE, "a new message made of");
}

START_TEST(an_operators_round_works_on_each_engine)
{
	if (open_engine(_i)) {
		check_objects();
		check_quarantine();
		check_replay();
		CTL("delete", "app", app);
		expect(STATUS_DONE, arena_printf(arena, "app/%s deleted\n", app));
		CTL("topics", "mail.cleared");
		expect(STATUS_DONE, "mail.cleared.urgent");
	}
	close_engine();
}
END_TEST

Suite *engines_suite(void)
{
	Suite *suite = suite_create("engines");
	TCase *all = tcase_create("all");
	tcase_set_timeout(all, 120);
	tcase_add_loop_test(all, an_operators_round_works_on_each_engine, 0, 2);
	suite_add_tcase(suite, all);
	return suite;
}
