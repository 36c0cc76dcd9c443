/* SPDX-License-Identifier: MIT
 *
 * The signer: what all signings share, and its life as a service. It is the only program
 * that reads private keys. It asks the DNS and talks to the bus, to nobody else. */
#ifndef SIGNER_SIGNER_H
#define SIGNER_SIGNER_H

#include "lib/service.h"

struct signer {
	struct process *process;
	struct alarms *alarms;
	struct keyring *keyring;
	struct dns *dns;
	struct selectors *selectors;
	struct verifier *verifier;
	struct workers *workers;
	struct file_watch *watch;
	struct stage *stage;
	struct signing *signings; /* under way */
	int64_t sample;           /* per cent of a verification that is due */
	struct signer_metrics {
		struct metric *signed_, *verified, *refused, *deferred, *seal;
	} metrics;
};

bool signer_open(struct process *process, void **ret_self, struct fault *fault);
void signer_drain(void *self);
void signer_reload(void *self);
void signer_close(void *self);

#endif
