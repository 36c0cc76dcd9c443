/* SPDX-License-Identifier: MIT */
#include "services/signer/signer.h"

#include <stdlib.h>

#include "lib/alarm.h"
#include "lib/dns/dns.h"
#include "lib/file_watch.h"
#include "lib/memory.h"
#include "lib/metrics.h"
#include "lib/stage.h"
#include "lib/topics.h"
#include "services/signer/config.h"
#include "services/signer/keyring.h"
#include "services/signer/selector.h"
#include "services/signer/signing.h"
#include "services/signer/verify.h"
#include "services/signer/workers.h"

static const struct workers_calls calls = { signing_seal, signing_sealed };

static void open_metrics(struct signer_metrics *metrics)
{
	*metrics = (struct signer_metrics){
		.signed_ = metric_counter("postern_signer_signed_total", NULL,
			"Messages signed and passed on."),
		.verified = metric_counter("postern_signer_verified_total", NULL,
			"Messages whose signatures were verified before they left."),
		.refused = metric_counter("postern_signer_held_total", NULL,
			"Messages held because they must not or can't be signed."),
		.deferred = metric_counter("postern_signer_deferred_total", NULL,
			"Attempts that ended without a good signature."),
		.seal = metric_histogram("postern_signer_seal_seconds", NULL,
			"From a worker's queue to signed and verified."),
	};
}

/* Each part needs those before it. */
static bool open_parts(struct signer *signer, struct fault *fault)
{
	struct process *process = signer->process;
	const struct signer_config *config = process->config;
	const struct dns_options dns = { .forward = config->dns_forward,
		.root_key = config->dns_root_key };
	const struct stage_plan plan = { .name = "signer",
		.consumes = TOPIC_CLEARED,
		.window = (unsigned)config->window,
		.window_bytes = (size_t)config->window_bytes,
		.work = signing_begin,
		.with = signer };
	signer->keyring = keyring_open(config->keys, &process->log, fault);
	if (!signer->keyring)
		return fault_within(fault, "POSTERN_SIGNER_KEYS");
	signer->watch = file_watch_new(
		process->loop, config->keys, signer_reload, signer, fault);
	if (!signer->watch)
		return fault_within(fault, "POSTERN_SIGNER_KEYS");
	signer->dns = dns_open(process->loop, &dns, fault);
	if (!signer->dns)
		return fault_within(fault, "POSTERN_DNS_FORWARD, POSTERN_DNS_ROOT_KEY");
	signer->selectors = selectors_open(signer->dns, &selector_default_times);
	signer->verifier = verifier_new(fault);
	if (!signer->verifier)
		return false;
	signer->workers = workers_new(
		process->loop, (unsigned)config->threads, &calls, signer);
	signer->stage = stage_open(process, &plan, fault);
	return signer->stage != NULL;
}

bool signer_open(struct process *process, void **ret_self, struct fault *fault)
{
	struct signer *signer = NEW(struct signer);
	signer->process = process;
	signer->alarms = alarms_new();
	open_metrics(&signer->metrics);
	if (!open_parts(signer, fault)) {
		signer_close(signer);
		return false;
	}
	log_info(&process->log, "signer open",
		NUMBER("keys", (long long)keyring_size(signer->keyring)));
	*ret_self = signer;
	return true;
}

static void on_drained(void *with)
{
	struct signer *signer = with;
	process_drained(signer->process);
}

void signer_drain(void *self)
{
	struct signer *signer = self;
	stage_drain(signer->stage, on_drained, signer);
}

void signer_reload(void *self)
{
	struct signer *signer = self;
	keyring_reload(signer->keyring);
}

/* Workers first: they read mail that is the stage's. */
void signer_close(void *self)
{
	struct signer *signer = self;
	workers_free(signer->workers);
	signings_drop(signer);
	if (signer->stage)
		stage_close(signer->stage);
	selectors_close(signer->selectors);
	dns_close(signer->dns);
	verifier_free(signer->verifier);
	file_watch_free(signer->watch);
	keyring_close(signer->keyring);
	alarms_free(signer->alarms);
	free(signer);
}
