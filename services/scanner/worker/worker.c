/* SPDX-License-Identifier: MIT */
#include "services/scanner/worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/chaos.h"
#include "lib/mail.h"
#include "services/scanner/folder.h"
#include "services/scanner/wire.h"
#include "services/scanner/worker/mapping.h"
#include "services/scanner/worker/sandbox.h"

static void answer(const struct worker *worker, struct arena *arena,
	const Postern__Inspection *result)
{
	struct fault fault;
	struct slice packet = record_encode(arena, &result->base);
	if (!wire_send(worker->socket, packet, -1, &fault))
		_exit(EXIT_FAILURE);
}

static void inspect(const struct worker *worker, struct arena *arena,
	const Postern__Inspect *request, struct slice content)
{
	Postern__Inspection result = POSTERN__INSPECTION__INIT;
	result.version = WIRE_VERSION;
	OBEY(content);
	worker->duty->inspect(worker->self, arena, request, content, &result);
	answer(worker, arena, &result);
}

/* The message's file can't shrink or change: the scanner has sealed it. */
static bool take_file(const struct worker *worker, struct arena *arena,
	const Postern__Inspect *request, int file, struct fault *fault)
{
	struct stat status;
	if (file < 0 || fstat(file, &status) < 0 || !status.st_size ||
		(uint64_t)status.st_size != request->size_bytes)
		return fault_permanent(fault, "a request that is not understood");
	size_t size = (size_t)status.st_size;
	void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
	if (bytes == MAP_FAILED)
		return fault_permanent(fault, "no memory for the message");
	inspect(worker, arena, request, (struct slice){ bytes, size });
	munmap(bytes, size);
	return true;
}

static bool take_message(const struct worker *worker, struct arena *arena,
	struct slice packet, int file, struct fault *fault)
{
	const Postern__Inspect *request = record_decode(
		arena, &postern__inspect__descriptor, packet, fault);
	if (!request)
		return false;
	if (request->version != WIRE_VERSION)
		return fault_permanent(fault, "a request of another version");
	if (!request->content.len)
		return take_file(worker, arena, request, file, fault);
	inspect(worker, arena, request,
		(struct slice){
			(const char *)request->content.data, request->content.len });
	return true;
}

static void fail(const struct fault *fault)
{
	log_error(&worker_log, "worker ends", FIELD("why", fault->text));
	_exit(EXIT_FAILURE);
}

void worker_run(const struct worker *worker)
{
	struct fault fault = { 0 };
	const struct sandbox sandbox = { worker->folder, worker->zygote,
		worker->plan->memory_bytes };
	/* Before the sandbox counts what memory there is. */
	mappings_keep();
	if (!sandbox_enter(&sandbox, &fault))
		fail(&fault);
	static char room[PACKET_CEILING];
	struct arena *arena = arena_new();
	/* Before this, its death is no message's fault. */
	if (!wire_send(worker->socket, SLICE("ready"), -1, &fault))
		fail(&fault);
	for (;;) {
		struct slice packet;
		int file;
		switch (wire_receive(worker->socket, room, &packet, &file, &fault)) {
		case WIRE_PACKET:
			break;
		case WIRE_END:
			_exit(EXIT_SUCCESS);
		case WIRE_NOTHING:
		case WIRE_BROKEN:
			fail(&fault);
		}
		if (!take_message(worker, arena, packet, file, &fault))
			fail(&fault);
		if (file >= 0)
			close(file);
		arena_clear(arena);
		/* What libclamav may have left behind. */
		folder_clear(worker->folder);
	}
}
