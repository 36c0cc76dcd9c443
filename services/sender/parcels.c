/* SPDX-License-Identifier: MIT */
#include "services/sender/parcels.h"

#include <assert.h>
#include <string.h>

#include "lib/chaos.h"
#include "lib/clock.h"
#include "lib/mail.h"
#include "lib/metrics.h"
#include "lib/registry/registry.h"
#include "lib/topics.h"
#include "services/sender/room.h"

#define RECIPIENTS_MAX 100 /* RFC 5321 4.5.3.1.8: every server takes as many */

struct sending {
	struct parcel parcel;
	struct delivery *delivery;
	struct recipient **recipients;
	int64_t started_us;
};

static void unpend(struct delivery *delivery)
{
	assert(delivery->pending);
	if (--delivery->pending == 0)
		outcome_conclude(delivery);
}

static void on_written(void *with, const struct fault *fault)
{
	struct delivery *delivery = with;
	KILL_POINT("sender.after_record");
	delivery_note_record_fault(delivery, fault);
	unpend(delivery);
}

/* Before anyone is told: were we killed now, the repeat must know. */
static void write_record(struct sending *sending)
{
	struct delivery *delivery = sending->delivery;
	size_t count = 0, most = sending->parcel.mail.recipient_count;
	struct record_entry *entries = ARENA_ARRAY(
		job_arena(delivery->job), struct record_entry, most);
	for (size_t i = 0; i < most; i++) {
		struct recipient *recipient = sending->recipients[i];
		if (recipient->note.size)
			entries[count++] = (struct record_entry){
				slice_of(recipient->asked->address), recipient->note
			};
	}
	if (!count || IS_BROKEN("no_record")) {
		unpend(delivery);
		return;
	}
	KILL_POINT("sender.after_250");
	record_write(delivery->sender->record, slice_of(delivery->mail->id), entries,
		count, on_written, delivery);
}

static Postern__Route *facts_in(struct arena *arena, const struct connection_facts *facts)
{
	if (!facts)
		return NULL;
	Postern__Route *route = ARENA_NEW(arena, Postern__Route);
	postern__route__init(route);
	route->mx = arena_string(arena, slice_of(facts->host));
	route->address = arena_string(arena, slice_of(facts->to));
	route->source = arena_string(arena, slice_of(facts->from));
	route->tls_version = arena_string(arena, slice_of(facts->tls.version));
	route->tls_cipher = arena_string(arena, slice_of(facts->tls.cipher));
	route->certificate = arena_string(arena, slice_of(facts->tls.certificate));
	return route;
}

static enum recipient_state state_of(enum client_outcome outcome)
{
	switch (outcome) {
	case CLIENT_DELIVERED:
		return RECIPIENT_DELIVERED;
	case CLIENT_BOUNCED:
		return RECIPIENT_BOUNCED;
	case CLIENT_DEFERRED:
	case CLIENT_UNCERTAIN:
		return RECIPIENT_DEFERRED;
	case CLIENT_PENDING:
	case CLIENT_ACCEPTED:
	case CLIENT_UNTRIED:
		break;
	}
	return RECIPIENT_LEFT;
}

static void take_outcome(struct recipient *recipient, const struct client_recipient *told)
{
	recipient->state = state_of(told->outcome);
	recipient->is_uncertain = told->outcome == CLIENT_UNCERTAIN;
	recipient->reply = told->reply;
	recipient->time_us = clock_unix_us();
	if (recipient->state != RECIPIENT_DELIVERED &&
		recipient->state != RECIPIENT_BOUNCED)
		return;
	Postern__Event *event = outcome_event(
		recipient, recipient->state == RECIPIENT_DELIVERED
				   ? POSTERN__EVENT_KIND__EVENT_DELIVERED
				   : POSTERN__EVENT_KIND__EVENT_BOUNCED);
	recipient->note = record_encode(
		job_arena(recipient->delivery->job), &event->base);
}

static void on_done(struct parcel *parcel, const struct connection_facts *facts)
{
	struct sending *sending = parcel->with;
	struct delivery *delivery = sending->delivery;
	Postern__Route *route = facts_in(job_arena(delivery->job), facts);
	if (facts)
		metric_observe_ms(delivery->sender->metrics.took,
			(double)(clock_unix_us() - sending->started_us) / 1000);
	for (size_t i = 0; i < parcel->mail.recipient_count; i++) {
		sending->recipients[i]->facts = route;
		sending->recipients[i]->put_off = parcel->put_off;
		take_outcome(sending->recipients[i], &parcel->mail.recipients[i]);
	}
	write_record(sending);
}

/* The app may have been stopped while the message waited for a connection. */
static bool may_go(struct parcel *parcel)
{
	struct sending *sending = parcel->with;
	struct delivery *delivery = sending->delivery;
	const Postern__App *app = registry_app(
		delivery->sender->process->registry, slice_of(delivery->mail->app));
	sending->started_us = clock_unix_us();
	delivery->is_withheld = !app || app->state == POSTERN__APP_STATE__APP_SUSPENDED ||
				app->state == POSTERN__APP_STATE__APP_REVOKED;
	return !delivery->is_withheld;
}

static bool goes_with(const struct recipient *recipient, const struct route *route)
{
	return recipient->state == RECIPIENT_ROUTED &&
	       strcmp(recipient->route->key, route->key) == 0;
}

static void unroute(struct recipient *recipient, enum recipient_state state)
{
	route_release(recipient->route);
	recipient->route = NULL;
	recipient->state = state;
}

/* RFC 6531 3.7.4: the flag alone asks for nothing; what needs it is in the header or the
 * addresses, and the client sees the addresses. */
static void fill_mail(struct client_mail *mail, const struct delivery *delivery)
{
	const Postern__Envelope *envelope = delivery->mail->envelope;
	*mail = (struct client_mail){ .from = delivery->from,
		.envid = envelope->envid,
		.ret = envelope->ret,
		.needs_8bit = delivery->content.has_8bit,
		.needs_smtputf8 = envelope->smtputf8 && delivery->content.header_has_8bit,
		.size_bytes = delivery->size_bytes,
		.parts = delivery->parts,
		.part_count = delivery->part_count };
}

static size_t count_with(const struct delivery *delivery, const struct route *route)
{
	size_t count = 0;
	for (size_t i = 0; i < delivery->count && count < RECIPIENTS_MAX; i++)
		count += goes_with(&delivery->recipients[i], route);
	return count;
}

static struct sending *sending_new(struct delivery *delivery, struct route *route)
{
	struct arena *arena = job_arena(delivery->job);
	struct sending *sending = ARENA_NEW(arena, struct sending);
	size_t count = count_with(delivery, route), filled = 0;
	sending->delivery = delivery;
	sending->recipients = ARENA_ARRAY(arena, struct recipient *, count);
	sending->parcel = (struct parcel){ .lane = lane_index(delivery->mail->lane),
		.may_go = may_go,
		.done = on_done,
		.with = sending };
	struct client_mail *mail = &sending->parcel.mail;
	fill_mail(mail, delivery);
	mail->recipients = ARENA_ARRAY(arena, struct client_recipient, count);
	mail->recipient_count = count;
	route_hold(route); /* it may be the last recipient's */
	for (size_t i = 0; filled < count; i++) {
		struct recipient *recipient = &delivery->recipients[i];
		if (!goes_with(recipient, route))
			continue;
		sending->recipients[filled] = recipient;
		mail->recipients[filled++] = (struct client_recipient){
			.address = recipient->address,
			.notify = recipient->asked->notify,
			.orcpt = recipient->asked->orcpt,
		};
		unroute(recipient, RECIPIENT_WAITING);
	}
	route_release(route);
	return sending;
}

static void leave_all(struct delivery *delivery, struct route *route,
	const struct put_off *put_off, const struct reply *why)
{
	route_hold(route);
	for (size_t i = 0; i < delivery->count; i++) {
		struct recipient *recipient = &delivery->recipients[i];
		if (!goes_with(recipient, route))
			continue;
		recipient->reply = *why;
		recipient->time_us = clock_unix_us();
		recipient->put_off = *put_off;
		unroute(recipient,
			put_off->until_ms ? RECIPIENT_DEFERRED : RECIPIENT_LEFT);
	}
	route_release(route);
}

static void submit(struct delivery *delivery, struct route *route)
{
	struct destination *destination = destination_of(
		delivery->sender->destinations, route);
	struct put_off put_off = { 0 };
	struct reply why = { 0 };
	size_t lane = lane_index(delivery->mail->lane);
	if (destination_puts_off(
		    destination, lane, delivery->size_bytes, &put_off, &why) ||
		delivery->sender->is_draining ||
		room_is_short(delivery->sender->room, destination)) {
		leave_all(delivery, route, &put_off, &why);
	} else {
		struct sending *sending = sending_new(delivery, route);
		delivery->pending++;
		destination_submit(destination, &sending->parcel);
	}
}

void parcels_submit(struct delivery *delivery)
{
	delivery->pending++;
	for (size_t i = 0; i < delivery->count; i++)
		if (delivery->recipients[i].state == RECIPIENT_ROUTED)
			submit(delivery, delivery->recipients[i].route);
	unpend(delivery);
}
