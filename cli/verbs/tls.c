/* SPDX-License-Identifier: MIT */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "cli/command.h"
#include "cli/key_file.h"

#define DAYS 365

static bool add_extension(X509 *certificate, int number, const char *text)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, number, text);
	bool is_good = extension && X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	return is_good;
}

static bool set_name(X509 *certificate, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
		       (const unsigned char *)name, -1, -1, 0) &&
	       X509_set_issuer_name(certificate, subject);
}

static bool fill(X509 *certificate, EVP_PKEY *key)
{
	uint64_t serial;
	arc4random_buf(&serial, sizeof(serial));
	return X509_set_version(certificate, X509_VERSION_3) &&
	       ASN1_INTEGER_set_uint64(
		       X509_get_serialNumber(certificate), serial >> 1 | 1) &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
	       X509_time_adj_ex(X509_getm_notAfter(certificate), DAYS, 0, NULL) &&
	       X509_set_pubkey(certificate, key) && set_name(certificate, "localhost") &&
	       add_extension(certificate, NID_subject_alt_name,
		       "DNS:localhost,IP:127.0.0.1,IP:::1") &&
	       add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
	       add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
	       X509_sign(certificate, key, EVP_sha256());
}

static enum status write_pair(
	struct command *command, const EVP_PKEY *key, const X509 *certificate)
{
	struct key_file file = { .folder = command_option(command, "folder"),
		.name = "key.pem",
		.replaces = command_option(command, "force") };
	struct fault fault = { 0 };
	bool is_good = key_file_write(&file, key, &fault);
	file.name = "certificate.pem";
	if (!is_good || !certificate_file_write(&file, certificate, &fault))
		return command_failed(command, "%s; --force replaces it", fault.text);
	fprintf(command->out,
		"certificate  %s/certificate.pem\nkey          %s/key.pem\n", file.folder,
		file.folder);
	return STATUS_DONE;
}

static enum status sample(struct command *command)
{
	if (!command_option(command, "folder"))
		return command_misused(command, "say with --folder where to write");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	enum status status;
	if (key && certificate && fill(certificate, key))
		status = write_pair(command, key, certificate);
	else
		status = command_failed(command, "OpenSSL can't make a certificate");
	X509_free(certificate);
	EVP_PKEY_free(key);
	return status;
}

static const struct option options[] = {
	{ "folder", 0, "DIR", "where certificate.pem and key.pem go; made if need be" },
	{ "force", 0, NULL, "replace those that are there" },
	{ 0 },
};

static const struct action actions[] = {
	{ "sample", "", 0, 0,
		"a self-signed ECDSA P-256 certificate for localhost, valid for a year",
		options, sample },
};

const struct verb tls_verb = {
	.name = "tls",
	.summary = "make a certificate to try Postern with on loopback",
	ACTIONS(actions),
};
