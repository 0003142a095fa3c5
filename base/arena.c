/* SPDX-License-Identifier: Apache-2.0
 *
 * Bump allocation in blocks from calloc. Invariant: the free part of every block is zero, so that an
 * allocation need not clear anything; az_arena_reset restores it. Blocks form a stack, newest first,
 * so that a mark is a block and a height in it. */
#include "base/arena.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN ((size_t)1 << 14)
#define BLOCK_MAX ((size_t)1 << 20)
#define ALIGN_MAX ((size_t)64)

struct az_arena_block {
	az_arena_block *next;
	unsigned char *data; /* aligned to ALIGN_MAX */
	size_t used, capacity;
};

void az_arena_init(az_arena *arena, az_oom *oom)
{
	*arena = (az_arena){.oom = oom};
}

static void free_until(az_arena *arena, const az_arena_block *stop)
{
	while (arena->head != stop) {
		az_arena_block *next = arena->head->next;
		free(arena->head);
		arena->head = next;
	}
}

void az_arena_free(az_arena *arena)
{
	free_until(arena, NULL);
	arena->used_bytes = 0;
}

az_arena_mark az_arena_mark_get(const az_arena *arena)
{
	az_arena_mark mark = {.block = arena->head, .used_bytes = arena->used_bytes};
	if (mark.block)
		mark.block_used = mark.block->used;
	return mark;
}

void az_arena_reset(az_arena *arena, az_arena_mark mark)
{
	free_until(arena, mark.block);
	arena->used_bytes = mark.used_bytes;
	if (mark.block) {
		assert(mark.block_used <= mark.block->used);
		memset(mark.block->data + mark.block_used, 0, mark.block->used - mark.block_used);
		mark.block->used = mark.block_used;
	}
}

_Noreturn void az_arena_exhausted(az_arena *arena)
{
	longjmp(*arena->oom->jump, 1);
}

/* The tests' counter: true when this allocation is the one to fail. */
static bool must_fail(az_oom *oom)
{
	return oom->fail_after >= 0 && oom->fail_after-- == 0;
}

/* A new block at the head with room for `size` bytes at any alignment. Blocks double up to
 * BLOCK_MAX, so that a small arena stays small and a large one has few blocks. */
static void push_block(az_arena *arena, size_t size)
{
	size_t capacity = BLOCK_MIN;
	if (arena->head)
		capacity = AZ_MIN(AZ_MAX(arena->head->capacity, BLOCK_MIN / 2) * 2, BLOCK_MAX);
	if (capacity < size)
		capacity = size;
	if (capacity > PTRDIFF_MAX - sizeof(az_arena_block) - ALIGN_MAX)
		az_arena_exhausted(arena);
	az_arena_block *block = calloc(1, sizeof *block + ALIGN_MAX + capacity);
	if (!block)
		az_arena_exhausted(arena);
	uintptr_t data = (uintptr_t)(block + 1);
	size_t padding = (size_t)(-data & (ALIGN_MAX - 1));
	block->data = (unsigned char *)(block + 1) + padding;
	block->capacity = capacity;
	block->next = arena->head;
	arena->head = block;
}

void *az_arena_alloc(az_arena *arena, size_t size, size_t align)
{
	assert(align && (align & (align - 1)) == 0 && align <= ALIGN_MAX);
	if (must_fail(arena->oom))
		az_arena_exhausted(arena);
	az_arena_block *block = arena->head;
	size_t start = block ? (block->used + align - 1) & ~(align - 1) : 0;
	if (!block || start > block->capacity || size > block->capacity - start) {
		push_block(arena, size);
		block = arena->head;
		start = 0;
	}
	arena->used_bytes += start - block->used + size;
	block->used = start + size;
	return block->data + start;
}

void *az_arena_array(az_arena *arena, size_t count, size_t size, size_t align)
{
	if (size && count > SIZE_MAX / size)
		az_arena_exhausted(arena);
	return az_arena_alloc(arena, count * size, align);
}

char *az_arena_copy(az_arena *arena, const char *text, size_t n)
{
	if (n == SIZE_MAX)
		az_arena_exhausted(arena);
	char *copy = az_arena_alloc(arena, n + 1, 1);
	if (n)
		memcpy(copy, text, n);
	return copy;
}

void *az_arena_dup(az_arena *arena, const void *bytes, size_t n)
{
	void *copy = az_arena_alloc(arena, n, 8);
	if (n)
		memcpy(copy, bytes, n);
	return copy;
}

char *az_arena_vprintf(az_arena *arena, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0) /* longer than INT_MAX */
		az_arena_exhausted(arena);
	char *text = az_arena_alloc(arena, (size_t)length + 1, 1);
	vsnprintf(text, (size_t)length + 1, format, args);
	return text;
}

char *az_arena_printf(az_arena *arena, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = az_arena_vprintf(arena, format, args);
	va_end(args);
	return text;
}
