/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fate.h"

#define ALL "" /* the whole message */

enum { STEPS = 8 };

/* What happened, in letters, and to whom; then what each of a@x and b@x has come to. */
static const struct {
	struct step {
		Postern__EventKind kind;
		const char *recipient, *reason;
	} steps[STEPS];
	const char *a, *b;
	bool is_settled;
} rows[] = {
#define KIND(name) POSTERN__EVENT_KIND__EVENT_##name
	{ { { KIND(ACCEPTED), ALL } }, "accepted", "accepted", false },
	{ { { KIND(ACCEPTED), ALL }, { KIND(CLEARED), ALL }, { KIND(SIGNED), ALL },
		  { KIND(DELIVERED), "a@x" } },
		"delivered", "on its way", false },
	{ { { KIND(ACCEPTED), ALL }, { KIND(DELIVERED), "a@x" },
		  { KIND(BOUNCED), "b@x", "no such user" } },
		"delivered", "bounced: no such user", true },
	{ { { KIND(ACCEPTED), ALL }, { KIND(HELD), ALL, "malware" } }, "held: malware",
		"held: malware", true },
	{ { { KIND(ACCEPTED), ALL }, { KIND(HELD), ALL, "x" }, { KIND(RELEASED), ALL } },
		"on its way", "on its way", false },
	{ { { KIND(ACCEPTED), ALL }, { KIND(DELIVERED), "a@x" }, { KIND(HELD), ALL, "x" },
		  { KIND(DISCARDED), ALL, "junk" } },
		"delivered", "discarded: junk", true },
	{ { { KIND(ACCEPTED), ALL }, { KIND(DEFERRED), "a@x", "busy" },
		  { KIND(EXPIRED), "a@x" }, { KIND(DUPLICATE), "b@x" } },
		"expired", "delivered", true },
	{ { { KIND(ACCEPTED), ALL }, { KIND(BOUNCED), "a@x" }, { KIND(REPLAYED), ALL },
		  { KIND(DELIVERED), "a@x" }, { KIND(ALERT), ALL, "key missing" } },
		"delivered", "on its way", false },
	{ { { KIND(ACCEPTED), ALL }, { KIND(DEAD), ALL, "damaged" } },
		"in the dead-letter topic: damaged", "in the dead-letter topic: damaged",
		true },
};

START_TEST(each_recipient_has_its_state)
{
	struct arena *arena = arena_new();
	struct fate fate;
	fate_init(&fate, arena);
	ck_assert(!fate_is_settled(&fate));
	Postern__Accepted accepted = POSTERN__ACCEPTED__INIT;
	char *recipients[] = { (char *)"a@x", (char *)"b@x" };
	accepted.n_recipients = 2;
	accepted.recipients = recipients;
	Postern__Event events[STEPS];
	for (int i = 0; i < STEPS && rows[_i].steps[i].kind; i++) {
		const struct step *step = &rows[_i].steps[i];
		postern__event__init(&events[i]);
		events[i].kind = step->kind;
		events[i].recipient = (char *)step->recipient;
		events[i].reason = (char *)(step->reason ? step->reason : "");
		if (step->kind == KIND(ACCEPTED))
			events[i].accepted = &accepted;
		fate_add(&fate, &events[i]);
	}
	ck_assert_uint_eq(fate.count, 2);
	ck_assert_str_eq(fate.recipients[0].state, rows[_i].a);
	ck_assert_str_eq(fate.recipients[1].state, rows[_i].b);
	ck_assert_int_eq(fate_is_settled(&fate), rows[_i].is_settled);
	arena_free(arena);
}
END_TEST

Suite *fate_suite(void)
{
	Suite *suite = suite_create("fate");
	TCase *all = tcase_create("all");
	tcase_add_loop_test(
		all, each_recipient_has_its_state, 0, sizeof(rows) / sizeof(*rows));
	suite_add_tcase(suite, all);
	return suite;
}
