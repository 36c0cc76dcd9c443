/* SPDX-License-Identifier: MIT */
#include "services/scanner/worker/signature_set.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool add_file(
	EVP_MD_CTX *digest, int folder, const char *name, struct fault *fault)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0) {
		if (fd >= 0)
			close(fd);
		return fault_fatal(fault, "%s: %s", name, strerror(errno));
	}
	ssize_t got = 0;
	if (S_ISREG(status.st_mode)) {
		EVP_DigestUpdate(digest, name, strlen(name) + 1);
		char block[65536];
		while ((got = read(fd, block, sizeof(block))) > 0)
			EVP_DigestUpdate(digest, block, (size_t)got);
	}
	close(fd);
	return got == 0 || fault_fatal(fault, "%s: %s", name, strerror(errno));
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

bool signature_set_name(const char *folder, char *ret_name, struct fault *fault)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_visible, alphasort);
	if (count < 0)
		return fault_fatal(fault, "%s: %s", folder, strerror(errno));
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
	bool good = true;
	for (int i = 0; i < count; i++) {
		good = good && add_file(digest, fd, entries[i]->d_name, fault);
		free(entries[i]);
	}
	free(entries);
	close(fd);
	unsigned char hash[EVP_MAX_MD_SIZE];
	EVP_DigestFinal_ex(digest, hash, NULL);
	EVP_MD_CTX_free(digest);
	for (size_t i = 0; i < SIGNATURE_SET_SIZE / 2; i++)
		snprintf(ret_name + 2 * i, 3, "%02x", hash[i]);
	return good;
}
