/* SPDX-License-Identifier: MIT
 *
 * Packets between the scanner and its worker program over a SOCK_SEQPACKET pair: one
 * protobuf message each, with at most one file descriptor beside it. Nothing here trusts
 * the other side: a packet that is too long, or of another shape, is a fault. */
#ifndef SERVICES_SCANNER_WIRE_H
#define SERVICES_SCANNER_WIRE_H

#include <stdbool.h>

#include "lib/fault.h"
#include "lib/slice.h"

#define WIRE_VERSION 2
/* Well below what a socket buffer holds, so an answer never blocks. */
#define PACKET_CEILING 65536
/* Up to here a message goes in the packet: cheaper than a file of its own. */
#define CONTENT_CEILING 49152

/* What the scanner asks its worker program for, with the worker's end of a socket. A
 * prompt one computes at the priority of other processes, any other behind them. */
#define WIRE_WORKER        "worker"
#define WIRE_PROMPT_WORKER "prompt worker"

/* Both ends close-on-exec; `ret_ours` does not block. */
bool wire_pair(int *ret_ours, int *ret_theirs, struct fault *fault);
/* `passed` may be -1; it stays the caller's. */
bool wire_send(int socket, struct slice packet, int passed, struct fault *fault);

enum wire_result {
	WIRE_PACKET,
	WIRE_NOTHING, /* not yet */
	WIRE_END,     /* the other side is gone */
	WIRE_BROKEN,  /* `fault` says why */
};
/* The packet is in `room` (PACKET_CEILING bytes of the caller's). `ret_passed` is the
 * caller's from then on, -1 if none came. */
enum wire_result wire_receive(int socket, char *room, struct slice *ret_packet,
	int *ret_passed, struct fault *fault);

#endif
