/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "services/scanner/checks.h"
#include "services/scanner/policy.h"

#define U POSTERN__DECISION__DECISION_UNSPECIFIED
#define C POSTERN__DECISION__DECISION_CLEAR
#define P POSTERN__DECISION__DECISION_PROTECT
#define H POSTERN__DECISION__DECISION_HOLD
#define R POSTERN__DECISION__DECISION_REJECT

#define RETRY (-1)

struct found {
	const char *check;
	unsigned count;
};

struct rule {
	const char *detector;
	unsigned count;
	Postern__Decision decision;
};

enum spam { NOT_ASKED, AWAY, SCORE };

static const struct {
	const char *says;
	struct found found[4];
	Postern__Decision malware, encrypted, unscannable;
	struct rule rules[4];
	enum spam spam;
	double score;
	const char *action;
	double hold_score, reject_score;
	Postern__Decision unavailable;
	int decision; /* RETRY: no verdict yet */
	const char *reason;
} rows[] = {
	{ "nothing found", .decision = C,
		.reason = "nothing found that speaks against it" },
	{ "malware is held where the policy says nothing", .found = { { "malware", 1 } },
		.decision = H, .reason = "malware Name in 2 (file)" },
	{ "malware is rejected where the policy says so", .found = { { "malware", 1 } },
		.malware = R, .decision = R },
	{ "malware is cleared where the policy says so", .found = { { "malware", 1 } },
		.malware = C, .decision = C },
	{ "encrypted content is held", .found = { { "encrypted", 1 } }, .decision = H,
		.reason =
			"encrypted content that can't be inspected in 2 (file) (Name)" },
	{ "encrypted content is tolerated", .found = { { "encrypted", 1 } },
		.encrypted = C, .decision = C },
	{ "tolerance for encrypted content does not cover what else there is",
		.found = { { "encrypted", 1 }, { "unscannable", 1 } }, .encrypted = C,
		.decision = H, .reason = "not fully inspected: Name in 2 (file)" },
	{ "limits exceeded are held", .found = { { "unscannable", 1 } }, .decision = H },
	{ "data without a rule is only noted", .found = { { "iban", 9 } },
		.decision = C },
	{ "data with a rule", .found = { { "iban", 1 } }, .rules = { { "iban", 0, H } },
		.decision = H, .reason = "iban: 1 (Name) ev*** in 2 (file)" },
	{ "a rule for other data", .found = { { "iban", 1 } },
		.rules = { { "card_number", 0, H } }, .decision = C },
	{ "below the threshold", .found = { { "iban", 4 } },
		.rules = { { "iban", 5, H } }, .decision = C },
	{ "at the threshold", .found = { { "iban", 5 } }, .rules = { { "iban", 5, H } },
		.decision = H },
	{ "thresholds that grow: the strictest that is met", .found = { { "iban", 7 } },
		.rules = { { "iban", 1, P }, { "iban", 5, H }, { "iban", 10, R } },
		.decision = H },
	{ "a rule for all data counts all of it",
		.found = { { "iban", 2 }, { "card_number", 3 } },
		.rules = { { "*", 5, R } }, .decision = R },
	{ "a rule for all data counts no malware",
		.found = { { "iban", 2 }, { "malware", 3 } }, .malware = C,
		.rules = { { "*", 5, R } }, .decision = C },
	{ "a rule without a decision holds", .found = { { "iban", 1 } },
		.rules = { { "iban", 0, U } }, .decision = H },
	{ "protect is passed on", .found = { { "iban", 1 } },
		.rules = { { "iban", 0, P } }, .decision = P },
	{ "the strictest of several findings",
		.found = { { "iban", 1 }, { "card_number", 1 }, { "malware", 1 } },
		.malware = C, .rules = { { "iban", 0, P }, { "card_number", 0, R } },
		.decision = R, .reason = "card_number: 1 (Name) ev*** in 2 (file)" },
	{ "no spam", .spam = SCORE, .score = 2, .action = "no action", .decision = C },
	{ "spam by the score that is usual", .spam = SCORE, .score = 15,
		.action = "reject", .decision = H,
		.reason = "spam score 15.0: GTUBE(15.0)" },
	{ "just below it", .spam = SCORE, .score = 14.9, .action = "add header",
		.decision = C },
	{ "spam by the policy's score", .spam = SCORE, .score = 5, .action = "no action",
		.hold_score = 5, .decision = H },
	{ "spam by the policy's score to reject", .spam = SCORE, .score = 20,
		.action = "reject", .hold_score = 5, .reject_score = 20, .decision = R },
	{ "rejecting only", .spam = SCORE, .score = 10, .action = "x", .reject_score = 9,
		.decision = R },
	{ "rspamd refuses in spite of the score", .spam = SCORE, .score = -1,
		.action = "reject", .decision = H, .reason = "spam reject: GTUBE(15.0)" },
	{ "rspamd away: again later", .spam = AWAY, .decision = RETRY },
	{ "rspamd away, and the policy clears", .spam = AWAY, .unavailable = C,
		.decision = C },
	{ "rspamd away, and the policy holds", .spam = AWAY, .unavailable = H,
		.decision = H, .reason = "spam not checked: it is away" },
	{ "rspamd away, and a policy that makes no sense holds", .spam = AWAY,
		.unavailable = P, .decision = H },
	{ "rspamd away, but held anyway", .spam = AWAY, .found = { { "malware", 1 } },
		.decision = H, .reason = "malware Name in 2 (file)" },
	{ "rspamd away, but only to be protected: again later", .spam = AWAY,
		.found = { { "iban", 1 } }, .rules = { { "iban", 0, P } },
		.decision = RETRY },
	{ "rspamd away, cleared, but data is found", .spam = AWAY, .unavailable = C,
		.found = { { "iban", 1 } }, .rules = { { "iban", 0, H } },
		.decision = H },
};

static Postern__Finding *new_finding(struct arena *arena, const struct found *found)
{
	Postern__Finding *finding = ARENA_NEW(arena, Postern__Finding);
	postern__finding__init(finding);
	finding->check = (char *)found->check;
	finding->count = found->count;
	finding->name = "Name";
	finding->evidence = "ev***";
	finding->part = "2 (file)";
	return finding;
}

static Postern__Inspection *new_inspection(struct arena *arena, const struct found *found)
{
	Postern__Inspection *inspection = ARENA_NEW(arena, Postern__Inspection);
	postern__inspection__init(inspection);
	inspection->engine = "engine 1";
	inspection->findings = ARENA_ARRAY(arena, Postern__Finding *, 4);
	for (; inspection->n_findings < 4 && found->check; found++)
		inspection->findings[inspection->n_findings++] = new_finding(
			arena, found);
	return inspection;
}

START_TEST(a_policy_decides_as_its_table_says)
{
	struct arena *arena = arena_new();
	Postern__Policy policy = POSTERN__POLICY__INIT;
	Postern__Spam spam = POSTERN__SPAM__INIT;
	Postern__Rule rules[4], *list[4];
	policy.malware = rows[_i].malware;
	policy.encrypted = rows[_i].encrypted;
	policy.unscannable = rows[_i].unscannable;
	policy.rules = list;
	for (; policy.n_rules < 4 && rows[_i].rules[policy.n_rules].detector;
		policy.n_rules++) {
		Postern__Rule *rule = list[policy.n_rules] = &rules[policy.n_rules];
		postern__rule__init(rule);
		rule->detector = (char *)rows[_i].rules[policy.n_rules].detector;
		rule->count = rows[_i].rules[policy.n_rules].count;
		rule->decision = rows[_i].rules[policy.n_rules].decision;
	}
	spam.hold_score = rows[_i].hold_score;
	spam.reject_score = rows[_i].reject_score;
	spam.unavailable = rows[_i].unavailable;
	if (spam.hold_score > 0 || spam.reject_score > 0 || spam.unavailable)
		policy.spam = &spam;
	struct spam_answer answer = { rows[_i].score, rows[_i].action, "GTUBE(15.0)" };
	struct evidence evidence = { .inspection = new_inspection(arena, rows[_i].found),
		.is_spam_asked = rows[_i].spam != NOT_ASKED,
		.spam = rows[_i].spam == SCORE ? &answer : NULL,
		.no_spam_answer = "it is away",
		.checks = CHECK_MALWARE | CHECK_SPAM | CHECK_DLP };
	struct judgement judgement = policy_judge(arena, &policy, &evidence);
	int decision = judgement.verdict ? (int)judgement.verdict->decision : RETRY;
	ck_assert_msg(decision == rows[_i].decision, "%s: %d", rows[_i].says, decision);
	if (rows[_i].reason)
		ck_assert_str_eq(judgement.verdict->reason, rows[_i].reason);
	if (decision == RETRY)
		ck_assert_str_eq(judgement.why, "it is away");
	arena_free(arena);
}
END_TEST

START_TEST(a_second_scanner_keeps_what_the_first_one_found)
{
	struct arena *arena = arena_new();
	Postern__Policy policy = POSTERN__POLICY__INIT;
	Postern__Verdict earlier = POSTERN__VERDICT__INIT;
	Postern__Finding *before[2] = {
		new_finding(arena, &(struct found){ "encrypted", 1 }),
		new_finding(arena, &(struct found){ "iban", 3 }),
	};
	before[0]->decision = before[1]->decision = C;
	earlier.findings = before;
	earlier.n_findings = 2;
	earlier.engine = "engine 0";
	earlier.decision = C;
	static const struct found found[] = { { "card_number", 1 }, { NULL, 0 } };
	struct evidence evidence = { .inspection = new_inspection(arena, found),
		.earlier = &earlier,
		.checks = CHECK_DLP };
	Postern__Verdict *verdict = policy_judge(arena, &policy, &evidence).verdict;
	ck_assert_uint_eq(verdict->n_findings, 2);
	ck_assert_str_eq(verdict->findings[0]->check, "encrypted");
	ck_assert_str_eq(verdict->findings[1]->check, "card_number");
	ck_assert_str_eq(verdict->engine, "engine 0; engine 1");
	/* A rescan of what was held begins anew. */
	earlier.decision = H;
	evidence.inspection = new_inspection(arena, found);
	verdict = policy_judge(arena, &policy, &evidence).verdict;
	ck_assert_uint_eq(verdict->n_findings, 1);
	ck_assert_int_eq(verdict->decision, C);
	ck_assert_str_eq(verdict->engine, "engine 1");
	arena_free(arena);
}
END_TEST

START_TEST(checks_are_read_and_faults_named)
{
	unsigned checks;
	struct fault fault;
	ck_assert(checks_parse("malware,spam,dlp", &checks, &fault));
	ck_assert_uint_eq(checks, CHECK_MALWARE | CHECK_SPAM | CHECK_DLP);
	ck_assert(checks_parse(" dlp ", &checks, &fault));
	ck_assert_uint_eq(checks, CHECK_DLP);
	ck_assert(!checks_parse("malware,virus", &checks, &fault));
	ck_assert(strstr(fault.text, "\"virus\"") != NULL);
	ck_assert(!checks_parse("", &checks, &fault));
}
END_TEST

Suite *policy_suite(void)
{
	Suite *suite = suite_create("policy");
	TCase *all = tcase_create("all");
	tcase_add_loop_test(
		all, a_policy_decides_as_its_table_says, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_test(all, a_second_scanner_keeps_what_the_first_one_found);
	tcase_add_test(all, checks_are_read_and_faults_named);
	suite_add_tcase(suite, all);
	return suite;
}
