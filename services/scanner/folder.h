/* SPDX-License-Identifier: MIT
 *
 * Temporary folders of the scanner on a tmpfs. What is in them was written by processes
 * that have read hostile mail: nothing here follows a link. */
#ifndef SERVICES_SCANNER_FOLDER_H
#define SERVICES_SCANNER_FOLDER_H

#include <stdbool.h>

#include "lib/fault.h"

struct folder;

/* A folder of this process's own below `base`, mode 0700, locked for as long as it is
 * open. Those of processes that are gone are removed first. */
struct folder *folder_open(const char *base, struct fault *fault);
/* Removes it. */
void folder_close(struct folder *folder);
const char *folder_path(const struct folder *folder);

/* Removes `name` below the open folder `at` (AT_FDCWD) with all that is in it. */
bool folder_remove(int at, const char *name);
/* Removes all that is in the open folder. */
void folder_clear(int folder);

#endif
