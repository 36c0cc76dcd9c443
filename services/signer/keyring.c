/* SPDX-License-Identifier: MIT */
#include "services/signer/keyring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/memory.h"
#include "lib/table.h"

#define FILE_SIZE_MAX 65536
#define RSA_BITS_GOOD 2048

struct keyring {
	const struct log *log;
	char *folder;
	struct table *entries; /* file name to struct entry */
};

struct entry {
	struct key *key;
	bool is_seen; /* by the reload under way */
};

static bool check_private(const struct stat *status, const char *path, const char *mode,
	struct fault *fault)
{
	if ((status->st_mode & 077) == 0)
		return true;
	return fault_permanent(fault,
		"%s: others than its owner have access (mode %03o); run: chmod %s %s",
		path, status->st_mode & 0777, mode, path);
}

/* FIFOs and devices must not block, so the kind is looked at after opening. */
static bool read_pem(int fd, const char *name, char pem[static FILE_SIZE_MAX],
	size_t *ret_size, struct fault *fault)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return fault_permanent(fault, "%s: %m", name);
	if (!S_ISREG(status.st_mode))
		return fault_permanent(fault, "%s: not a file", name);
	if (!check_private(&status, name, "600", fault))
		return false;
	ssize_t size = read(fd, pem, FILE_SIZE_MAX);
	if (size < 0)
		return fault_permanent(fault, "%s: %m", name);
	*ret_size = (size_t)size;
	return true;
}

static struct key *load_key(int folder, const char *name, struct fault *fault)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		fault_permanent(fault, "%s: %m", name);
		return NULL;
	}
	char *pem = memory_new(FILE_SIZE_MAX);
	size_t size = 0;
	struct key *key = NULL;
	if (read_pem(fd, name, pem, &size, fault)) {
		key = key_parse((struct slice){ pem, size }, fault);
		if (!key)
			fault_within(fault, name);
	}
	OPENSSL_cleanse(pem, size);
	free(pem);
	close(fd);
	return key;
}

static void entry_free(struct entry *entry)
{
	if (entry)
		key_drop(entry->key);
	free(entry);
}

static void warn_if_short(
	const struct keyring *keyring, const char *name, const struct key *key)
{
	if (strcmp(key_algorithm(key), "rsa-sha256") == 0 &&
		key_bits(key) < RSA_BITS_GOOD)
		log_warning(keyring->log,
			"a short key is used; make one of 2048 bits instead",
			FIELD("file", name), NUMBER("bits", key_bits(key)));
}

/* The same key keeps its struct: what is known about it stays known. */
static void put_key(struct keyring *keyring, const char *name, struct key *key)
{
	struct entry *entry = table_get(keyring->entries, slice_of(name));
	if (entry && key_equal(entry->key, key)) {
		key_drop(key);
		return;
	}
	log_info(keyring->log, entry ? "key replaced" : "key loaded", FIELD("file", name),
		FIELD("algorithm", key_algorithm(key)), NUMBER("bits", key_bits(key)));
	warn_if_short(keyring, name, key);
	if (entry) {
		key_drop(entry->key);
		entry->key = key;
		return;
	}
	entry = NEW(struct entry);
	*entry = (struct entry){ key, true };
	table_put(keyring->entries, slice_of(name), entry);
}

static void load_file(struct keyring *keyring, int folder, const char *name)
{
	struct fault fault = { 0 };
	struct entry *entry = table_get(keyring->entries, slice_of(name));
	if (entry)
		entry->is_seen = true;
	struct key *key = load_key(folder, name, &fault);
	if (key)
		put_key(keyring, name, key);
	else
		log_error(keyring->log,
			entry ? "can't read a key again, the one from before is kept"
			      : "can't read a key",
			FIELD("reason", fault.text), FIELD("folder", keyring->folder));
}

/* One at a time, for the table must not change while it is walked. */
static bool drop_one_unseen(struct keyring *keyring)
{
	size_t cursor = 0;
	struct slice name;
	void *value;
	while (table_next(keyring->entries, &cursor, &name, &value)) {
		if (((struct entry *)value)->is_seen)
			continue;
		log_warning(keyring->log, "key removed", SLICE_FIELD("file", name));
		table_remove(keyring->entries, name);
		entry_free(value);
		return true;
	}
	return false;
}

static void forget_seen(struct keyring *keyring)
{
	size_t cursor = 0;
	struct slice name;
	void *value;
	while (table_next(keyring->entries, &cursor, &name, &value))
		((struct entry *)value)->is_seen = false;
}

static bool load_folder(struct keyring *keyring, struct fault *fault)
{
	DIR *folder = opendir(keyring->folder);
	if (!folder)
		return fault_permanent(fault, "%s: %m", keyring->folder);
	struct stat status;
	if (fstat(dirfd(folder), &status) < 0 ||
		!check_private(&status, keyring->folder, "700", fault)) {
		closedir(folder);
		return false;
	}
	forget_seen(keyring);
	const struct dirent *file;
	while ((errno = 0, file = readdir(folder)))
		if (file->d_name[0] != '.' && file->d_type != DT_DIR)
			load_file(keyring, dirfd(folder), file->d_name);
	/* A folder that can't be read to its end says nothing about what is missing. */
	bool is_whole = errno == 0;
	closedir(folder);
	while (is_whole && drop_one_unseen(keyring))
		;
	return true;
}

struct keyring *keyring_open(
	const char *folder, const struct log *log, struct fault *fault)
{
	struct keyring *keyring = NEW(struct keyring);
	keyring->log = log;
	keyring->folder = memory_string(slice_of(folder));
	keyring->entries = table_new();
	if (load_folder(keyring, fault))
		return keyring;
	keyring_close(keyring);
	return NULL;
}

void keyring_reload(struct keyring *keyring)
{
	struct fault fault = { 0 };
	if (!load_folder(keyring, &fault))
		log_error(keyring->log, "can't read the keys again, all are kept",
			FIELD("reason", fault.text));
}

void keyring_close(struct keyring *keyring)
{
	if (!keyring)
		return;
	size_t cursor = 0;
	struct slice name;
	void *value;
	while (table_next(keyring->entries, &cursor, &name, &value))
		entry_free(value);
	table_free(keyring->entries);
	free(keyring->folder);
	free(keyring);
}

struct key *keyring_find(const struct keyring *keyring, const char *file)
{
	struct entry *entry = table_get(keyring->entries, slice_of(file));
	return entry ? entry->key : NULL;
}

size_t keyring_size(const struct keyring *keyring)
{
	return table_size(keyring->entries);
}
