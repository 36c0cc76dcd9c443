/* SPDX-License-Identifier: MIT */
#include "tests/smtp-gateway/client.h"

#include <arpa/inet.h>
#include <check.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"

#define PATIENCE_MS 5000

void client_connect(struct client *client, uint16_t port)
{
	struct sockaddr_in where = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	*client = (struct client){ .fd = socket(AF_INET, SOCK_STREAM, 0) };
	signal(SIGPIPE, SIG_IGN);
	ck_assert(connect(client->fd, (struct sockaddr *)&where, sizeof(where)) == 0);
}

bool client_start_tls(struct client *client, int max_version)
{
	client->context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(client->context, 0);
	SSL_CTX_set_min_proto_version(client->context, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(client->context, max_version);
	client->ssl = SSL_new(client->context);
	SSL_set_fd(client->ssl, client->fd);
	return SSL_connect(client->ssl) == 1;
}

void client_open(struct client *client, uint16_t port, bool is_tls)
{
	client_connect(client, port);
	if (is_tls)
		ck_assert(client_start_tls(client, 0));
	ck_assert_int_eq(client_reply(client, PATIENCE_MS), 220);
}

void client_close(struct client *client)
{
	SSL_free(client->ssl);
	SSL_CTX_free(client->context);
	close(client->fd);
}

void client_send(struct client *client, struct slice bytes)
{
	while (bytes.size > 0) {
		ssize_t sent = client->ssl ? SSL_write(client->ssl, bytes.data,
						     (int)bytes.size)
					   : write(client->fd, bytes.data, bytes.size);
		if (sent <= 0)
			return; /* closed: the reply shows it */
		bytes = slice_skip(bytes, (size_t)sent);
	}
}

/* False: closed, or nothing came. */
static bool read_more(struct client *client, int patience_ms, bool *is_closed)
{
	struct pollfd poller = { .fd = client->fd, .events = POLLIN };
	char *to = client->input + client->input_size;
	int room = (int)(sizeof(client->input) - client->input_size);
	bool is_pending = client->ssl && SSL_pending(client->ssl) > 0;
	if (!is_pending && poll(&poller, 1, patience_ms) == 0)
		return false;
	ssize_t got = client->ssl ? SSL_read(client->ssl, to, room)
				  : read(client->fd, to, (size_t)room);
	*is_closed = got <= 0;
	client->input_size += got > 0 ? (size_t)got : 0;
	return got > 0;
}

static bool take_line(struct client *client)
{
	char *end = memmem(client->input, client->input_size, "\r\n", 2);
	if (!end)
		return false;
	size_t size = (size_t)(end - client->input);
	ck_assert_uint_lt(size, sizeof(client->line));
	memcpy(client->line, client->input, size);
	client->line[size] = '\0';
	client->input_size -= size + 2;
	memmove(client->input, end + 2, client->input_size);
	return true;
}

int client_reply(struct client *client, int patience_ms)
{
	int64_t end_ms = clock_monotonic_ms() + patience_ms;
	bool is_closed = false;
	for (;;) {
		if (take_line(client)) {
			if (client->line[3] == ' ')
				return (int)strtol(client->line, NULL, 10);
			continue;
		}
		int64_t left_ms = end_ms - clock_monotonic_ms();
		if (left_ms <= 0)
			return -1;
		if (!read_more(client, (int)left_ms, &is_closed) && is_closed)
			return 0;
	}
}

void client_say(struct client *client, int code, const char *format, ...)
{
	char line[4096];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(line, sizeof(line) - 2, format, args);
	va_end(args);
	memcpy(line + length, "\r\n", 2);
	client_send(client, (struct slice){ line, (size_t)length + 2 });
	int got = client_reply(client, PATIENCE_MS);
	ck_assert_msg(got == code, "%s: %d %s", format, got, client->line);
}

void client_log_in(struct client *client, const struct server *server)
{
	unsigned char plain[128], coded[256];
	client_say(client, 250, "EHLO client.example");
	if (!client->ssl) {
		client_say(client, 220, "STARTTLS");
		ck_assert(client_start_tls(client, 0));
		client_say(client, 250, "EHLO client.example");
	}
	int size = snprintf(
		(char *)plain, sizeof(plain), "%cshop%c%s", 0, 0, server->secret);
	EVP_EncodeBlock(coded, plain, size);
	client_say(client, 235, "AUTH PLAIN %s", coded);
}

void client_begin_data(struct client *client)
{
	client_say(client, 250, "MAIL FROM:<bounces@shop.example>");
	client_say(client, 250, "RCPT TO:<ann@customer.example>");
	client_say(client, 354, "DATA");
}

void client_peer_name(const struct client *client, char name[64])
{
	X509 *x509 = SSL_get1_peer_certificate(client->ssl);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, name, 64);
	X509_free(x509);
}
