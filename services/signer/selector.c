/* SPDX-License-Identifier: MIT */
#include "services/signer/selector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/dns/dns.h"
#include "lib/dns/rdata.h"
#include "lib/memory.h"
#include "lib/table.h"

/* The DNS library keeps records as long as their TTL says, so asking often costs little.
 */
const struct selector_times selector_default_times = {
	.fresh_ms = 1000,
	.proven_fresh_ms = 5000,
	.trust_ms = 24 * 3600 * 1000,
};

struct selectors {
	struct dns *dns;
	const struct selector_times *times;
	struct table *table; /* DNS name to struct selector */
};

struct selector {
	struct selectors *selectors;
	char *name;
	struct key *key;
	char *record;        /* NULL: none that could be used */
	struct fault fault;  /* of the last answer */
	bool is_answered;    /* at least once */
	int64_t answered_ms; /* monotonic, as below */
	int64_t seen_ms;     /* `record` was there */
	unsigned proofs;     /* verified in a row with `record` and `key` */
	struct dns_query *query;
	struct selector_wait *waiting;
};

struct selectors *selectors_open(struct dns *dns, const struct selector_times *times)
{
	struct selectors *selectors = NEW(struct selectors);
	*selectors = (struct selectors){ dns, times, table_new() };
	return selectors;
}

static void selector_free(struct selector *selector)
{
	if (selector->query)
		dns_cancel(selector->query);
	key_drop(selector->key);
	free(selector->record);
	free(selector->name);
	free(selector);
}

void selectors_close(struct selectors *selectors)
{
	if (!selectors)
		return;
	size_t cursor = 0;
	struct slice name;
	void *value;
	while (table_next(selectors->table, &cursor, &name, &value))
		selector_free(value);
	table_free(selectors->table);
	free(selectors);
}

static struct selector *selector_new(struct selectors *selectors, const char *name)
{
	struct selector *selector = NEW(struct selector);
	*selector = (struct selector){ .selectors = selectors,
		.name = memory_string(slice_of(name)) };
	table_put(selectors->table, slice_of(name), selector);
	return selector;
}

struct selector *selectors_find(struct selectors *selectors, const char *domain,
	const char *name, struct key *key)
{
	char full[512];
	snprintf(full, sizeof(full), "%s._domainkey.%s", name, domain);
	struct selector *selector = table_get(selectors->table, slice_of(full));
	if (!selector)
		selector = selector_new(selectors, full);
	if (selector->key != key) {
		key_drop(selector->key);
		selector->key = key_hold(key);
		selector->proofs = 0;
	}
	return selector;
}

const char *selector_name(const struct selector *selector)
{
	return selector->name;
}

static void set_record(struct selector *selector, struct slice text)
{
	if (selector->record && slice_equal(slice_of(selector->record), text))
		return;
	free(selector->record);
	selector->record = memory_string(text);
	selector->proofs = 0;
}

static void set_no_record(struct selector *selector)
{
	free(selector->record);
	selector->record = NULL;
	selector->proofs = 0;
}

/* RFC 6376 3.6.2.2: with more than one record a verifier may do as it likes. */
static bool read_record(struct arena *arena, const struct dns_answer *answer,
	struct slice *ret_text, struct fault *fault)
{
	if (answer->outcome == DNS_NO_NAME || answer->outcome == DNS_NO_DATA)
		return fault_permanent(fault, "no TXT record is published");
	if (answer->count != 1)
		return fault_permanent(fault,
			"%zu TXT records are published; there must be one",
			answer->count);
	if (!rdata_txt(answer->data[0], arena, ret_text) ||
		memchr(ret_text->data, 0, ret_text->size))
		return fault_permanent(fault, "the TXT record is damaged");
	return true;
}

static void take_answer(struct selector *selector, const struct dns_answer *answer)
{
	selector->fault = (struct fault){ 0 };
	if (answer->outcome == DNS_FAILED) {
		fault_temporary(
			&selector->fault, "the DNS does not answer: %s", answer->why);
		return;
	}
	struct arena *arena = arena_new();
	struct slice text;
	if (read_record(arena, answer, &text, &selector->fault)) {
		set_record(selector, text);
		selector->seen_ms = clock_monotonic_ms();
	} else {
		set_no_record(selector);
	}
	arena_free(arena);
}

static void on_answer(void *with, const struct dns_answer *answer)
{
	struct selector *selector = with;
	selector->query = NULL;
	selector->is_answered = true;
	selector->answered_ms = clock_monotonic_ms();
	take_answer(selector, answer);
	struct selector_wait *wait = selector->waiting;
	selector->waiting = NULL;
	while (wait) {
		struct selector_wait *next = wait->next;
		wait->call(wait->with);
		wait = next;
	}
}

static bool is_proven(const struct selector *selector)
{
	return selector->record && selector->proofs > 0 &&
	       clock_monotonic_ms() - selector->seen_ms <
		       selector->selectors->times->trust_ms;
}

bool selector_is_known(struct selector *selector)
{
	const struct selector_times *times = selector->selectors->times;
	int64_t age_ms = clock_monotonic_ms() - selector->answered_ms;
	bool is_fresh = selector->is_answered &&
			age_ms < (is_proven(selector) ? times->proven_fresh_ms
						      : times->fresh_ms);
	if (!is_fresh && !selector->query)
		selector->query = dns_ask(selector->selectors->dns, selector->name,
			DNS_TXT, on_answer, selector);
	return is_fresh || is_proven(selector);
}

void selector_wait(struct selector *selector, struct selector_wait *wait)
{
	wait->next = selector->waiting;
	selector->waiting = wait;
}

const char *selector_record(const struct selector *selector, struct fault *fault)
{
	bool is_seen = selector->fault.kind == FAULT_NONE;
	if (selector->record && (is_seen || is_proven(selector)))
		return selector->record;
	*fault = selector->fault;
	return NULL;
}

bool selector_is_on_trial(const struct selector *selector)
{
	return selector->proofs < SELECTOR_PROOFS;
}

void selector_judged(struct selector *selector, const struct key *key, const char *record,
	bool is_good)
{
	if (!is_good)
		selector->proofs = 0;
	else if (selector->key == key && selector->record &&
		 strcmp(selector->record, record) == 0 &&
		 selector->proofs < SELECTOR_PROOFS)
		selector->proofs++;
}
