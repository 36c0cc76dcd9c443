/* SPDX-License-Identifier: MIT
 *
 * A stage takes mail from a topic family, works on it, publishes what came of it, waits
 * until that is durable, and settles. This is the only place in Postern where a message
 * is settled. scanner, signer and sender are this and a `work` function. The stage itself
 * decodes records (a damaged one goes to mail.dead), and holds the mail of apps that are
 * not active. */
#ifndef LIB_STAGE_H
#define LIB_STAGE_H

#include "lib/arena.h"
#include "lib/fault.h"
#include "lib/log.h"
#include "proto/event.pb-c.h"
#include "proto/mail.pb-c.h"

struct job;
struct process;
struct stage;

struct stage_plan {
	const char *name;     /* of the stage; also its group */
	const char *consumes; /* topic family; the stage adds the lanes */
	unsigned window;      /* jobs in hand at most */
	size_t window_bytes;
	/* May end the job at once or later; many jobs are in hand at a time. */
	void (*work)(void *with, struct job *job);
	void *with;
};

/* `plan` is copied; its strings are borrowed. */
struct stage *stage_open(
	struct process *process, const struct stage_plan *plan, struct fault *fault);
/* Takes nothing new; calls `drained` once the last job in hand has ended. */
void stage_drain(struct stage *stage, void (*drained)(void *with), void *with);
/* Jobs still in hand are dropped unsettled: the bus redelivers them. Their owners must
 * not touch them any more. */
void stage_close(struct stage *stage);
unsigned stage_in_hand(const struct stage *stage);

/* A job is one message in hand. Its arena holds everything made for it. It ends in
 * exactly one of job_finish, job_retry, job_return, job_hold and job_reject, after which
 * it is gone. A job must be ended from the loop's thread; ending it inside `work` is
 * fine. */
const Postern__Mail *job_mail(const struct job *job);
struct arena *job_arena(struct job *job);
struct process *job_process(struct job *job);
const struct log *job_log(const struct job *job); /* with the message id */
int64_t job_started_us(const struct job *job);
unsigned job_attempt(const struct job *job); /* 1 at first */
/* What a hold keeps from now on instead of the mail as it was taken, for a part of its
 * recipients may be done. Borrowed; in the job's arena. */
void job_replace_mail(struct job *job, const Postern__Mail *mail);
/* For whoever works on it. */
void job_set_data(struct job *job, void *data);
void *job_data(const struct job *job);

/* An output: `mail` is encoded at once. With due_ms nobody sees it before that time. The
 * stage adds its step to the copy. */
void job_emit(
	struct job *job, const char *topic, const Postern__Mail *mail, int64_t due_ms);
/* An event about this message; the stage fills in version, message id, app, lane, time,
 * start, service, instance, pool and attempt where they are not set. */
void job_event(struct job *job, const Postern__Event *event);
/* A fresh event of that kind in the job's arena, for job_event. */
Postern__Event *job_new_event(struct job *job, Postern__EventKind kind);
/* Publishes an event about this message now, apart from the job's end (progress, alerts);
 * once: if that fails it is logged and dropped. */
void job_announce(struct job *job, const Postern__Event *event);

/* Publishes outputs and events, waits until all are durable, then settles. What fails for
 * a while is published again (SHIPMENT_TRIES) with the job in hand; then the message
 * comes again later and the work is done anew. An output that can never be published
 * holds the mail. If the app was suspended meanwhile, a mail with outputs is held
 * instead. */
void job_finish(struct job *job);
/* Drops the outputs; the events and an EVENT_DEFERRED are published; then the message
 * comes again after `after_ms`, or where that is -1 after a delay that grows with the
 * attempts from 1 s to 5 minutes (urgent: 15 s) and is jittered. */
void job_retry(struct job *job, int64_t after_ms, const char *why);
/* Like job_retry, but without EVENT_DEFERRED: not an attempt that anyone need know of
 * (busy destination). */
void job_return(struct job *job, int64_t after_ms);
/* Drops the outputs; the events are published, the mail goes to mail.quarantine with
 * `hold` filled in and an EVENT_HELD; a release later publishes it to the family
 * `resume`. `verdict` replaces the mail's own where it is not NULL. */
void job_hold(struct job *job, const char *reason, const char *resume,
	const Postern__Verdict *verdict);
/* Drops the outputs; the record goes to mail.dead as a DeadRecord with the reason. For
 * damaged records only. */
void job_reject(struct job *job, const struct fault *why);

#endif
