/* SPDX-License-Identifier: MIT */
#include "services/scanner/seat.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/mail.h"
#include "services/scanner/inspection.h"
#include "services/scanner/pool.h"
#include "services/scanner/wire.h"

#define START_MS    30000
#define REST_MS     100
#define REST_MAX_MS 10000

static void on_clock(void *with);

void seat_init(struct seat *seat, struct loop *loop, const struct seat_calls *calls,
	void *with, int64_t timeout_ms, bool is_prompt)
{
	*seat = (struct seat){ .calls = calls,
		.with = with,
		.loop = loop,
		.timeout_ms = timeout_ms,
		.is_prompt = is_prompt,
		.socket = -1,
		.pidfd = -1,
		.facts = -1 };
	seat->clock = timer_new(loop, on_clock, seat);
}

static void vacate(struct seat *seat)
{
	timer_stop(seat->clock);
	watch_free(seat->on_packet);
	seat->on_packet = NULL;
	if (seat->socket >= 0)
		close(seat->socket);
	if (seat->pidfd >= 0)
		close(seat->pidfd);
	if (seat->facts >= 0)
		close(seat->facts);
	seat->socket = seat->pidfd = seat->facts = -1;
	struct generation *generation = seat->generation;
	seat->generation = NULL;
	seat->order = NULL;
	seat->state = SEAT_EMPTY;
	if (generation)
		generation_release(generation);
}

static void kill_worker(struct seat *seat)
{
	if (seat->pidfd >= 0)
		(void)pidfd_send_signal(seat->pidfd, SIGKILL, NULL, 0);
}

void seat_done(struct seat *seat)
{
	kill_worker(seat);
	vacate(seat);
	timer_free(seat->clock);
}

void seat_clear(struct seat *seat)
{
	assert(seat->state == SEAT_IDLE);
	vacate(seat);
}

/* One worker that dies is replaced at once, the following ones ever later. */
static void rest(struct seat *seat)
{
	unsigned shift = seat->losses < 9 ? seat->losses : 9;
	int64_t rest_ms = seat->losses > 1 ? (int64_t)REST_MS << (shift - 2) : 0;
	if (!rest_ms)
		return;
	seat->state = SEAT_RESTING;
	timer_start(seat->clock, rest_ms < REST_MAX_MS ? rest_ms : REST_MAX_MS);
}

static void lose(struct seat *seat, enum loss loss, const char *why)
{
	struct order *order = seat->order;
	bool is_gone = generation_is_gone(seat->generation);
	kill_worker(seat);
	vacate(seat);
	if (!is_gone)
		seat->losses++;
	rest(seat);
	if (order)
		seat->calls->lost(seat->with, order, is_gone ? LOSS_OURS : loss, why);
	seat->calls->changed(seat->with);
}

/* Was it by the machine's fault that a message took too long? */
static bool is_starved(const struct seat *seat)
{
	return processor_is_starved(
		seat->facts, &seat->use, clock_monotonic_ms() - seat->given_ms);
}

static void lose_starved(struct seat *seat)
{
	lose(seat, LOSS_STARVED,
		"the worker hardly got a processor: the machine is overloaded");
}

void seat_lose(struct seat *seat)
{
	lose(seat, LOSS_OURS, "the worker program has ended");
}

static void on_clock(void *with)
{
	struct seat *seat = with;
	if (seat->state == SEAT_WAITING && seat->pidfd < 0)
		generation_abort(seat->generation, seat);
	if (seat->state == SEAT_RESTING) {
		seat->state = SEAT_EMPTY;
		seat->calls->changed(seat->with);
	} else if (seat->state == SEAT_BUSY && is_starved(seat)) {
		lose_starved(seat);
	} else {
		lose(seat, LOSS_TIMEOUT, "it took longer than it may");
	}
}

static void take_answer(struct seat *seat, struct slice packet)
{
	struct fault fault = { 0 };
	if (seat->state == SEAT_WAITING) {
		timer_stop(seat->clock);
		seat->state = SEAT_IDLE;
		seat->calls->changed(seat->with);
		return;
	}
	if (seat->state != SEAT_BUSY) {
		lose(seat, LOSS_RUBBISH, "an answer to no question");
		return;
	}
	struct order *order = seat->order;
	Postern__Inspection *inspection = inspection_decode(order->arena, packet, &fault);
	if (!inspection) {
		lose(seat, LOSS_RUBBISH, fault.text);
		return;
	}
	if (*inspection->fault) {
		lose(seat, LOSS_FAULT, inspection->fault);
		return;
	}
	if (inspection->is_late && is_starved(seat)) {
		lose_starved(seat);
		return;
	}
	timer_stop(seat->clock);
	seat->state = SEAT_IDLE;
	seat->order = NULL;
	seat->losses = 0;
	seat->calls->answered(seat->with, order, inspection);
	seat->calls->changed(seat->with);
}

static void on_packet(void *with, unsigned what)
{
	(void)what;
	struct seat *seat = with;
	static char room[PACKET_CEILING];
	struct slice packet;
	int passed;
	struct fault fault = { 0 };
	switch (wire_receive(seat->socket, room, &packet, &passed, &fault)) {
	case WIRE_PACKET:
		if (passed >= 0)
			close(passed);
		take_answer(seat, packet);
		break;
	case WIRE_NOTHING:
		break;
	case WIRE_END:
		lose(seat, LOSS_CRASH, "the worker died");
		break;
	case WIRE_BROKEN:
		lose(seat, LOSS_RUBBISH, fault.text);
		break;
	}
}

void seat_fill(struct seat *seat, struct generation *generation)
{
	assert(seat->state == SEAT_EMPTY);
	int theirs = -1;
	struct fault fault;
	bool good = wire_pair(&seat->socket, &theirs, &fault) &&
		    generation_hatch(generation, theirs, seat->is_prompt, seat, &fault);
	if (theirs >= 0)
		close(theirs);
	if (!good) {
		seat->losses += 2;
		vacate(seat);
		rest(seat);
		return;
	}
	seat->generation = generation;
	generation_hold(generation);
	seat->state = SEAT_WAITING;
	/* Forking takes less than any message may. */
	timer_start(seat->clock, seat->timeout_ms);
}

void seat_hatched(struct seat *seat, int pidfd)
{
	assert(seat->state == SEAT_WAITING);
	if (pidfd < 0) {
		lose(seat, LOSS_CRASH, "no worker");
		return;
	}
	seat->pidfd = pidfd;
	seat->facts = processor_facts_open(pidfd);
	seat->on_packet = watch_new(seat->loop, seat->socket, LOOP_READ, on_packet, seat);
	timer_start(seat->clock, START_MS);
}

/* Sealed, so that a worker that maps it can't see it shrink or change. */
static int make_file(struct slice content, struct fault *fault)
{
	int file = memfd_create("mail", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct slice rest = content;
	while (file >= 0 && rest.size) {
		ssize_t written = write(file, rest.data, rest.size);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			break;
		rest = slice_skip(rest, (size_t)written);
	}
	if (file >= 0 && !rest.size &&
		fcntl(file, F_ADD_SEALS,
			F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
		return file;
	fault_temporary(fault, "memory file for the message: %s", strerror(errno));
	if (file >= 0)
		close(file);
	return -1;
}

bool seat_give(struct seat *seat, struct order *order, struct fault *fault)
{
	assert(seat->state == SEAT_IDLE);
	struct slice content = order->content;
	int64_t time_ms = seat->timeout_ms +
			  seat->timeout_ms * (int64_t)(content.size >> 20) / 10;
	Postern__Inspect request = POSTERN__INSPECT__INIT;
	request.version = WIRE_VERSION;
	request.time_ms = (uint32_t)time_ms;
	int file = -1;
	if (content.size <= CONTENT_CEILING) {
		request.content = (ProtobufCBinaryData){ content.size,
			(uint8_t *)content.data };
	} else {
		request.size_bytes = content.size;
		file = make_file(content, fault);
		if (file < 0)
			return false;
	}
	struct slice packet = record_encode(order->arena, &request.base);
	struct fault dead;
	bool sent = wire_send(seat->socket, packet, file, &dead);
	if (file >= 0)
		close(file);
	seat->order = order;
	seat->state = SEAT_BUSY;
	seat->given_ms = clock_monotonic_ms();
	seat->use = processor_use_of(seat->facts);
	if (sent)
		timer_start(seat->clock, time_ms);
	else
		lose(seat, LOSS_OURS, dead.text);
	return true;
}
