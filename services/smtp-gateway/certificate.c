/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/certificate.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <time.h>

#include "lib/memory.h"

struct certificate {
	const char *file, *key_file;
	SSL_CTX *context;
	bool has_password; /* found when it was read last */
};

static const char *why(void)
{
	static char text[256];
	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	ERR_clear_error();
	return text;
}

/* Never ask the terminal: it would stop all sessions. */
static int no_password(char *buffer, int size, int writing, void *with)
{
	(void)buffer, (void)size, (void)writing;
	struct certificate *certificate = with;
	certificate->has_password = true;
	return -1;
}

/* Clients choose among what is good (AES is slow on some of them). RFC 9325 for TLS 1.2.
 * Idle connections give their buffers back. Resumption is by tickets alone: nothing is
 * kept here. */
static bool set_up(SSL_CTX *context)
{
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_clear_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 1);
	return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

static bool load(struct certificate *certificate, SSL_CTX *context, struct fault *fault)
{
	if (!context || !set_up(context))
		return fault_permanent(fault, "TLS can't be set up: %s", why());
	certificate->has_password = false;
	SSL_CTX_set_default_passwd_cb(context, no_password);
	SSL_CTX_set_default_passwd_cb_userdata(context, certificate);
	if (SSL_CTX_use_certificate_chain_file(context, certificate->file) != 1)
		return fault_permanent(fault,
			"POSTERN_GATEWAY_CERTIFICATE: no certificate in %s: %s",
			certificate->file, why());
	if (SSL_CTX_use_PrivateKey_file(
		    context, certificate->key_file, SSL_FILETYPE_PEM) == 1)
		return true;
	const char *reason = why();
	return fault_permanent(fault,
		"POSTERN_GATEWAY_KEY: no private key for that certificate in %s: %s",
		certificate->key_file,
		certificate->has_password ? "the key has a password; store it without"
					  : reason);
}

bool certificate_reload(struct certificate *certificate, struct fault *fault)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	if (!load(certificate, context, fault)) {
		SSL_CTX_free(context);
		return false;
	}
	SSL_CTX_free(certificate->context);
	certificate->context = context;
	return true;
}

struct certificate *certificate_open(
	const char *file, const char *key_file, struct fault *fault)
{
	struct certificate *certificate = NEW(struct certificate);
	*certificate = (struct certificate){ .file = file, .key_file = key_file };
	if (certificate_reload(certificate, fault))
		return certificate;
	free(certificate);
	return NULL;
}

void certificate_close(struct certificate *certificate)
{
	if (!certificate)
		return;
	SSL_CTX_free(certificate->context);
	free(certificate);
}

struct ssl_st *certificate_new_session(const struct certificate *certificate)
{
	SSL *ssl = SSL_new(certificate->context);
	if (!ssl)
		abort();
	return ssl;
}

int64_t certificate_expires_s(const struct certificate *certificate)
{
	struct tm expiry = { 0 };
	const X509 *x509 = SSL_CTX_get0_certificate(certificate->context);
	if (!x509 || ASN1_TIME_to_tm(X509_get0_notAfter(x509), &expiry) != 1)
		return 0;
	return timegm(&expiry);
}
