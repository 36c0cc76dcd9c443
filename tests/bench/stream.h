/* SPDX-License-Identifier: MIT
 *
 * One end of a TCP connection that doesn't block, plain or in TLS. It buffers nothing of
 * its own, so that the generator and the destination cost as little as they can. */
#ifndef TESTS_BENCH_STREAM_H
#define TESTS_BENCH_STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stream {
	int fd;
	SSL *tls; /* NULL = plain */
};

enum { STREAM_WAITS = 0, STREAM_ENDED = -1 };

/* How many bytes, STREAM_WAITS or STREAM_ENDED. In TLS the handshake happens on the way.
 */
ssize_t stream_read(struct stream *stream, char *ret_bytes, size_t room);
ssize_t stream_write(struct stream *stream, const char *bytes, size_t size);
/* After STREAM_WAITS: does it wait for room to write, rather than for bytes to read? */
bool stream_wants_room(const struct stream *stream);
void stream_start_tls(struct stream *stream, SSL_CTX *context);
void stream_close(struct stream *stream);

#endif
