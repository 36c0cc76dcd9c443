/* SPDX-License-Identifier: MIT
 *
 * Two texts line by line: what both have with ' ' before it, what only the first has with
 * '-', what only the second has with '+'. */
#ifndef CLI_DIFFERENCE_H
#define CLI_DIFFERENCE_H

#include <stdio.h>

#include "lib/slice.h"

void difference_print(struct slice before, struct slice after, FILE *out);

#endif
