/* SPDX-License-Identifier: MIT
 *
 * Questions to the DNS through libunbound, which validates DNSSEC. Answers come on the
 * loop. Every question has a deadline of its own. */
#ifndef LIB_DNS_DNS_H
#define LIB_DNS_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/fault.h"
#include "lib/slice.h"

struct dns;
struct dns_query;
struct loop;

enum dns_type { DNS_A = 1, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28, DNS_TLSA = 52 };

struct dns_options {
	const char
		*forward; /* "HOST:PORT" of a resolver to ask; "" = those of the system */
	const char *root_key; /* trust anchor file; "" = no DNSSEC validation */
	int64_t timeout_ms;   /* deadline of a question; 0 = 10 s */
};

enum dns_outcome {
	DNS_FOUND,   /* at least one record */
	DNS_NO_NAME, /* the name does not exist */
	DNS_NO_DATA, /* the name exists without such records */
	DNS_FAILED,  /* SERVFAIL, time-out, bogus: try again later */
};

struct dns_answer {
	enum dns_outcome outcome;
	bool is_secure; /* validated by DNSSEC */
	size_t count;
	const struct slice *data; /* raw RDATA of each record */
	const char *why;          /* of DNS_FAILED */
};

struct dns *dns_open(
	struct loop *loop, const struct dns_options *options, struct fault *fault);
/* Cancels what is under way without calling back. Not from inside `answered`. */
void dns_close(struct dns *dns);
/* `answer` is borrowed for the call. `name` is a domain in text form; names that can't be
 * one are answered DNS_NO_NAME. Never calls back before it has returned. */
typedef void dns_answered(void *with, const struct dns_answer *answer);
struct dns_query *dns_ask(struct dns *dns, const char *name, enum dns_type type,
	dns_answered *answered, void *with);
/* After this `answered` is not called any more. Not for a query that was answered. */
void dns_cancel(struct dns_query *query);

#endif
