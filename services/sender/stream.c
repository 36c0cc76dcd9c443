/* SPDX-License-Identifier: MIT */
#include "services/sender/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RECORD_SIZE 16384 /* of TLS */

static bool bind_source(int fd, const struct endpoint *from, struct fault *fault)
{
	int one = 1;
	char text[ENDPOINT_TEXT];
	if (!from->size)
		return true;
	/* Ports are chosen at connect(): many connections from one address. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&from->address, from->size) == 0)
		return true;
	int error = errno;
	endpoint_print(from, text);
	return fault_temporary(fault, "can't send from %s: %s", text, strerror(error));
}

bool stream_connect(struct stream *stream, const struct endpoint *to,
	const struct endpoint *from, struct fault *fault)
{
	int one = 1;
	*stream = (struct stream){ .socket = socket(to->address.ss_family,
					   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
					   0) };
	if (stream->socket < 0)
		return fault_temporary(fault, "no socket: %s", strerror(errno));
	/* Commands go out in as few writes as can be; nothing is gained by waiting. */
	setsockopt(stream->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(stream->socket, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (!bind_source(stream->socket, from, fault))
		return false;
	if (connect(stream->socket, (const struct sockaddr *)&to->address, to->size) ==
			0 ||
		errno == EINPROGRESS)
		return true;
	return fault_temporary(fault, "%s", strerror(errno));
}

void stream_close(struct stream *stream)
{
	if (stream->tls) {
		/* Says goodbye if that can be done at once. */
		SSL_shutdown(stream->tls);
		SSL_free(stream->tls);
		ERR_clear_error();
	}
	if (stream->socket >= 0)
		close(stream->socket);
	*stream = (struct stream){ .socket = -1 };
}

static ssize_t over(char *why, const char *text)
{
	snprintf(why, STREAM_WHY, "%s", text);
	return STREAM_OVER;
}

static ssize_t of_errno(struct stream *stream, bool is_write, char *why)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
		stream->wants_write = is_write;
		return STREAM_AGAIN;
	}
	return over(why, strerror(errno));
}

static ssize_t of_tls(struct stream *stream, int result, char *why)
{
	char text[STREAM_WHY - 16];
	int error = errno;
	switch (SSL_get_error(stream->tls, result)) {
	case SSL_ERROR_WANT_READ:
		return STREAM_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		stream->wants_write = true;
		return STREAM_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return over(why, "the server closed the connection");
	case SSL_ERROR_SYSCALL:
		return over(why,
			error ? strerror(error) : "the server closed the connection");
	default:
		snprintf(why, STREAM_WHY, "TLS: %s", tls_last_error(text, sizeof(text)));
		return STREAM_OVER;
	}
}

ssize_t stream_read(struct stream *stream, char *bytes, size_t size, char *why)
{
	errno = 0;
	if (stream->tls) {
		ERR_clear_error();
		int read = SSL_read(stream->tls, bytes, (int)size);
		return read > 0 ? read : of_tls(stream, read, why);
	}
	ssize_t read = recv(stream->socket, bytes, size, 0);
	if (read == 0)
		return over(why, "the server closed the connection");
	return read > 0 ? read : of_errno(stream, false, why);
}

/* One record holds many small pieces; a large piece is not copied. A write that must be
 * repeated begins with the same bytes, as OpenSSL demands: the pieces are a queue. */
static ssize_t write_tls(
	struct stream *stream, const struct iovec *pieces, size_t count, char *why)
{
	static char record[RECORD_SIZE];
	const char *bytes = pieces[0].iov_base;
	size_t size = pieces[0].iov_len;
	if (size < RECORD_SIZE / 2 && count > 1) {
		size = 0;
		for (size_t i = 0; i < count && size < RECORD_SIZE; i++) {
			size_t room = RECORD_SIZE - size, part = pieces[i].iov_len;
			part = part < room ? part : room;
			memcpy(record + size, pieces[i].iov_base, part);
			size += part;
		}
		bytes = record;
	}
	ERR_clear_error();
	int written = SSL_write(stream->tls, bytes, (int)size);
	return written > 0 ? written : of_tls(stream, written, why);
}

ssize_t stream_write(
	struct stream *stream, const struct iovec *pieces, size_t count, char *why)
{
	errno = 0;
	stream->wants_write = false;
	if (stream->is_write_over)
		return STREAM_AGAIN;
	if (stream->tls)
		return write_tls(stream, pieces, count, why);
	struct msghdr message = { .msg_iov = (struct iovec *)pieces,
		.msg_iovlen = count };
	ssize_t written = sendmsg(stream->socket, &message, MSG_NOSIGNAL);
	return written >= 0 ? written : of_errno(stream, true, why);
}

bool stream_start_tls(
	struct stream *stream, struct tls *tls, const char *host, struct fault *fault)
{
	stream->tls = tls_session(tls, stream->socket, host, fault);
	return stream->tls != NULL;
}

ssize_t stream_handshake(struct stream *stream, char *why)
{
	errno = 0;
	ERR_clear_error();
	stream->wants_write = false;
	int result = SSL_do_handshake(stream->tls);
	return result == 1 ? 1 : of_tls(stream, result, why);
}
