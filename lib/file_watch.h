/* SPDX-License-Identifier: MIT
 *
 * Notices that a file, or what is in a folder, has changed: certificates, keys,
 * signatures. The owner reads them again in its callback; nothing is read here. Sees
 * through what Kubernetes and certbot do (a symbolic link replaced, a rename over the
 * old file), not through changes below the folder's own sub-folders. */
#ifndef LIB_FILE_WATCH_H
#define LIB_FILE_WATCH_H

#include "lib/fault.h"
#include "lib/loop.h"

struct file_watch;

/* Calls `changed` from the loop 200 to 400 ms after a run of changes has ended (2 s after
 * it began at the latest), and only if name, size, inode or time of the file, or of a
 * file in the folder, differs from before. `path` may not exist yet; its parent folder
 * must. FAULT_PERMANENT otherwise. */
struct file_watch *file_watch_new(struct loop *loop, const char *path, loop_call *changed,
	void *with, struct fault *fault);
void file_watch_free(struct file_watch *file_watch);

#endif
