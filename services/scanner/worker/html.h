/* SPDX-License-Identifier: MIT
 *
 * Reduces HTML to the text that a reader sees, for detectors, not for display: tags go,
 * entities become characters, white space collapses, blocks become lines. Takes any bytes
 * (hostile ones too) and never gives more than it takes. */
#ifndef SERVICES_SCANNER_WORKER_HTML_H
#define SERVICES_SCANNER_WORKER_HTML_H

#include "lib/arena.h"

struct slice html_text(struct arena *arena, struct slice html);

#endif
