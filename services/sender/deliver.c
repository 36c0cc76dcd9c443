/* SPDX-License-Identifier: MIT */
#include "services/sender/delivery.h"

#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "lib/clock.h"
#include "lib/mail.h"
#include "lib/metrics.h"
#include "lib/registry/registry.h"
#include "lib/topics.h"
#include "services/sender/parcels.h"

/* --- is it fit to leave? --- */

static bool is_signed(const Postern__Mail *mail)
{
	for (size_t i = 0; i < mail->n_headers; i++) {
		struct slice header = { (const char *)mail->headers[i].data,
			mail->headers[i].len };
		if (slice_has_prefix_nocase(header, SLICE("DKIM-Signature:")))
			return true;
	}
	return false;
}

static void gather_parts(struct delivery *delivery)
{
	const Postern__Mail *mail = delivery->mail;
	delivery->parts = ARENA_ARRAY(
		job_arena(delivery->job), struct slice, mail->n_headers + 1);
	for (size_t i = 0; i < mail->n_headers; i++)
		delivery->parts[i] = (struct slice){ (const char *)mail->headers[i].data,
			mail->headers[i].len };
	delivery->parts[mail->n_headers] =
		(struct slice){ (const char *)mail->content.data, mail->content.len };
	delivery->part_count = mail->n_headers + 1;
	delivery->size_bytes = mail_size(mail);
	content_read(&delivery->content, delivery->parts, delivery->part_count);
}

/* Fails closed: a person looks at what no stage before us should have let through. */
static const char *why_unfit(const struct delivery *delivery)
{
	if (!is_signed(delivery->mail))
		return "it has no DKIM signature: nothing leaves unsigned";
	if (!delivery->content.is_plain)
		return "it has a bare CR, a bare LF or a NUL: other servers could take "
		       "it for more than one message";
	return NULL;
}

/* --- recipients --- */

/* The domain in A-labels, so that as many servers as can be understand the address; it
 * stays as it is where the local part needs SMTPUTF8 anyway. */
static const char *on_the_wire(
	struct arena *arena, const struct address *address, const char *ascii_domain)
{
	for (size_t i = 0; i < address->local.size; i++)
		if (address->local.data[i] & 0x80)
			return arena_string(arena, address->whole);
	return arena_printf(arena, "%.*s@%s", SLICE_ARG(address->local), ascii_domain);
}

static const char *sender_on_the_wire(struct arena *arena, const char *from)
{
	struct address address;
	char ascii[DOMAIN_MAX + 1];
	if (!*from || !address_parse(slice_of(from), &address, NULL) ||
		!address.is_utf8 || address.is_literal ||
		!domain_to_ascii(address.domain, ascii, NULL))
		return from;
	return on_the_wire(arena, &address, ascii);
}

static void bounce(struct recipient *recipient, const char *enhanced, const char *why)
{
	reply_set(&recipient->reply, 553, enhanced, "%s", why);
	recipient->time_us = clock_unix_us();
	recipient->state = RECIPIENT_BOUNCED;
}

static void read_recipient(struct recipient *recipient)
{
	struct arena *arena = job_arena(recipient->delivery->job);
	struct address address;
	struct fault fault;
	char ascii[DOMAIN_MAX + 1];
	recipient->address = recipient->asked->address;
	if (!address_parse(slice_of(recipient->address), &address, &fault) ||
		address.domain.size == 0) {
		bounce(recipient, "5.1.3", "not an address");
	} else if (address.is_literal) {
		recipient->domain = arena_string(arena, address.domain);
	} else if (domain_to_ascii(address.domain, ascii, &fault)) {
		recipient->domain = arena_string(arena, slice_of(ascii));
		recipient->address = on_the_wire(arena, &address, ascii);
	} else {
		bounce(recipient, "5.1.2", fault.text);
	}
}

static void on_route(void *with, struct route *route, const struct reply *why)
{
	struct recipient *recipient = with;
	struct delivery *delivery = recipient->delivery;
	if (route) {
		recipient->route = route_hold(route);
		recipient->state = RECIPIENT_ROUTED;
	} else {
		recipient->reply = *why;
		recipient->time_us = clock_unix_us();
		recipient->state = reply_is_permanent(why) ? RECIPIENT_BOUNCED
							   : RECIPIENT_DEFERRED;
	}
	if (--delivery->pending == 0)
		parcels_submit(delivery);
}

static void find_routes(struct delivery *delivery)
{
	delivery->pending++;
	for (size_t i = 0; i < delivery->count; i++) {
		struct recipient *recipient = &delivery->recipients[i];
		if (recipient->state != RECIPIENT_WAITING)
			continue;
		read_recipient(recipient);
		if (recipient->state != RECIPIENT_WAITING)
			continue;
		delivery->pending++;
		route_find(
			delivery->sender->routes, recipient->domain, on_route, recipient);
	}
	if (--delivery->pending == 0)
		parcels_submit(delivery);
}

/* --- the record --- */

void delivery_note_record_fault(struct delivery *delivery, const struct fault *fault)
{
	struct sender *sender = delivery->sender;
	if (fault)
		metric_add(sender->metrics.record_faults, 1);
	if (fault && !sender->record_failed)
		log_warning(&sender->process->log,
			"the delivery record does not answer: we go on, a repeat may be "
			"delivered twice",
			FIELD("reason", fault->text));
	if (!fault && sender->record_failed)
		log_info(&sender->process->log, "the delivery record answers again");
	sender->record_failed = fault != NULL;
}

static void on_told(void *with, const struct slice *notes, const struct fault *fault)
{
	struct delivery *delivery = with;
	delivery_note_record_fault(delivery, fault);
	for (size_t i = 0; i < delivery->count && !fault; i++) {
		if (notes[i].size == 0)
			continue;
		delivery->recipients[i].note = arena_copy(
			job_arena(delivery->job), notes[i]);
		delivery->recipients[i].state = RECIPIENT_DUPLICATE;
	}
	find_routes(delivery);
}

static void ask_record(struct delivery *delivery)
{
	struct slice *addresses = ARENA_ARRAY(
		job_arena(delivery->job), struct slice, delivery->count);
	for (size_t i = 0; i < delivery->count; i++)
		addresses[i] = slice_of(delivery->recipients[i].asked->address);
	record_ask(delivery->sender->record, slice_of(delivery->mail->id), addresses,
		delivery->count, on_told, delivery);
}

/* --- the job --- */

static void begin(struct delivery *delivery)
{
	struct sender *sender = delivery->sender;
	struct slice id = slice_of(delivery->mail->id);
	if (sender->is_draining || !record_claim(sender->record, id)) {
		/* Another process of the pool has the same message in hand. */
		job_return(delivery->job,
			sender->is_draining ? 0 : 1000 + arc4random_uniform(2000));
		return;
	}
	table_put(sender->deliveries, id, delivery);
	sender->bytes_in_hand += delivery->size_bytes;
	ask_record(delivery);
}

static struct delivery *delivery_new(struct sender *sender, struct job *job)
{
	struct arena *arena = job_arena(job);
	struct delivery *delivery = ARENA_NEW(arena, struct delivery);
	const Postern__Mail *mail = job_mail(job);
	*delivery = (struct delivery){ .sender = sender,
		.job = job,
		.mail = mail,
		.count = mail->envelope->n_recipients };
	delivery->recipients = ARENA_ARRAY(arena, struct recipient, delivery->count);
	for (size_t i = 0; i < delivery->count; i++) {
		delivery->recipients[i].delivery = delivery;
		delivery->recipients[i].asked = mail->envelope->recipients[i];
	}
	delivery->from = sender_on_the_wire(arena, mail->envelope->from);
	gather_parts(delivery);
	return delivery;
}

/* The same message can come twice: a stage before us that was killed published it again.
 * The second waits until the record knows what became of the first. */
static void begin_or_wait(struct delivery *delivery)
{
	struct delivery *first = table_get(
		delivery->sender->deliveries, slice_of(delivery->mail->id));
	if (!first) {
		begin(delivery);
		return;
	}
	delivery->next = first->twins;
	first->twins = delivery;
}

void deliver(void *with, struct job *job)
{
	struct delivery *delivery = delivery_new(with, job);
	const char *why = why_unfit(delivery);
	if (why)
		job_hold(job, why, TOPIC_CLEARED, NULL);
	else
		begin_or_wait(delivery);
}

void deliver_twins(struct delivery *twins)
{
	while (twins) {
		struct delivery *next = twins->next;
		begin_or_wait(twins);
		twins = next;
	}
}

void delivery_drop(struct delivery *delivery)
{
	for (size_t i = 0; i < delivery->count; i++) {
		route_release(delivery->recipients[i].route);
		delivery->recipients[i].route = NULL;
	}
}

void delivery_release(struct delivery *delivery)
{
	struct sender *sender = delivery->sender;
	struct slice id = slice_of(delivery->mail->id);
	table_remove(sender->deliveries, id);
	record_release(sender->record, id);
	sender->bytes_in_hand -= delivery->size_bytes;
	delivery_drop(delivery);
}
