/* SPDX-License-Identifier: MIT
 *
 * The sender: what all deliveries of a process share, and its life as a service. One
 * process delivers for one pool. */
#ifndef SERVICES_SENDER_SENDER_H
#define SERVICES_SENDER_SENDER_H

#include "lib/service.h"
#include "lib/table.h"
#include "services/sender/destination.h"
#include "services/sender/record.h"

struct metric;

struct sender {
	struct process *process;
	struct pool pool;
	const char *family; /* of topics: mail.outbound.POOL */
	struct connection_timeouts timeouts;
	struct tls *tls;
	struct file_watch *ca_watch;
	struct dns *dns;
	struct routes *routes;
	struct destinations *destinations;
	struct record *record;
	struct room *room;
	struct stage *stage;
	struct table *deliveries; /* in hand, by message id */
	size_t bytes_in_hand;
	bool is_draining;
	bool record_failed; /* said so already */
	struct sender_metrics {
		struct metric *delivered, *deferred, *bounced, *expired, *duplicate;
		struct metric *uncertain, *record_faults, *took;
	} metrics;
};

bool sender_open(struct process *process, void **ret_self, struct fault *fault);
void sender_drain(void *self);
void sender_reload(void *self);
void sender_close(void *self);

#endif
