/* SPDX-License-Identifier: MIT
 *
 * A blocking SMTP client for tests; anything unexpected fails the test. */
#ifndef TESTS_SMTP_GATEWAY_CLIENT_H
#define TESTS_SMTP_GATEWAY_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/slice.h"
#include "tests/smtp-gateway/server.h"

struct client {
	int fd;
	SSL_CTX *context;
	SSL *ssl; /* NULL: in the clear */
	char input[16384];
	size_t input_size;
	char line[1024]; /* the last one of the last reply */
};

/* Reads the greeting; `is_tls`: TLS from the start. */
void client_open(struct client *client, uint16_t port, bool is_tls);
void client_connect(struct client *client, uint16_t port);
void client_close(struct client *client);
/* False: the handshake failed. */
bool client_start_tls(struct client *client, int max_version);

void client_send(struct client *client, struct slice bytes);
/* The code of a whole reply; 0: closed, -1: none within `patience_ms`. */
int client_reply(struct client *client, int patience_ms);
/* Sends a line and expects that code. */
void client_say(struct client *client, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* STARTTLS if it is needed, EHLO, AUTH. */
void client_log_in(struct client *client, const struct server *server);
/* A whole transaction up to the 354. */
void client_begin_data(struct client *client);
/* Common name of the server's certificate. */
void client_peer_name(const struct client *client, char name[64]);

#endif
