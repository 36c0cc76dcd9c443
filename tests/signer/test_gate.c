/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "services/signer/gate.h"

static const struct row {
	const char *why; /* a piece of the reason; NULL: it passes */
	bool has_verdict, is_released;
	Postern__Decision decision;
} rows[] = {
	{ NULL, true, false, POSTERN__DECISION__DECISION_CLEAR },
	{ "never scanned", false, false, 0 },
	{ "encryption", true, false, POSTERN__DECISION__DECISION_PROTECT },
	{ "does not clear it, and nobody released it: because", true, false,
		POSTERN__DECISION__DECISION_HOLD },
	{ "does not clear", true, false, POSTERN__DECISION__DECISION_REJECT },
	{ "does not clear", true, false, POSTERN__DECISION__DECISION_UNSPECIFIED },
	{ "does not clear", true, false, (Postern__Decision)77 },
	{ NULL, false, true, 0 },
	{ NULL, true, true, POSTERN__DECISION__DECISION_HOLD },
	{ NULL, true, true, POSTERN__DECISION__DECISION_PROTECT },
};

START_TEST(only_what_was_cleared_or_released_passes)
{
	const struct row *row = &rows[_i];
	Postern__Mail mail = POSTERN__MAIL__INIT;
	Postern__Verdict verdict = POSTERN__VERDICT__INIT;
	Postern__Release release = POSTERN__RELEASE__INIT;
	verdict.decision = row->decision;
	verdict.reason = "because";
	mail.verdict = row->has_verdict ? &verdict : NULL;
	mail.release = row->is_released ? &release : NULL;
	struct arena *arena = arena_new();
	const char *reason = gate_reason(arena, &mail);
	ck_assert_int_eq(reason == NULL, row->why == NULL);
	if (reason)
		ck_assert_msg(strstr(reason, row->why), "%s", reason);
	arena_free(arena);
}
END_TEST

Suite *gate_suite(void)
{
	Suite *suite = suite_create("gate");
	TCase *tcase = tcase_create("gate");
	tcase_add_loop_test(tcase, only_what_was_cleared_or_released_passes, 0,
		sizeof(rows) / sizeof(*rows));
	suite_add_tcase(suite, tcase);
	return suite;
}
