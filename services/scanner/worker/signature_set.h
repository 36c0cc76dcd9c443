/* SPDX-License-Identifier: MIT
 *
 * Names the state of a signature folder, so that a verdict can say by what it was made:
 * the first 12 hex digits of a SHA-256 over the names and content of its files. */
#ifndef SERVICES_SCANNER_WORKER_SIGNATURE_SET_H
#define SERVICES_SCANNER_WORKER_SIGNATURE_SET_H

#include "lib/fault.h"

#define SIGNATURE_SET_SIZE 13

bool signature_set_name(const char *folder, char *ret_name, struct fault *fault);

#endif
