/* SPDX-License-Identifier: MIT */
#include "tests/bench/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t outcome(struct stream *stream, int got)
{
	if (got > 0)
		return got;
	int error = SSL_get_error(stream->tls, got);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE
		       ? STREAM_WAITS
		       : STREAM_ENDED;
}

static ssize_t plain_outcome(ssize_t got)
{
	if (got > 0)
		return got;
	return got < 0 && (errno == EAGAIN || errno == EINTR) ? STREAM_WAITS
							      : STREAM_ENDED;
}

ssize_t stream_read(struct stream *stream, char *ret_bytes, size_t room)
{
	if (stream->tls)
		return outcome(stream, SSL_read(stream->tls, ret_bytes, (int)room));
	return plain_outcome(recv(stream->fd, ret_bytes, room, 0));
}

ssize_t stream_write(struct stream *stream, const char *bytes, size_t size)
{
	if (stream->tls)
		return outcome(stream, SSL_write(stream->tls, bytes, (int)size));
	return plain_outcome(send(stream->fd, bytes, size, MSG_NOSIGNAL));
}

bool stream_wants_room(const struct stream *stream)
{
	return !stream->tls || SSL_want_write(stream->tls);
}

void stream_start_tls(struct stream *stream, SSL_CTX *context)
{
	stream->tls = SSL_new(context);
	SSL_set_mode(stream->tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	SSL_set_fd(stream->tls, stream->fd);
	if (SSL_is_server(stream->tls))
		SSL_set_accept_state(stream->tls);
	else
		SSL_set_connect_state(stream->tls);
}

void stream_close(struct stream *stream)
{
	SSL_free(stream->tls);
	close(stream->fd);
}
