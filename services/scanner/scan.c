/* SPDX-License-Identifier: MIT */
#include "services/scanner/scan.h"

#include <string.h>

#include "lib/alarm.h"
#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/metrics.h"
#include "lib/registry/registry.h"
#include "lib/topics.h"
#include "services/scanner/checks.h"
#include "services/scanner/policy.h"
#include "services/scanner/scanner.h"

struct scan {
	struct scanner *scanner;
	struct job *job;
	int64_t started_ms;
	unsigned pending; /* answers */
	struct order order;
	struct spam_question question;
	struct evidence evidence;
	Postern__Inspection none; /* where only rspamd is asked */
	struct fault failure;     /* there is no inspection */
};

static void count_verdict(Postern__Decision decision)
{
	static const char *const labels[] = { "decision=\"none\"", "decision=\"clear\"",
		"decision=\"protect\"", "decision=\"hold\"", "decision=\"reject\"" };
	metric_add(metric_counter("postern_scanner_verdicts_total", labels[decision],
			   "Messages by what was decided; none: tried again later."),
		1);
}

/* By its app, as that is now. */
static const char *policy_name(const struct scan *scan)
{
	const Postern__Mail *mail = job_mail(scan->job);
	const Postern__App *app = registry_app(
		scan->scanner->process->registry, slice_of(mail->app));
	return app ? app->policy : mail->policy;
}

static const Postern__Policy *policy_of(const struct scan *scan)
{
	return registry_policy(
		scan->scanner->process->registry, slice_of(policy_name(scan)));
}

static void clear(struct scan *scan, Postern__Verdict *verdict)
{
	struct job *job = scan->job;
	Postern__Mail mail = *job_mail(job);
	mail.verdict = verdict;
	mail.hold = NULL;
	job_emit(job,
		topic_of_lane(job_arena(job), scan->scanner->config->produces, mail.lane),
		&mail, 0);
	Postern__Event *event = job_new_event(job, POSTERN__EVENT_KIND__EVENT_CLEARED);
	event->verdict = verdict;
	event->reason = verdict->reason;
	job_event(job, event);
	job_finish(job);
}

/* Final for every recipient. */
static void reject(struct scan *scan, Postern__Verdict *verdict)
{
	struct job *job = scan->job;
	const Postern__Envelope *envelope = job_mail(job)->envelope;
	for (size_t i = 0; i < envelope->n_recipients; i++) {
		Postern__Event *event = job_new_event(
			job, POSTERN__EVENT_KIND__EVENT_BOUNCED);
		event->recipient = envelope->recipients[i]->address;
		event->verdict = verdict;
		event->reason = verdict->reason;
		job_event(job, event);
	}
	job_finish(job);
}

static void hold(struct scan *scan, Postern__Verdict *verdict, const char *reason)
{
	job_hold(scan->job, reason, scan->scanner->config->produces, verdict);
}

static void carry_out(struct scan *scan, Postern__Verdict *verdict)
{
	count_verdict(verdict->decision);
	switch (verdict->decision) {
	case POSTERN__DECISION__DECISION_CLEAR:
		clear(scan, verdict);
		return;
	case POSTERN__DECISION__DECISION_REJECT:
		reject(scan, verdict);
		return;
	case POSTERN__DECISION__DECISION_PROTECT:
		hold(scan, verdict,
			arena_printf(job_arena(scan->job),
				"must be encrypted, which is not possible yet: %s",
				verdict->reason));
		return;
	default:
		hold(scan, verdict, verdict->reason);
		return;
	}
}

/* Held whatever the policy says: nobody knows what is in it. */
static void hold_uninspected(struct scan *scan)
{
	struct arena *arena = job_arena(scan->job);
	Postern__Finding *finding = ARENA_NEW(arena, Postern__Finding);
	postern__finding__init(finding);
	finding->check = "unscannable";
	finding->name = scan->failure.text;
	finding->count = 1;
	finding->decision = POSTERN__DECISION__DECISION_HOLD;
	Postern__Verdict *verdict = ARENA_NEW(arena, Postern__Verdict);
	postern__verdict__init(verdict);
	verdict->findings = ARENA_ARRAY(arena, Postern__Finding *, 1);
	verdict->findings[verdict->n_findings++] = finding;
	verdict->decision = IS_BROKEN("fail_open") ? POSTERN__DECISION__DECISION_CLEAR
						   : POSTERN__DECISION__DECISION_HOLD;
	verdict->reason = scan->failure.text;
	carry_out(scan, verdict);
}

static void try_again(struct scan *scan, const char *why)
{
	count_verdict(POSTERN__DECISION__DECISION_UNSPECIFIED);
	job_retry(scan->job, -1, why);
}

/* Judged by another policy it might be cleared. */
static void await_policy(struct scan *scan)
{
	struct job *job = scan->job;
	const char *why = arena_printf(job_arena(job),
		"there is no policy \"%s\", which its app \"%s\" names: apply it, or name "
		"another one",
		policy_name(scan), job_mail(job)->app);
	if (alarm_is_due(scan->scanner->alarms, why)) {
		log_error(job_log(job), "can't judge", FIELD("reason", why));
		Postern__Event *event = job_new_event(
			job, POSTERN__EVENT_KIND__EVENT_ALERT);
		event->reason = (char *)why;
		job_announce(job, event);
	}
	try_again(scan, why);
}

static void conclude(struct scan *scan)
{
	if (--scan->pending)
		return;
	metric_observe_ms(metric_histogram("postern_scanner_scan_seconds", NULL,
				  "From taking a message to knowing all about it."),
		(double)(clock_monotonic_ms() - scan->started_ms));
	if (scan->failure.kind == FAULT_PERMANENT) {
		hold_uninspected(scan);
		return;
	}
	if (scan->failure.kind != FAULT_NONE) {
		try_again(scan, scan->failure.text);
		return;
	}
	const Postern__Policy *policy = policy_of(scan);
	if (!policy) {
		await_policy(scan);
		return;
	}
	struct judgement judgement = policy_judge(
		job_arena(scan->job), policy, &scan->evidence);
	if (judgement.verdict)
		carry_out(scan, judgement.verdict);
	else
		try_again(scan, judgement.why);
}

static void on_inspected(
	void *with, Postern__Inspection *inspection, const struct fault *fault)
{
	struct scan *scan = with;
	scan->evidence.inspection = inspection;
	if (!inspection)
		scan->failure = *fault;
	conclude(scan);
}

static void on_told(
	void *with, const struct spam_answer *answer, const struct fault *fault)
{
	struct scan *scan = with;
	struct arena *arena = job_arena(scan->job);
	struct evidence *evidence = &scan->evidence;
	/* Busy, or the sender is over rspamd's limits: it wants to be asked again. */
	bool is_deferred = answer && strcmp(answer->action, "soft reject") == 0;
	if (answer && !is_deferred) {
		struct spam_answer *copy = ARENA_NEW(arena, struct spam_answer);
		*copy = *answer;
		evidence->spam = copy;
	} else {
		const char *why = answer ? "it asks to try again later" : fault->text;
		evidence->no_spam_answer = arena_printf(
			arena, "no word of rspamd: %s", why);
		metric_add(metric_counter("postern_scanner_rspamd_failures_total", NULL,
				   "Messages that rspamd gave no usable answer for."),
			1);
		log_warning(job_log(scan->job), "no spam check", FIELD("why", why));
	}
	conclude(scan);
}

void scan_message(void *with, struct job *job)
{
	struct scanner *scanner = with;
	struct scan *scan = ARENA_NEW(job_arena(job), struct scan);
	const Postern__Mail *mail = job_mail(job);
	*scan = (struct scan){ .scanner = scanner,
		.job = job,
		.started_ms = clock_monotonic_ms(),
		.pending = 1,
		.none = POSTERN__INSPECTION__INIT };
	scan->evidence = (struct evidence){ .inspection = &scan->none,
		.is_spam_asked = scanner->spam != NULL,
		.earlier = mail->verdict,
		.checks = scanner->checks };
	scan->question = (struct spam_question){
		.mail = mail, .arena = job_arena(job), .told = on_told, .with = scan
	};
	scan->order = (struct order){ .turn = { .lane = mail->lane,
					      .app = slice_of(mail->app) },
		.content = { (const char *)mail->content.data, mail->content.len },
		.arena = job_arena(job),
		.log = job_log(job),
		.done = on_inspected,
		.with = scan };
	metric_add(metric_counter("postern_scanner_scans_total", NULL,
			   "Messages taken to be scanned, repeats included."),
		1);
	if (!policy_of(scan)) {
		await_policy(scan);
		return;
	}
	scan->pending += scanner->spam != NULL;
	scan->pending += scanner->pool != NULL;
	if (scanner->spam)
		spam_ask(scanner->spam, &scan->question);
	if (scanner->pool)
		pool_inspect(scanner->pool, &scan->order);
	conclude(scan);
}
