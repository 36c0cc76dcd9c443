/* SPDX-License-Identifier: MIT */
#include "services/signer/signing.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alarm.h"
#include "lib/clock.h"
#include "lib/mailbox.h"
#include "lib/memory.h"
#include "lib/metrics.h"
#include "lib/registry/registry.h"
#include "lib/stage.h"
#include "lib/topics.h"
#include "lib/mail.h"
#include "services/signer/config.h"
#include "services/signer/gate.h"
#include "services/signer/keyring.h"
#include "services/signer/seal.h"
#include "services/signer/selector.h"
#include "services/signer/workers.h"

struct signing {
	struct work work; /* first: workers hand it back */
	struct signing *next, **self;
	struct signer *signer;
	struct job *job;
	struct arena *arena;
	struct signing_key {
		struct key *key; /* held */
		struct selector *selector;
		struct selector_wait wait;
	} keys[SEAL_KEYS_MAX]; /* as in seal.keys */
	unsigned waiting;      /* for that many selectors */
	int64_t sealing_us;    /* since then */
	struct seal seal;
};

static struct signing *signing_new(struct signer *signer, struct job *job)
{
	struct signing *signing = NEW(struct signing);
	*signing = (struct signing){ .signer = signer,
		.job = job,
		.arena = arena_new(),
		.next = signer->signings,
		.self = &signer->signings };
	signing->seal.mail = job_mail(job);
	signing->work.turn = (struct turn){ .lane = signing->seal.mail->lane,
		.app = slice_of(signing->seal.mail->app) };
	if (signing->next)
		signing->next->self = &signing->next;
	signer->signings = signing;
	return signing;
}

static void signing_free(struct signing *signing)
{
	*signing->self = signing->next;
	if (signing->next)
		signing->next->self = signing->self;
	for (size_t i = 0; i < signing->seal.count; i++)
		key_drop(signing->keys[i].key);
	arena_free(signing->arena);
	free(signing);
}

void signings_drop(struct signer *signer)
{
	while (signer->signings)
		signing_free(signer->signings);
}

static void hold(struct signing *signing, const char *reason)
{
	metric_add(signing->signer->metrics.refused, 1);
	job_hold(signing->job, reason, TOPIC_CLEARED, NULL);
	signing_free(signing);
}

static void defer(struct signing *signing, const char *reason)
{
	metric_add(signing->signer->metrics.deferred, 1);
	job_retry(signing->job, -1, reason);
	signing_free(signing);
}

/* Somebody must act before mail like this leaves. */
static void defer_with_alarm(
	struct signing *signing, const char *subject, const char *reason)
{
	struct job *job = signing->job;
	if (alarm_is_due(signing->signer->alarms, subject)) {
		log_error(job_log(job), "can't sign", FIELD("subject", subject),
			FIELD("reason", reason));
		Postern__Event *event = job_new_event(
			job, POSTERN__EVENT_KIND__EVENT_ALERT);
		event->reason = (char *)reason;
		job_announce(job, event);
	}
	defer(signing, reason);
}

/* d= is the very domain that a reader sees in From (RFC 7489 3.1.1: aligned, strictly).
 * Taken from the content itself, for that is what is signed. */
static bool find_domain(struct signing *signing, struct fault *fault)
{
	const Postern__Mail *mail = signing->seal.mail;
	struct mailbox from;
	char domain[DOMAIN_MAX + 1];
	struct slice content = { (const char *)mail->content.data, mail->content.len };
	if (!mailbox_from(signing->arena, content, &from, fault) ||
		!domain_to_ascii(from.address.domain, domain, fault))
		return false;
	signing->seal.domain = arena_string(signing->arena, slice_of(domain));
	return true;
}

static void add_key(struct signing *signing, struct key *key, const char *selector)
{
	struct seal *seal = &signing->seal;
	signing->keys[seal->count] = (struct signing_key){ .key = key_hold(key),
		.selector = selectors_find(
			signing->signer->selectors, seal->domain, selector, key) };
	seal->keys[seal->count++] = (struct seal_key){ .key = key,
		.selector = arena_string(signing->arena, slice_of(selector)) };
}

/* RSA on top: there are verifiers that look at the first signature only, and some of them
 * know no Ed25519. */
static bool find_keys(
	struct signing *signing, const Postern__Domain *domain, struct fault *fault)
{
	static const char *const algorithms[] = { "rsa-sha256", "ed25519-sha256" };
	if (domain->n_keys == 0)
		return fault_permanent(fault, "domain %s has no DKIM key", domain->name);
	if (domain->n_keys > SEAL_KEYS_MAX)
		return fault_permanent(fault, "domain %s has more than %d DKIM keys",
			domain->name, SEAL_KEYS_MAX);
	for (size_t a = 0; a < 2; a++)
		for (size_t i = 0; i < domain->n_keys; i++) {
			const Postern__DkimKey *wanted = domain->keys[i];
			struct key *key = keyring_find(
				signing->signer->keyring, wanted->file);
			if (!key)
				return fault_permanent(fault,
					"the key file %s of domain %s, selector %s, is "
					"missing or can't be used",
					wanted->file, domain->name, wanted->selector);
			if (strcmp(key_algorithm(key), algorithms[a]) == 0)
				add_key(signing, key, wanted->selector);
		}
	return true;
}

/* One verification for each full hundred of per cent. */
static bool is_sampled(struct signer *signer)
{
	const struct signer_config *config = signer->process->config;
	signer->sample += config->verify_sample;
	if (signer->sample < 100)
		return false;
	signer->sample -= 100;
	return true;
}

static bool gather_records(
	struct signing *signing, const char **ret_subject, struct fault *fault)
{
	for (size_t i = 0; i < signing->seal.count; i++) {
		struct selector *selector = signing->keys[i].selector;
		const char *record = selector_record(selector, fault);
		*ret_subject = selector_name(selector);
		if (!record)
			return false;
		signing->seal.keys[i].record = arena_string(
			signing->arena, slice_of(record));
		signing->seal.must_verify |= selector_is_on_trial(selector);
	}
	return true;
}

/* With what to publish, for whoever reads the alarm. */
static const char *explain(struct signing *signing, const char *subject,
	const struct key *key, const char *what)
{
	return arena_printf(job_arena(signing->job),
		"DKIM key %s: %s; the record of the key in use is: %s", subject, what,
		key_record(key));
}

static const struct key *key_of_subject(
	const struct signing *signing, const char *subject)
{
	size_t i = 0;
	while (strcmp(selector_name(signing->keys[i].selector), subject) != 0)
		i++;
	return signing->keys[i].key;
}

static void go_on(struct signing *signing)
{
	struct fault fault = { 0 };
	const char *subject = NULL;
	if (gather_records(signing, &subject, &fault)) {
		signing->seal.must_verify |= is_sampled(signing->signer);
		signing->seal.time_s = clock_unix_ms() / 1000;
		signing->sealing_us = clock_unix_us();
		workers_add(signing->signer->workers, &signing->work);
	} else if (fault.kind == FAULT_TEMPORARY) {
		defer(signing, arena_printf(job_arena(signing->job), "DKIM key %s: %s",
				       subject, fault.text));
	} else {
		const struct key *key = key_of_subject(signing, subject);
		defer_with_alarm(
			signing, subject, explain(signing, subject, key, fault.text));
	}
}

static void on_known(void *with)
{
	struct signing *signing = with;
	if (--signing->waiting == 0)
		go_on(signing);
}

static void wait_for_records(struct signing *signing)
{
	for (size_t i = 0; i < signing->seal.count; i++) {
		struct signing_key *key = &signing->keys[i];
		if (selector_is_known(key->selector))
			continue;
		key->wait = (struct selector_wait){ .call = on_known, .with = signing };
		signing->waiting++;
		selector_wait(key->selector, &key->wait);
	}
	if (signing->waiting == 0)
		go_on(signing);
}

void signing_begin(void *with, struct job *job)
{
	struct signer *signer = with;
	struct signing *signing = signing_new(signer, job);
	struct arena *arena = job_arena(job);
	struct fault fault = { 0 };
	const char *reason = gate_reason(arena, job_mail(job));
	if (reason) {
		hold(signing, reason);
		return;
	}
	if (!find_domain(signing, &fault)) {
		hold(signing, arena_printf(arena, "it can't be signed: %s", fault.text));
		return;
	}
	const char *name = signing->seal.domain;
	const Postern__Domain *domain = registry_domain(
		signer->process->registry, slice_of(name));
	if (!domain)
		defer_with_alarm(signing, name,
			arena_printf(arena, "there is no domain object for %s", name));
	else if (!find_keys(signing, domain, &fault))
		defer_with_alarm(
			signing, name, arena_string(arena, slice_of(fault.text)));
	else
		wait_for_records(signing);
}

void signing_seal(void *with, struct work *work)
{
	const struct signer *signer = with;
	struct signing *signing = (struct signing *)work;
	seal_mail(&signing->seal, signing->arena, signer->verifier);
}

static void pass_on(struct signing *signing)
{
	const struct seal *seal = &signing->seal;
	struct job *job = signing->job;
	struct arena *arena = job_arena(job);
	Postern__Mail mail = *seal->mail;
	Postern__Event *event = job_new_event(job, POSTERN__EVENT_KIND__EVENT_SIGNED);
	event->signatures = ARENA_ARRAY(arena, char *, seal->count);
	/* A replayed mail may bring signatures of an earlier pass. */
	mail_drop_headers(arena, &mail, SLICE("DKIM-Signature"));
	for (size_t i = seal->count; i-- > 0;)
		mail_prepend(arena, &mail, seal->keys[i].field);
	for (size_t i = 0; i < seal->count; i++)
		event->signatures[event->n_signatures++] = arena_printf(arena,
			"d=%s s=%s a=%s", seal->domain, seal->keys[i].selector,
			key_algorithm(seal->keys[i].key));
	const char *pool = *mail.pool ? mail.pool : "default";
	job_emit(job, topic_of_lane(arena, topic_family_of_pool(arena, pool), mail.lane),
		&mail, 0);
	job_event(job, event);
	job_finish(job);
	metric_add(signing->signer->metrics.signed_, 1);
	signing_free(signing);
}

static void learn(struct signing *signing)
{
	const struct seal *seal = &signing->seal;
	metric_add(signing->signer->metrics.verified, 1);
	for (size_t i = 0; i < seal->count; i++)
		selector_judged(signing->keys[i].selector, seal->keys[i].key,
			seal->keys[i].record, seal->keys[i].is_good);
}

static void refuse_bad(struct signing *signing)
{
	const struct seal_key *bad = signing->seal.bad;
	const char *subject = selector_name(
		signing->keys[bad - signing->seal.keys].selector);
	defer_with_alarm(signing, subject,
		explain(signing, subject, bad->key, signing->seal.fault.text));
}

void signing_sealed(void *with, struct work *work)
{
	struct signer *signer = with;
	struct signing *signing = (struct signing *)work;
	struct seal *seal = &signing->seal;
	metric_observe_ms(signer->metrics.seal,
		(double)(clock_unix_us() - signing->sealing_us) / 1000);
	if (seal->must_verify && seal->outcome != SEAL_UNCLEAN)
		learn(signing);
	const char *text = arena_printf(
		job_arena(signing->job), "it can't be signed: %s", seal->fault.text);
	switch (seal->outcome) {
	case SEAL_GOOD:
		pass_on(signing);
		break;
	case SEAL_BAD:
		refuse_bad(signing);
		break;
	case SEAL_UNCLEAN:
		if (seal->fault.kind == FAULT_PERMANENT)
			hold(signing, text);
		else
			defer(signing, text);
		break;
	}
}
