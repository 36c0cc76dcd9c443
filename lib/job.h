/* SPDX-License-Identifier: MIT
 *
 * What stage.c and job.c share: the insides of a stage and of a job. Stages hand jobs
 * out and take them back; jobs end themselves. Nobody else includes this. */
#ifndef LIB_JOB_H
#define LIB_JOB_H

#include "lib/bus/bus.h"
#include "lib/shipment.h"
#include "lib/service.h"
#include "lib/stage.h"

struct stage {
	struct process *process;
	struct stage_plan plan;
	struct arena *arena;
	struct shipper shipper;
	struct bus_reader *reader;
	struct job *jobs; /* in hand, newest first */
	unsigned in_hand;
	struct timer *watchdog;
	bool is_draining;
	void (*drained)(void *with);
	void *drained_with;
	struct stage_metrics {
		struct metric *taken, *in_hand, *work, *age;
		struct metric *finished, *retried, *returned, *held, *dead;
	} metrics;
};

/* Where a job is on its way; only job_end.c sets it. */
enum job_state {
	JOB_WORKING,   /* the service has it */
	JOB_FINISHING, /* outputs and events are being published; then settle */
	JOB_RETURNING, /* events are being published; then back to the topic */
	JOB_HOLDING,   /* the held mail and events are being published; then settle */
	JOB_REJECTING, /* the dead record is being published; then settle */
};

struct job {
	struct job *next, **self; /* in stage->jobs */
	struct stage *stage;
	struct bus_delivery *delivery;
	struct arena *arena;
	Postern__Mail *mail; /* NULL: the record is damaged */
	enum job_state state;
	struct log log;
	struct log_field fields[2];
	int64_t started_us;
	int64_t due_ms; /* JOB_RETURNING: not before this time */
	void *data;
	struct outgoing *outputs, **outputs_end, *events, **events_end;
	struct shipment *shipment;
	bool is_overdue; /* the watchdog has said so */
};

struct job *job_new(struct stage *stage, struct bus_delivery *delivery);
/* Dropped unsettled, without a word. */
void job_free(struct job *job);
/* job_event(), in every state. */
void job_note(struct job *job, const Postern__Event *event);
/* Holds the job if its app may not send; true if it did. */
bool job_hold_inactive(struct job *job);
/* Doubles with the attempts, from 1 s to 5 minutes, or to 15 s in the urgent lane, where
 * a code is of no use later; the upper half is random, so that what failed together does
 * not come back together. */
int64_t job_retry_delay_ms(unsigned attempt, Postern__Lane lane);
/* Takes the job off the stage, after its delivery has ended. */
void stage_forget(struct stage *stage, struct job *job);

#endif
