/* SPDX-License-Identifier: MIT */
#include "services/sender/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "services/sender/reach.h"

struct tls {
	char *ca_file;
	SSL_CTX *context;
};

const char *tls_last_error(char *text, size_t size)
{
	unsigned long error = ERR_peek_last_error();
	const char *reason = error ? ERR_reason_error_string(error) : NULL;
	snprintf(text, size, "%s", reason ? reason : "unknown reason");
	ERR_clear_error();
	return text;
}

static SSL_CTX *context_new(const char *ca_file, struct fault *fault)
{
	char why[128];
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (!context) {
		fault_fatal(fault, "OpenSSL: %s", tls_last_error(why, sizeof(why)));
		return NULL;
	}
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	/* The result is looked at after the handshake, with its reason. */
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	int read = *ca_file ? SSL_CTX_load_verify_file(context, ca_file)
			    : SSL_CTX_set_default_verify_paths(context);
	if (read == 1)
		return context;
	fault_permanent(fault, "certificate authorities in %s: %s",
		*ca_file ? ca_file : "the system's store",
		tls_last_error(why, sizeof(why)));
	SSL_CTX_free(context);
	return NULL;
}

struct tls *tls_open(const char *ca_file, struct fault *fault)
{
	SSL_CTX *context = context_new(ca_file, fault);
	if (!context)
		return NULL;
	struct tls *tls = NEW(struct tls);
	tls->context = context;
	tls->ca_file = memory_string(slice_of(ca_file));
	return tls;
}

void tls_close(struct tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->context);
	free(tls->ca_file);
	free(tls);
}

bool tls_reload(struct tls *tls, struct fault *fault)
{
	SSL_CTX *context = context_new(tls->ca_file, fault);
	if (!context)
		return false;
	SSL_CTX_free(tls->context);
	tls->context = context;
	return true;
}

static bool expect_name(SSL *session, const char *host)
{
	struct endpoint ignored;
	X509_VERIFY_PARAM *parameters = SSL_get0_param(session);
	if (endpoint_parse(host, 0, &ignored))
		return X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1;
	X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(parameters, host, 0) == 1 &&
	       SSL_set_tlsext_host_name(session, host) == 1;
}

SSL *tls_session(struct tls *tls, int socket, const char *host, struct fault *fault)
{
	char why[128];
	SSL *session = SSL_new(tls->context);
	if (session && SSL_set_fd(session, socket) == 1 && expect_name(session, host)) {
		SSL_set_connect_state(session);
		return session;
	}
	fault_temporary(fault, "OpenSSL: %s", tls_last_error(why, sizeof(why)));
	SSL_free(session);
	return NULL;
}

/* The certificate is a stranger's text: one line, printable, bounded. */
static void print_name(const X509_NAME *name, char *text, size_t size)
{
	BIO *out = BIO_new(BIO_s_mem());
	if (!out)
		return;
	X509_NAME_print_ex(out, name, 0, XN_FLAG_ONELINE);
	int length = BIO_read(out, text, (int)size - 1);
	text[length > 0 ? length : 0] = '\0';
	BIO_free(out);
	for (char *c = text; *c; c++)
		if (*c < 0x20 || *c >= 0x7f)
			*c = '?';
}

void tls_read_facts(SSL *session, struct tls_facts *ret_facts)
{
	*ret_facts = (struct tls_facts){ 0 };
	snprintf(ret_facts->version, sizeof(ret_facts->version), "%s",
		SSL_get_version(session));
	snprintf(ret_facts->cipher, sizeof(ret_facts->cipher), "%s",
		SSL_get_cipher_name(session));
	X509 *certificate = SSL_get0_peer_certificate(session);
	if (!certificate) {
		snprintf(ret_facts->certificate, TLS_FACT_MAX, "none");
		return;
	}
	char subject[200] = "", issuer[200] = "";
	print_name(X509_get_subject_name(certificate), subject, sizeof(subject));
	print_name(X509_get_issuer_name(certificate), issuer, sizeof(issuer));
	long result = SSL_get_verify_result(session);
	ret_facts->is_verified = result == X509_V_OK;
	snprintf(ret_facts->certificate, TLS_FACT_MAX, "subject %s; issuer %s; %s%s",
		subject, issuer, ret_facts->is_verified ? "verified" : "not verified: ",
		ret_facts->is_verified ? "" : X509_verify_cert_error_string(result));
}
