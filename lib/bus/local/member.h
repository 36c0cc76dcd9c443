/* SPDX-License-Identifier: MIT
 *
 * A member of a group holds a lock of the kernel's as long as it lives: one byte of the
 * file FOLDER/members, at the offset that is its number. The kernel lets go of it however
 * the process ends; a stopped process keeps it. Numbers are random and never used again.
 */
#ifndef LIB_BUS_LOCAL_MEMBER_H
#define LIB_BUS_LOCAL_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/fault.h"

struct member {
	int fd; /* -1 = none */
	int64_t number;
};

bool member_join(struct member *member, const char *folder, struct fault *fault);
void member_leave(struct member *member);
/* Is the member of that number, another than this one, alive? True in doubt. */
bool member_is_alive(const struct member *member, int64_t number);

#endif
