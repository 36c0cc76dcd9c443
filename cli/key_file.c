/* SPDX-License-Identifier: MIT */
#include "cli/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/memory.h"

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static bool write_all(int fd, struct slice bytes)
{
	while (bytes.size) {
		ssize_t done = write(fd, bytes.data, bytes.size);
		if (done < 0)
			return false;
		bytes = slice_skip(bytes, (size_t)done);
	}
	return fsync(fd) == 0;
}

static bool write_new(int folder, const char *name, mode_t mode, struct slice bytes)
{
	CLEANUP(close_fd)
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	return fd >= 0 && fchmod(fd, mode) == 0 && write_all(fd, bytes);
}

static bool put(
	const struct key_file *file, struct slice bytes, mode_t mode, struct fault *fault)
{
	const char *what = file->folder;
	if (mkdir(file->folder, 0700) != 0 && errno != EEXIST)
		return fault_permanent(fault, "%s: %s", what, strerror(errno));
	CLEANUP(close_fd)
	int folder = open(file->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return fault_permanent(fault, "%s: %s", what, strerror(errno));
	char draft[64];
	snprintf(draft, sizeof(draft), ".posternctl-%d", (int)getpid());
	bool is_good = write_new(folder, draft, mode, bytes);
	if (is_good && file->replaces)
		is_good = renameat(folder, draft, folder, file->name) == 0;
	else if (is_good)
		is_good = linkat(folder, draft, folder, file->name, 0) == 0;
	int why = errno;
	unlinkat(folder, draft, 0);
	if (is_good && fsync(folder) == 0)
		return true;
	return fault_permanent(fault, "%s/%s: %s", file->folder, file->name,
		why == EEXIST ? "is there already" : strerror(why));
}

static bool put_pem(const struct key_file *file, BIO *pem, mode_t mode, bool is_good,
	struct fault *fault)
{
	char *data;
	long size = BIO_get_mem_data(pem, &data);
	if (is_good && size > 0)
		is_good = put(file, (struct slice){ data, (size_t)size }, mode, fault);
	else
		is_good = fault_permanent(fault, "OpenSSL can't write %s", file->name);
	BIO_free(pem);
	return is_good;
}

bool key_file_write(const struct key_file *file, const EVP_PKEY *key, struct fault *fault)
{
	BIO *pem = BIO_new(BIO_s_secmem());
	bool is_good = pem &&
		       PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
	return put_pem(file, pem, 0600, is_good, fault);
}

bool certificate_file_write(
	const struct key_file *file, const X509 *certificate, struct fault *fault)
{
	BIO *pem = BIO_new(BIO_s_mem());
	bool is_good = pem && PEM_write_bio_X509(pem, certificate);
	return put_pem(file, pem, 0644, is_good, fault);
}

EVP_PKEY *key_file_read(const char *path, struct fault *fault)
{
	FILE *file = fopen(path, "re");
	EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
	if (!file)
		fault_permanent(fault, "%s: %s", path, strerror(errno));
	else if (!key)
		fault_permanent(fault, "%s holds no private key in PEM", path);
	if (file)
		fclose(file);
	return key;
}
