/* SPDX-License-Identifier: MIT
 *
 * Domain names as Postern asks for them: letters, digits, '-' and '_' in labels of 1 to
 * 63 bytes. What other bytes the DNS allows in a label can't be the name of a mail host,
 * and is refused rather than escaped. Nothing here allocates. */
#ifndef LIB_DNS_NAME_H
#define LIB_DNS_NAME_H

#include <stdbool.h>

#include "lib/slice.h"

#define NAME_SIZE 256 /* longest name in text form, with its NUL */

/* A name in text form; a final dot is allowed, the root alone is not. */
bool name_is_valid(struct slice name);

/* Takes an uncompressed name off the front of `wire` and writes its text, lower case and
 * without the final dot; the root is "". False: cut short, too long, or a label of other
 * bytes. */
bool name_of_wire(struct slice *wire, char ret_name[static NAME_SIZE]);

#endif
