/* SPDX-License-Identifier: MIT
 *
 * One message in, its findings out: takes it apart, lets libclamav and the detectors at
 * it. Loaded once; then one message at a time, in workers forked from what was loaded. It
 * decides nothing: what a finding means is the policy's business, in the scanner. */
#ifndef SERVICES_SCANNER_WORKER_INSPECT_H
#define SERVICES_SCANNER_WORKER_INSPECT_H

#include "services/scanner/worker/zygote.h"

extern const struct duty inspection_duty;

#endif
