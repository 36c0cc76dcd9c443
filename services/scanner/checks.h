/* SPDX-License-Identifier: MIT
 *
 * The checks that a copy of the scanner runs, and which findings belong to which. */
#ifndef SERVICES_SCANNER_CHECKS_H
#define SERVICES_SCANNER_CHECKS_H

#include "lib/fault.h"

enum check {
	CHECK_MALWARE = 1,
	CHECK_SPAM = 2,
	CHECK_DLP = 4,
};

/* "malware,spam,dlp" as a set; FAULT_PERMANENT names what is wrong. */
bool checks_parse(const char *list, unsigned *ret_checks, struct fault *fault);
/* The check that makes findings of that name. */
enum check check_of_finding(const char *name);

#endif
