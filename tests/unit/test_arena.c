/* SPDX-License-Identifier: Apache-2.0
 *
 * Arenas and vectors: alignment, zeroing, marks, growth, overflow, and running out at every
 * allocation. */
#include "tests/unit/unit.h"

#include <stdint.h>
#include <string.h>

#include "base/vec.h"

static az_oom oom;

static bool all_zero(const void *data, size_t n)
{
	const unsigned char *p = data;
	for (size_t i = 0; i < n; i++) {
		if (p[i])
			return false;
	}
	return true;
}

static void start(az_arena *arena)
{
	oom.fail_after = -1;
	az_arena_init(arena, &oom);
}

static void aligns_and_zeroes(void)
{
	az_arena arena;
	start(&arena);
	for (size_t align = 1; align <= 64; align *= 2) {
		for (size_t size = 0; size < 5000; size += 1 + size / 3) {
			unsigned char *p = az_arena_alloc(&arena, size, align);
			CU_ASSERT_PTR_NOT_NULL_FATAL(p);
			CU_ASSERT_EQUAL((uintptr_t)p % align, 0);
			CU_ASSERT_TRUE(all_zero(p, size));
			memset(p, 0xab, size);
		}
	}
	az_arena_free(&arena);
	CU_ASSERT_EQUAL(arena.used_bytes, 0);
	CU_ASSERT_PTR_NULL(arena.head);
	CU_ASSERT_PTR_NOT_NULL(az_arena_alloc(&arena, 1, 1)); /* still usable */
	az_arena_free(&arena);
}

static void large_blocks(void)
{
	az_arena arena;
	start(&arena);
	size_t size = (size_t)3 << 20;
	char *small = az_arena_alloc(&arena, 10, 1);
	memset(small, 1, 10);
	char *large = az_arena_alloc(&arena, size, 64);
	CU_ASSERT_TRUE(all_zero(large, size));
	memset(large, 2, size);
	char *after = az_arena_alloc(&arena, 10, 1);
	memset(after, 3, 10);
	CU_ASSERT_EQUAL(small[9], 1);
	CU_ASSERT_EQUAL(large[0], 2);
	CU_ASSERT_EQUAL(large[size - 1], 2);
	CU_ASSERT_TRUE(arena.used_bytes >= size + 20);
	az_arena_free(&arena);
}

/* What is handed out after a reset is zero again, whether its block stayed or went. */
static void marks(void)
{
	az_arena arena;
	start(&arena);
	az_arena_mark empty = az_arena_mark_get(&arena);
	char *kept = az_arena_copy(&arena, "kept", 4);
	az_arena_mark mark = az_arena_mark_get(&arena);
	for (int round = 0; round < 3; round++) {
		char *p = az_arena_alloc(&arena, 100, 8);
		CU_ASSERT_TRUE(all_zero(p, 100));
		memset(p, 0xab, 100);
		for (int i = 0; i < 50; i++)
			memset(az_arena_alloc(&arena, 9000, 8), 0xab, 9000);
		az_arena_reset(&arena, mark);
		CU_ASSERT_EQUAL(arena.used_bytes, mark.used_bytes);
		CHECK_TEXT(kept, "kept");
	}
	az_arena_reset(&arena, empty);
	CU_ASSERT_PTR_NULL(arena.head);
	CU_ASSERT_EQUAL(arena.used_bytes, 0);
}

static void copies(void)
{
	az_arena arena;
	start(&arena);
	CHECK_TEXT(az_arena_copy(&arena, "abc", 2), "ab");
	CHECK_TEXT(az_arena_copy(&arena, NULL, 0), "");
	CHECK_TEXT(az_arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
	CHECK_TEXT(az_arena_printf(&arena, "%s", ""), "");
	char *wide = az_arena_printf(&arena, "%100000d", 1);
	CU_ASSERT_EQUAL(strlen(wide), 100000);
	const uint64_t numbers[2] = {1, 2};
	az_arena_copy(&arena, "x", 1);
	uint64_t *twin = az_arena_dup(&arena, numbers, sizeof numbers);
	CU_ASSERT_EQUAL((uintptr_t)twin % 8, 0);
	CU_ASSERT_EQUAL(twin[1], 2);
	CU_ASSERT_PTR_NOT_NULL(az_arena_dup(&arena, NULL, 0));
	az_arena_free(&arena);
}

static void *overflowing_array(az_arena *arena)
{
	return az_arena_array(arena, SIZE_MAX / 4, 8, 8);
}

static void *endless_alloc(az_arena *arena)
{
	return az_arena_alloc(arena, SIZE_MAX - 4, 1);
}

static void *impossible_alloc(az_arena *arena)
{
	return az_arena_alloc(arena, SIZE_MAX / 2, 1);
}

static void *endless_copy(az_arena *arena)
{
	return az_arena_copy(arena, "", SIZE_MAX);
}

static void *endless_vec(az_arena *arena)
{
	uint32_t capacity = UINT32_MAX - 1;
	return az_vec_grow(arena, NULL, 0, &capacity, 1);
}

static bool jumps(void *(*attempt)(az_arena *), az_arena *arena)
{
	jmp_buf jump;
	oom.jump = &jump;
	if (setjmp(jump))
		return true;
	attempt(arena);
	return false;
}

static void overflows_jump(void)
{
	void *(*const tries[])(az_arena *) = {
		overflowing_array, endless_alloc, impossible_alloc, endless_copy, endless_vec};
	for (size_t i = 0; i < AZ_COUNT(tries); i++) {
		az_arena arena;
		start(&arena);
		CU_ASSERT_TRUE(jumps(tries[i], &arena));
		az_arena_free(&arena);
	}
}

static void vectors_grow(void)
{
	az_arena arena;
	start(&arena);
	AZ_VEC(int) vec = {0};
	for (int i = 0; i < 10000; i++)
		az_vec_push(&arena, &vec, i);
	CU_ASSERT_EQUAL(vec.count, 10000);
	CU_ASSERT_TRUE(vec.capacity >= vec.count);
	bool same = true;
	for (int i = 0; i < 10000; i++)
		same &= vec.v[i] == i;
	CU_ASSERT_TRUE(same);
	az_arena_free(&arena);
}

static bool allocate_a_lot(az_ctx *ctx)
{
	AZ_GUARD(ctx, return false);
	AZ_VEC(char *) vec = {0};
	for (int i = 0; i < 100; i++)
		az_vec_push(&ctx->arena, &vec, az_arena_printf(&ctx->arena, "%d", i));
	az_arena_dup(&ctx->arena, vec.v, sizeof *vec.v * vec.count);
	AZ_UNGUARD(ctx);
	return true;
}

static bool nested_guard(az_ctx *ctx)
{
	AZ_GUARD(ctx, return false);
	bool ok = allocate_a_lot(ctx) && allocate_a_lot(ctx);
	AZ_UNGUARD(ctx);
	return ok;
}

static void every_allocation_fails(void)
{
	unit_every_allocation_fails(allocate_a_lot);
	unit_every_allocation_fails(nested_guard);
}

void test_arena(void)
{
	unit_suite("arena",
		AZ_CASES({"aligns and zeroes", aligns_and_zeroes}, {"large blocks", large_blocks},
			{"marks and resets", marks}, {"copies and formats", copies},
			{"overflows jump", overflows_jump}, {"vectors grow", vectors_grow},
			{"every allocation fails once", every_allocation_fails}));
}
