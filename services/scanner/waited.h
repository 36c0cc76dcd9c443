/* SPDX-License-Identifier: MIT
 *
 * How long a worker was ready to run while others had the processors: what tells a
 * message that takes too long from a machine that has too much to do. */
#ifndef SERVICES_SCANNER_WAITED_H
#define SERVICES_SCANNER_WAITED_H

#include <stdint.h>

/* Of the first thread of a process, since it began. 0: it is gone, or the kernel does not
 * say (proc(5), /proc/PID/schedstat). */
int64_t waited_for_processor_ms(int pidfd);

#endif
