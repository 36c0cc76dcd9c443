/* SPDX-License-Identifier: MIT
 *
 * Listens on one address and hands out accepted sockets. Rests a moment when the process
 * has no file descriptors left. */
#ifndef SMTP_GATEWAY_ACCEPTOR_H
#define SMTP_GATEWAY_ACCEPTOR_H

#include <stdint.h>

#include "lib/fault.h"
#include "lib/loop.h"

struct acceptor;

/* The taker owns `fd`; `address` is the client's, without port, IPv4 as IPv4. */
typedef void acceptor_taken(void *with, int fd, const char *address);

/* `where` is HOST:PORT; every address of HOST must be free on the first of them. */
struct acceptor *acceptor_open(struct loop *loop, const char *where,
	acceptor_taken *taken, void *with, struct fault *fault);
/* Takes NULL. */
void acceptor_close(struct acceptor *acceptor);
/* For a port of 0, in tests. */
uint16_t acceptor_port(const struct acceptor *acceptor);

#endif
