/* SPDX-License-Identifier: MIT
 *
 * A real SMTP server to deliver to: tests/pipeline/destination.py as a child process, on
 * a free port of loopback, with its journal in a folder of its own. */
#ifndef TESTS_SENDER_FAR_END_H
#define TESTS_SENDER_FAR_END_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct far_end {
	pid_t pid;
	uint16_t port;
	char folder[64];
	char certificate[96], key[96]; /* PEM; for localhost and 127.0.0.1 */
};

/* `options` as destination.py takes them, separated by spaces. */
void far_end_start(struct far_end *far_end, const char *options);
void far_end_stop(struct far_end *far_end);
/* Lines of the journal that hold `text`. */
unsigned far_end_count(const struct far_end *far_end, const char *text);

#endif
