/* SPDX-License-Identifier: Apache-2.0
 *
 * Bump allocation. An arena grows by blocks and frees everything at once; nothing in it is freed one
 * by one. Memory comes back zeroed. Running out of memory is the library's only non-local exit: the
 * arena jumps to `oom->jump`, which a public entry point has set (see base/ctx.h). */
#ifndef AZ_BASE_ARENA_H
#define AZ_BASE_ARENA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/compiler.h"

typedef struct az_oom {
	jmp_buf *jump;   /* of the innermost guard */
	long fail_after; /* tests: the allocation after this many fails, once; negative = never */
} az_oom;

typedef struct az_arena_block az_arena_block;

typedef struct az_arena {
	az_arena_block *head;
	az_oom *oom;
	size_t used_bytes; /* handed out, alignment included */
} az_arena;

/* A position to come back to: everything allocated after it is freed by az_arena_reset. */
typedef struct az_arena_mark {
	az_arena_block *block;
	size_t block_used;
	size_t used_bytes;
} az_arena_mark;

void az_arena_init(az_arena *arena, az_oom *oom);
void az_arena_free(az_arena *arena); /* leaves an empty, usable arena */
az_arena_mark az_arena_mark_get(const az_arena *arena);
void az_arena_reset(az_arena *arena, az_arena_mark mark);

/* `size` bytes, zeroed, aligned to `align` (a power of two, at most 64). Never NULL. */
void *az_arena_alloc(az_arena *arena, size_t size, size_t align);
/* count * size with the overflow checked. */
void *az_arena_array(az_arena *arena, size_t count, size_t size, size_t align);
/* A NUL-terminated copy of n bytes. */
char *az_arena_copy(az_arena *arena, const char *text, size_t n);
/* A copy of n bytes aligned to 8. */
void *az_arena_dup(az_arena *arena, const void *bytes, size_t n);
/* What a failing allocation does; for sizes that are known to be too large before asking. */
_Noreturn void az_arena_exhausted(az_arena *arena);
char *az_arena_printf(az_arena *arena, const char *format, ...) AZ_PRINTF(2, 3);
char *az_arena_vprintf(az_arena *arena, const char *format, va_list args);

#define az_new(arena, type) ((type *)az_arena_alloc((arena), sizeof(type), _Alignof(type)))
#define az_new_array(arena, type, n)                                                               \
	((type *)az_arena_array((arena), (n), sizeof(type), _Alignof(type)))

#endif
