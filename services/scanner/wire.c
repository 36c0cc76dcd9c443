/* SPDX-License-Identifier: MIT */
#include "services/scanner/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

bool wire_pair(int *ret_ours, int *ret_theirs, struct fault *fault)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fault_temporary(fault, "socket pair: %s", strerror(errno));
	/* Where the system's default is less than a packet, it could never be sent. */
	int room = 4 * PACKET_CEILING;
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	fcntl(pair[0], F_SETFL, fcntl(pair[0], F_GETFL) | O_NONBLOCK);
	*ret_ours = pair[0];
	*ret_theirs = pair[1];
	return true;
}

bool wire_send(int socket, struct slice packet, int passed, struct fault *fault)
{
	struct iovec part = { (void *)packet.data, packet.size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	union control control = { 0 };
	if (passed >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &passed, sizeof(int));
	}
	ssize_t sent;
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)packet.size ||
	       fault_temporary(fault, "send: %s", strerror(errno));
}

static int passed_in(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	if (!header || header->cmsg_level != SOL_SOCKET ||
		header->cmsg_type != SCM_RIGHTS ||
		header->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	int passed;
	memcpy(&passed, CMSG_DATA(header), sizeof(int));
	return passed;
}

enum wire_result wire_receive(int socket, char *room, struct slice *ret_packet,
	int *ret_passed, struct fault *fault)
{
	struct iovec part = { room, PACKET_CEILING };
	union control control;
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		/* Not CMSG_SPACE: its padding would let a second descriptor slip in. */
		.msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t got;
	do
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	*ret_passed = got < 0 ? -1 : passed_in(&message);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return WIRE_NOTHING;
	if (got == 0 || (got < 0 && errno == ECONNRESET))
		return WIRE_END;
	if (got < 0) {
		fault_temporary(fault, "receive: %s", strerror(errno));
		return WIRE_BROKEN;
	}
	if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		if (*ret_passed >= 0)
			close(*ret_passed);
		*ret_passed = -1;
		fault_temporary(fault, "packet of more than %d bytes", PACKET_CEILING);
		return WIRE_BROKEN;
	}
	*ret_packet = (struct slice){ room, (size_t)got };
	return WIRE_PACKET;
}
