/* SPDX-License-Identifier: MIT */
#include "lib/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

#define BLOCK_BYTES 4096

struct block {
	struct block *next;
	size_t size, used;
	alignas(max_align_t) char bytes[];
};

struct arena {
	struct block *blocks; /* newest first */
	size_t size;
};

struct arena *arena_new(void)
{
	return NEW(struct arena);
}

static struct block *free_down_to(struct block *block, const struct block *last)
{
	while (block && block != last) {
		struct block *next = block->next;
		free(block);
		block = next;
	}
	return block;
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	free_down_to(arena->blocks, NULL);
	free(arena);
}

void arena_clear(struct arena *arena)
{
	struct block *first = arena->blocks;
	while (first && first->next)
		first = first->next;
	if (first && first->size > BLOCK_BYTES)
		first = NULL;
	arena->blocks = free_down_to(arena->blocks, first);
	if (first)
		first->used = 0;
	arena->size = 0;
}

static struct block *add_block(struct arena *arena, size_t size)
{
	size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
	struct block *block = memory_resize(NULL, sizeof(*block) + room);
	block->size = room;
	block->used = 0;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct block *block = arena->blocks;
	if (!block || block->size - block->used < size)
		block = add_block(arena, size);
	void *bytes = block->bytes + block->used;
	block->used += size;
	arena->size += size;
	return bytes;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
	return memset(arena_alloc(arena, size), 0, size);
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
	return (struct slice){ arena_string(arena, bytes), bytes.size };
}

char *arena_string(struct arena *arena, struct slice bytes)
{
	char *copy = arena_alloc(arena, bytes.size + 1);
	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	copy[bytes.size] = '\0';
	return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, args);
	char *text = arena_alloc(arena, (size_t)(length < 0 ? 0 : length) + 1);
	text[0] = '\0';
	if (length > 0)
		vsnprintf(text, (size_t)length + 1, format, again);
	va_end(again);
	va_end(args);
	return text;
}

size_t arena_size(const struct arena *arena)
{
	return arena->size;
}
