/* SPDX-License-Identifier: MIT */
#include "cli/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/memory.h"
#include "lib/topics.h"

#define PATIENCE_MS 30000

struct session {
	struct loop *loop;
	struct timer *patience; /* restarted by every answer */
	struct bus *bus;
	struct registry *registry;
	struct log log;
	char instance[32];
	unsigned under_way; /* publishes begun and not reported */
	unsigned most;      /* session_wait() returns at this many */
	bool is_waiting;    /* in session_wait() */
	bool is_done;       /* of the call that runs the loop now */
	bool is_live;
	struct fault fault; /* of the call under way */
	struct fault lost;  /* of the first publish that failed */
	session_seen *seen;
	session_changed *changed;
	void (*listed)(void *with, const char *topic);
	void *with;
};

static void finish(struct session *session)
{
	session->is_done = true;
	loop_stop(session->loop);
}

static void out_of_patience(void *with)
{
	struct session *session = with;
	struct fault why = { 0 };
	if (bus_is_healthy(session->bus, &why))
		fault_temporary(&session->fault,
			"the bus has not answered for %d seconds", PATIENCE_MS / 1000);
	else
		session->fault = why;
	finish(session);
}

static void heard(struct session *session)
{
	if (!session->is_live)
		timer_start(session->patience, PATIENCE_MS);
}

static void begin(struct session *session, void *with)
{
	session->is_done = false;
	session->is_live = false;
	session->fault = (struct fault){ 0 };
	session->with = with;
}

/* Runs the loop until finish(). False: with the fault that it left. */
static bool end(struct session *session, struct fault *fault)
{
	heard(session);
	while (!session->is_done)
		loop_run(session->loop);
	timer_stop(session->patience);
	if (!session->fault.kind)
		return true;
	if (fault)
		*fault = session->fault;
	return false;
}

struct session *session_open(const char *where, struct fault *fault)
{
	struct session *session = NEW(struct session);
	snprintf(session->instance, sizeof(session->instance), "posternctl-%d",
		(int)getpid());
	session->loop = loop_new();
	session->patience = timer_new(session->loop, out_of_patience, session);
	session->bus = bus_open(&(struct bus_options){ .where = where,
					.instance = session->instance,
					.topics = postern_topics },
		session->loop, fault);
	if (session->bus)
		return session;
	session_close(session);
	return NULL;
}

void session_close(struct session *session)
{
	if (!session)
		return;
	registry_close(session->registry);
	bus_close(session->bus);
	timer_free(session->patience);
	loop_free(session->loop);
	free(session);
}

struct bus *session_bus(struct session *session)
{
	return session->bus;
}

static void registry_ready(void *with)
{
	finish(with);
}

const struct registry *session_registry(struct session *session, struct fault *fault)
{
	if (session->registry)
		return session->registry;
	begin(session, NULL);
	session->registry = registry_open(
		session->bus, &session->log, registry_ready, session, fault);
	if (!session->registry)
		return NULL;
	if (end(session, fault))
		return session->registry;
	registry_close(session->registry);
	session->registry = NULL;
	return NULL;
}

static void published(void *with, const struct fault *fault)
{
	struct session *session = with;
	session->under_way--;
	heard(session);
	if (fault && !session->lost.kind)
		session->lost = *fault;
	if (session->is_waiting &&
		(session->under_way <= session->most || session->lost.kind))
		finish(session);
}

void session_begin(struct session *session, const struct bus_record *record)
{
	session->under_way++;
	bus_publish(session->bus, record, published, session);
}

bool session_wait(struct session *session, unsigned most, struct fault *fault)
{
	begin(session, NULL);
	session->most = most;
	if (session->lost.kind)
		session->fault = session->lost;
	session->is_done = session->fault.kind || session->under_way <= most;
	session->is_waiting = true;
	bool is_good = end(session, fault);
	session->is_waiting = false;
	if (!is_good || !session->lost.kind)
		return is_good;
	if (fault)
		*fault = session->lost;
	return false;
}

bool session_publish(
	struct session *session, const struct bus_record *record, struct fault *fault)
{
	session_begin(session, record);
	return session_wait(session, 0, fault);
}

void session_stop(struct session *session)
{
	finish(session);
}

static void browsed(
	void *with, const struct bus_delivery *delivery, const struct fault *fault)
{
	struct session *session = with;
	heard(session);
	if (session->is_done)
		return;
	if (fault)
		session->fault = *fault;
	if (delivery && !fault)
		session->seen(session->with, delivery);
	else
		finish(session);
}

bool session_browse(struct session *session, const struct bus_range *range,
	session_seen *seen, void *with, struct fault *fault)
{
	begin(session, with);
	session->seen = seen;
	session->is_live = range->live;
	struct bus_browser *browser = bus_browse(
		session->bus, range, browsed, session, fault);
	if (!browser)
		return false;
	bool is_good = end(session, fault);
	bus_unbrowse(browser);
	return is_good;
}

static void survey_changed(void *with, struct slice key, struct slice value)
{
	struct session *session = with;
	heard(session);
	if (!session->is_done)
		session->changed(session->with, key, value);
}

static void survey_caught_up(void *with)
{
	finish(with);
}

bool session_survey(struct session *session, const char *topic, session_changed *changed,
	void *with, struct fault *fault)
{
	static const struct bus_follow_calls calls = { survey_changed, survey_caught_up };
	begin(session, with);
	session->changed = changed;
	struct bus_follower *follower = bus_follow(
		session->bus, topic, &calls, session, fault);
	if (!follower)
		return false;
	bool is_good = end(session, fault);
	bus_unfollow(follower);
	return is_good;
}

static void topic_listed(void *with, const char *topic, const struct fault *fault)
{
	struct session *session = with;
	if (fault)
		session->fault = *fault;
	if (topic && !fault)
		session->listed(session->with, topic);
	else
		finish(session);
}

bool session_list(struct session *session, const char *prefix,
	void (*listed)(void *with, const char *topic), void *with, struct fault *fault)
{
	begin(session, with);
	session->listed = listed;
	bus_list(session->bus, prefix, topic_listed, session);
	return end(session, fault);
}
