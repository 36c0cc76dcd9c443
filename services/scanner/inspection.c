/* SPDX-License-Identifier: MIT */
#include "services/scanner/inspection.h"

#include <string.h>

#include "lib/mail.h"
#include "lib/printable.h"
#include "services/scanner/wire.h"

#define FINDINGS_MAX 64
#define CHECK_MAX    64
#define TEXT_MAX     160
#define COUNT_MAX    1000000

/* As policies name checks. */
static bool is_check_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return length > 0 && length <= CHECK_MAX && !name[length];
}

static bool check_finding(
	struct arena *arena, Postern__Finding *finding, struct fault *fault)
{
	if (!is_check_name(finding->check))
		return fault_permanent(fault, "a finding of no known check");
	if (finding->score != 0 ||
		finding->decision != POSTERN__DECISION__DECISION_UNSPECIFIED)
		return fault_permanent(fault, "a finding with a decision of its own");
	if (finding->count == 0 || finding->count > COUNT_MAX)
		return fault_permanent(fault, "a finding with count %u", finding->count);
	finding->name = (char *)printable(arena, slice_of(finding->name), TEXT_MAX);
	finding->evidence = (char *)printable(
		arena, slice_of(finding->evidence), TEXT_MAX);
	finding->part = (char *)printable(arena, slice_of(finding->part), TEXT_MAX);
	return true;
}

Postern__Inspection *inspection_decode(
	struct arena *arena, struct slice packet, struct fault *fault)
{
	Postern__Inspection *inspection = record_decode(
		arena, &postern__inspection__descriptor, packet, fault);
	if (!inspection)
		return NULL;
	if (inspection->version != WIRE_VERSION ||
		inspection->n_findings > FINDINGS_MAX) {
		fault_permanent(fault, "an inspection of version %u with %zu findings",
			inspection->version, inspection->n_findings);
		return NULL;
	}
	for (size_t i = 0; i < inspection->n_findings; i++)
		if (!check_finding(arena, inspection->findings[i], fault))
			return NULL;
	inspection->engine = (char *)printable(
		arena, slice_of(inspection->engine), TEXT_MAX);
	inspection->fault = (char *)printable(
		arena, slice_of(inspection->fault), TEXT_MAX);
	return inspection;
}
