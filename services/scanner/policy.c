/* SPDX-License-Identifier: MIT */
#include "services/scanner/policy.h"

#include <string.h>

#include "lib/chaos.h"
#include "services/scanner/checks.h"

#define HOLD_SCORE 15.0

#define CLEAR       POSTERN__DECISION__DECISION_CLEAR
#define HOLD        POSTERN__DECISION__DECISION_HOLD
#define REJECT      POSTERN__DECISION__DECISION_REJECT
#define UNSPECIFIED POSTERN__DECISION__DECISION_UNSPECIFIED

struct court {
	struct arena *arena;
	const Postern__Policy *policy;
	const struct evidence *evidence;
	Postern__Verdict *verdict;
	unsigned dlp_count; /* over all detectors */
};

const char *decision_name(Postern__Decision decision)
{
	static const char *const names[] = { "undecided", "cleared", "protected", "held",
		"rejected" };
	return (unsigned)decision < sizeof(names) / sizeof(*names) ? names[decision]
								   : "undecided";
}

/* The enum's order is that of strictness. */
static Postern__Decision stricter(Postern__Decision a, Postern__Decision b)
{
	return a > b ? a : b;
}

static Postern__Decision or_hold(Postern__Decision decision)
{
	return decision == UNSPECIFIED ? HOLD : decision;
}

static Postern__Decision judge_data(
	const struct court *court, const Postern__Finding *finding)
{
	Postern__Decision decision = CLEAR;
	for (size_t i = 0; i < court->policy->n_rules; i++) {
		const Postern__Rule *rule = court->policy->rules[i];
		bool is_for_all = strcmp(rule->detector, "*") == 0;
		if (!is_for_all && strcmp(rule->detector, finding->check) != 0)
			continue;
		unsigned count = is_for_all ? court->dlp_count : finding->count;
		if (count >= (rule->count ? rule->count : 1))
			decision = stricter(decision, or_hold(rule->decision));
	}
	return decision;
}

static Postern__Decision judge_finding(
	const struct court *court, const Postern__Finding *finding)
{
	const Postern__Policy *policy = court->policy;
	if (strcmp(finding->check, "malware") == 0)
		return or_hold(policy->malware);
	if (strcmp(finding->check, "encrypted") == 0)
		return or_hold(policy->encrypted);
	if (strcmp(finding->check, "unscannable") == 0)
		return or_hold(policy->unscannable);
	return judge_data(court, finding);
}

static void add(struct court *court, Postern__Finding *finding)
{
	Postern__Verdict *verdict = court->verdict;
	verdict->findings[verdict->n_findings++] = finding;
	verdict->decision = stricter(verdict->decision, finding->decision);
}

/* What this copy does not look at itself; a verdict that did not clear is history. */
static void take_earlier(struct court *court)
{
	const Postern__Verdict *earlier = court->evidence->earlier;
	if (!earlier || earlier->decision != CLEAR)
		return;
	for (size_t i = 0; i < earlier->n_findings; i++) {
		Postern__Finding *finding = earlier->findings[i];
		if (!(check_of_finding(finding->check) & court->evidence->checks))
			add(court, finding);
	}
}

static void judge_inspection(struct court *court)
{
	const Postern__Inspection *inspection = court->evidence->inspection;
	for (size_t i = 0; i < inspection->n_findings; i++)
		if (check_of_finding(inspection->findings[i]->check) == CHECK_DLP)
			court->dlp_count += inspection->findings[i]->count;
	for (size_t i = 0; i < inspection->n_findings; i++) {
		Postern__Finding *finding = inspection->findings[i];
		finding->decision = judge_finding(court, finding);
		add(court, finding);
	}
}

static Postern__Finding *new_spam_finding(struct court *court)
{
	Postern__Finding *finding = ARENA_NEW(court->arena, Postern__Finding);
	postern__finding__init(finding);
	finding->check = "spam";
	finding->count = 1;
	return finding;
}

/* rspamd may refuse for reasons other than the score (its own antivirus, a forced
 * action): its "reject" is never less than a hold. */
static void judge_spam(struct court *court)
{
	const struct spam_answer *answer = court->evidence->spam;
	const Postern__Spam *spam = court->policy->spam;
	double hold_score = spam && spam->hold_score > 0 ? spam->hold_score : HOLD_SCORE;
	Postern__Finding *finding = new_spam_finding(court);
	finding->name = (char *)answer->action;
	finding->evidence = (char *)answer->symbols;
	finding->score = answer->score;
	finding->decision = CLEAR;
	if (answer->score >= hold_score || strcmp(answer->action, "reject") == 0)
		finding->decision = HOLD;
	if (spam && spam->reject_score > 0 && answer->score >= spam->reject_score)
		finding->decision = REJECT;
	add(court, finding);
}

/* False: try again later. Not for a message that is held without rspamd. */
static bool judge_silence(struct court *court)
{
	Postern__Decision decision = court->policy->spam
					     ? court->policy->spam->unavailable
					     : UNSPECIFIED;
	if (IS_BROKEN("spam_open"))
		decision = CLEAR;
	if (decision == UNSPECIFIED && court->verdict->decision < HOLD)
		return false;
	Postern__Finding *finding = new_spam_finding(court);
	finding->name = "not checked";
	finding->evidence = (char *)court->evidence->no_spam_answer;
	finding->decision = decision == CLEAR ? CLEAR : HOLD;
	add(court, finding);
	return true;
}

static const char *describe(struct arena *arena, const Postern__Finding *finding)
{
	const char *in = *finding->part ? " in " : "";
	if (strcmp(finding->check, "malware") == 0)
		return arena_printf(
			arena, "malware %s%s%s", finding->name, in, finding->part);
	if (strcmp(finding->check, "encrypted") == 0)
		return arena_printf(arena,
			"encrypted content that can't be inspected%s%s "
			"(%s)",
			in, finding->part, finding->name);
	if (strcmp(finding->check, "unscannable") == 0)
		return arena_printf(arena, "not fully inspected: %s%s%s", finding->name,
			in, finding->part);
	if (strcmp(finding->check, "spam") == 0)
		return finding->score > 0 ? arena_printf(arena, "spam score %.1f: %s",
						    finding->score, finding->evidence)
					  : arena_printf(arena, "spam %s: %s",
						    finding->name, finding->evidence);
	return arena_printf(arena, "%s: %u (%s) %s%s%s", finding->check, finding->count,
		finding->name, finding->evidence, in, finding->part);
}

static void give_reason(struct court *court)
{
	Postern__Verdict *verdict = court->verdict;
	verdict->reason = "nothing found that speaks against it";
	for (size_t i = 0; i < verdict->n_findings; i++) {
		const Postern__Finding *finding = verdict->findings[i];
		if (verdict->decision > CLEAR && finding->decision == verdict->decision) {
			verdict->reason = (char *)describe(court->arena, finding);
			return;
		}
	}
}

static const char *engine_of(const struct court *court)
{
	const struct evidence *evidence = court->evidence;
	const char *before = evidence->earlier && evidence->earlier->decision == CLEAR
				     ? evidence->earlier->engine
				     : "";
	const char *engine = evidence->inspection->engine;
	return arena_printf(court->arena, "%s%s%s%s", before, *before ? "; " : "", engine,
		!evidence->spam ? ""
		: *engine       ? ", rspamd"
				: "rspamd");
}

struct judgement policy_judge(struct arena *arena, const Postern__Policy *policy,
	const struct evidence *evidence)
{
	struct court court = { .arena = arena, .policy = policy, .evidence = evidence };
	court.verdict = ARENA_NEW(arena, Postern__Verdict);
	postern__verdict__init(court.verdict);
	size_t most = evidence->inspection->n_findings + 1 +
		      (evidence->earlier ? evidence->earlier->n_findings : 0);
	court.verdict->findings = ARENA_ARRAY(arena, Postern__Finding *, most);
	court.verdict->decision = CLEAR;
	take_earlier(&court);
	judge_inspection(&court);
	if (evidence->spam)
		judge_spam(&court);
	else if (evidence->is_spam_asked && !judge_silence(&court))
		return (struct judgement){ NULL, evidence->no_spam_answer };
	court.verdict->engine = (char *)engine_of(&court);
	give_reason(&court);
	return (struct judgement){ court.verdict, NULL };
}
