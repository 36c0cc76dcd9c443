/* SPDX-License-Identifier: MIT */
#include "lib/memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *checked(void *block)
{
	if (!block) {
		static const char text[] =
			"{\"level\":\"error\",\"event\":\"out of memory\"}\n";
		(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
		abort();
	}
	return block;
}

void *memory_new(size_t size)
{
	return checked(calloc(1, size ? size : 1));
}

void *memory_resize(void *block, size_t size)
{
	return checked(realloc(block, size ? size : 1));
}

char *memory_string(struct slice bytes)
{
	char *string = memory_new(bytes.size + 1);
	if (bytes.size)
		memcpy(string, bytes.data, bytes.size);
	return string;
}

/* Larger blocks than the first are rare and go back at once; so does what the heap has
 * free at its end above the second. */
void memory_keep(void)
{
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
	mallopt(M_TOP_PAD, 1 << 20);
}

void memory_free(void *pointer_to_pointer)
{
	void **pointer = pointer_to_pointer;
	free(*pointer);
	*pointer = NULL;
}
