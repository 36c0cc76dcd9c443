/* SPDX-License-Identifier: MIT
 *
 * One message through the scanner: to a worker and to rspamd at the same time, what they
 * say to the policy, and what that decides to the stage. */
#ifndef SERVICES_SCANNER_SCAN_H
#define SERVICES_SCANNER_SCAN_H

#include "lib/stage.h"

/* The stage's work; `with` is the struct scanner. */
void scan_message(void *with, struct job *job);

#endif
