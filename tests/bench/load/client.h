/* SPDX-License-Identifier: MIT
 *
 * One connection of the generator: logs in, then sends one message after the other. Owned
 * by the load, which is told what happens. */
#ifndef TESTS_BENCH_LOAD_CLIENT_H
#define TESTS_BENCH_LOAD_CLIENT_H

#include "lib/loop.h"
#include "tests/bench/load/content.h"
#include "tests/bench/load/load.h"
#include "tests/bench/stream.h"

struct client;

/* What all clients share. */
struct client_office {
	const struct load_plan *plan;
	struct loop *loop;
	SSL_CTX *tls;
	const struct content *content;
	void *with;
	void (*ready)(void *with, struct client *client); /* logged in */
	void (*sent)(void *with, struct client *client);  /* the final dot went out */
	void (*answered)(void *with, struct client *client, unsigned code);
	void (*failed)(void *with, struct client *client, const char *why);
};

struct client {
	struct client *next; /* the load's */
	size_t message;      /* the one it is sending */
	const struct client_office *office;
	const char *auth; /* the command */
	struct stream stream;
	struct watch *watch;
	unsigned step;
	bool wants_room;
	struct content_piece out[CONTENT_PIECES]; /* what is still to be written */
	char *room;
	size_t in_size;
	char in[1024];
};

bool client_open(
	struct client *client, const struct client_office *office, const char *auth);
void client_send(struct client *client, size_t message);
void client_close(struct client *client);

#endif
