/* SPDX-License-Identifier: MIT
 *
 * One connection to the destination. It frees itself when the client leaves. */
#ifndef TESTS_BENCH_SINK_SESSION_H
#define TESTS_BENCH_SINK_SESSION_H

#include <openssl/ssl.h>
#include <stddef.h>

#include "tests/bench/sink/sink.h"

struct loop;

struct session_door {
	enum sink_manner manner;
	struct loop *loop;
	SSL_CTX *tls; /* of the door that submits */
	void *with;
	/* A whole message: its first bytes, and how large it was. */
	void (*take)(void *with, const char *head, size_t head_size, size_t size);
	int (*sample)(void *with); /* file for the message that begins, or -1 */
};

void session_open(const struct session_door *door, int fd);

#endif
