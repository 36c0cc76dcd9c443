/* SPDX-License-Identifier: MIT
 *
 * Memory that a worker maps again and again. libclamav reads each of its temporary files
 * through an anonymous mapping made for it; that the kernel zeroes its pages one fault at
 * a time, and takes them back, was an eighth of the cost of a message. mmap() and
 * munmap() of the libraries end up here: small plain mappings are kept and wiped instead,
 * all others go to the kernel. */
#ifndef SERVICES_SCANNER_WORKER_MAPPING_H
#define SERVICES_SCANNER_WORKER_MAPPING_H

#include <stddef.h>

#define MAPPING_SIZE  ((size_t)1 << 20) /* larger ones are not kept */
#define MAPPING_COUNT 8

/* From now on. For a process with a single thread, once; it is not undone. */
void mappings_keep(void);

#endif
