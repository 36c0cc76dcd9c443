/* SPDX-License-Identifier: MIT */
/* It would make one name of the two functions that are defined here. */
#undef _FILE_OFFSET_BITS
#include "services/scanner/worker/mapping.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PLAIN_PROTECTION (PROT_READ | PROT_WRITE)
#define PLAIN_FLAGS      (MAP_PRIVATE | MAP_ANONYMOUS)

static struct {
	char *bytes; /* of all mappings; NULL: none are kept */
	struct mapping {
		size_t size; /* as asked for, last */
		bool is_used;
	} mappings[MAPPING_COUNT];
} kept;

static void *map(
	void *address, size_t size, int protection, int flags, int file, off_t offset)
{
	return (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
}

void mappings_keep(void)
{
	char *bytes = map(NULL, MAPPING_COUNT * MAPPING_SIZE, PLAIN_PROTECTION,
		PLAIN_FLAGS | MAP_NORESERVE, -1, 0);
	if (bytes != MAP_FAILED)
		kept.bytes = bytes;
}

/* As fresh as from the kernel. NULL: all are in use. */
static void *take(size_t size)
{
	for (size_t i = 0; kept.bytes && i < MAPPING_COUNT; i++) {
		struct mapping *mapping = &kept.mappings[i];
		if (mapping->is_used)
			continue;
		char *bytes = kept.bytes + i * MAPPING_SIZE;
		memset(bytes, 0, mapping->size);
		*mapping = (struct mapping){ size, true };
		return bytes;
	}
	return NULL;
}

void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset)
{
	bool is_plain = !address && size && size <= MAPPING_SIZE &&
			protection == PLAIN_PROTECTION && flags == PLAIN_FLAGS;
	void *bytes = is_plain ? take(size) : NULL;
	return bytes ? bytes : map(address, size, protection, flags, file, offset);
}

/* The name that libraries with 64-bit offsets use; here they are the same. */
void *mmap64(void *address, size_t size, int protection, int flags, int file,
	off_t offset) __attribute__((alias("mmap")));

/* Given back in part, it stays in use. */
int munmap(void *address, size_t size)
{
	char *bytes = address;
	if (!kept.bytes || bytes < kept.bytes ||
		bytes >= kept.bytes + MAPPING_COUNT * MAPPING_SIZE)
		return (int)syscall(SYS_munmap, address, size);
	size_t offset = (size_t)(bytes - kept.bytes);
	struct mapping *mapping = &kept.mappings[offset / MAPPING_SIZE];
	if (offset % MAPPING_SIZE == 0 && size >= mapping->size)
		mapping->is_used = false;
	return 0;
}
