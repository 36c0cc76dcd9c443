/* SPDX-License-Identifier: MIT
 *
 * What a worker answers, checked: a worker has read hostile mail and may be somebody
 * else's by now. What comes out is bounded and printable, and its findings carry neither
 * a score nor a decision, which are not the worker's to give. */
#ifndef SERVICES_SCANNER_INSPECTION_H
#define SERVICES_SCANNER_INSPECTION_H

#include "lib/arena.h"
#include "lib/fault.h"
#include "proto/inspection.pb-c.h"

/* NULL: FAULT_PERMANENT; that worker is not to be used again. */
Postern__Inspection *inspection_decode(
	struct arena *arena, struct slice packet, struct fault *fault);

#endif
