/* SPDX-License-Identifier: MIT
 *
 * A non-blocking socket that may be inside TLS: bytes in and out, nothing of SMTP. Part
 * of connection.h, which embeds it. */
#ifndef SERVICES_SENDER_STREAM_H
#define SERVICES_SENDER_STREAM_H

#include <openssl/types.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "services/sender/reach.h"
#include "services/sender/tls.h"

#define STREAM_WHY 128 /* size of the callers' `why` */

enum {
	STREAM_OVER = -1,  /* closed or failed: `why` says how */
	STREAM_AGAIN = -2, /* nothing to be done until the loop says so */
};

struct stream {
	int socket; /* -1: none */
	SSL *tls;   /* NULL: plain text */
	bool wants_write;
	bool is_write_over; /* the other side takes nothing any more */
};

/* Begins to connect; `from` of size 0 leaves the choice to the kernel. */
bool stream_connect(struct stream *stream, const struct endpoint *to,
	const struct endpoint *from, struct fault *fault);
void stream_close(struct stream *stream);

/* Bytes read or written, or STREAM_…; never 0. */
ssize_t stream_read(struct stream *stream, char *bytes, size_t size, char *why);
ssize_t stream_write(
	struct stream *stream, const struct iovec *pieces, size_t count, char *why);

bool stream_start_tls(
	struct stream *stream, struct tls *tls, const char *host, struct fault *fault);
/* 1 when done, or STREAM_…. */
ssize_t stream_handshake(struct stream *stream, char *why);

#endif
