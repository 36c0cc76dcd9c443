/* SPDX-License-Identifier: MIT */
#include "services/scanner/worker/inspect.h"

#include <clamav.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "services/scanner/wire.h"
#include "services/scanner/worker/malware.h"
#include "services/scanner/worker/match.h"
#include "services/scanner/worker/message.h"
#include "services/scanner/worker/report.h"

struct inspector {
	const Postern__WorkerPlan *plan;
	struct malware *malware; /* NULL: not asked for */
	struct matcher *matcher; /* NULL: not asked for */
	char engine[160];
};

static void inspector_free(void *self)
{
	struct inspector *inspector = self;
	malware_free(inspector->malware);
	matcher_free(inspector->matcher);
	free(inspector);
}

static void *inspector_load(
	const Postern__WorkerPlan *plan, Postern__WorkerReady *ready, struct fault *fault)
{
	struct inspector *inspector = NEW(struct inspector);
	inspector->plan = plan;
	message_init();
	size_t size = 0;
	if (plan->malware) {
		inspector->malware = malware_load(plan, fault);
		if (!inspector->malware)
			goto failed;
		ready->signatures = malware_signatures(inspector->malware);
		ready->signature_set = (char *)malware_signature_set(inspector->malware);
		size = (size_t)snprintf(inspector->engine, sizeof(inspector->engine),
			"libclamav %s with %u signatures (%s)", cl_retver(),
			ready->signatures, ready->signature_set);
	}
	if (plan->dlp) {
		inspector->matcher = matcher_new(fault);
		if (!inspector->matcher)
			goto failed;
		snprintf(inspector->engine + size, sizeof(inspector->engine) - size,
			"%sdetectors of Postern", size ? ", " : "");
	}
	ready->engine = inspector->engine;
	return inspector;
failed:
	inspector_free(inspector);
	return NULL;
}

static bool find_values(struct inspector *inspector, const struct message *message,
	struct report *report, Postern__Inspection *result, struct fault *fault)
{
	matcher_begin(inspector->matcher);
	for (size_t i = 0; i < message->n_parts; i++) {
		const struct part *part = &message->parts[i];
		result->text_bytes += part->text.size;
		if (!matcher_scan(inspector->matcher, part->text, part->label, fault))
			return false;
	}
	matcher_report(inspector->matcher, report);
	return true;
}

static void inspector_inspect(void *self, struct arena *arena,
	const Postern__Inspect *request, struct slice content,
	Postern__Inspection *result)
{
	struct inspector *inspector = self;
	struct message message;
	message_open(arena, content, inspector->plan, &message);
	struct report *report = ARENA_NEW(arena, struct report);
	report->arena = arena;
	if (message.excess)
		report_add(report, &(struct observation){ .check = CHECK_UNSCANNABLE,
					   .name = message.excess,
					   .count = 1 });
	struct malware_case given = { content, &message, request->time_ms };
	struct fault fault = { 0 };
	bool good = (!inspector->malware || malware_scan(inspector->malware, &given,
						    report, result, &fault)) &&
		    (!inspector->matcher ||
			    find_values(inspector, &message, report, result, &fault));
	if (!good)
		result->fault = arena_string(arena, slice_of(fault.text));
	result->engine = inspector->engine;
	result->findings = report->findings;
	result->n_findings = report->count;
	for (size_t i = 0; i < message.n_parts; i++)
		result->parts += message.parts[i].content.size > 0;
}

const struct duty inspection_duty = {
	.load = inspector_load,
	.inspect = inspector_inspect,
	.unload = inspector_free,
};
