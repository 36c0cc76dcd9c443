/* SPDX-License-Identifier: MIT
 *
 * The hosts of a domain out of its MX answer (RFC 5321 5.1, RFC 7505). Pure functions
 * over records that whoever runs the zone made up. */
#ifndef SERVICES_SENDER_MX_H
#define SERVICES_SENDER_MX_H

#include "lib/dns/dns.h"
#include "lib/dns/rdata.h"
#include "services/sender/reply.h"

#define MX_MAX 32 /* looked at, the most preferred ones */

struct mx_list {
	size_t count;
	struct rdata_mx rows[MX_MAX]; /* by preference, then by name */
};

/* False: mail for the domain goes nowhere, now or ever, and `ret_why` says why. An empty
 * list means the domain itself. `helo` is our own name: hosts no better than us are left
 * out, lest mail go round in circles. */
bool mx_list_read(struct mx_list *list, const struct dns_answer *answer, const char *helo,
	struct reply *ret_why);
/* Random order among equal preferences; `chance` gives numbers below its argument. */
void mx_list_shuffle(struct mx_list *list, uint32_t (*chance)(uint32_t below));

#endif
