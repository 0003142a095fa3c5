/* SPDX-License-Identifier: Apache-2.0
 *
 * Maps from pointers, interned names, and the hash under them. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"

#define MANY 20000

static char keys[MANY];
static int values[MANY];

static void empty(void)
{
	az_map map = {0};
	CU_ASSERT_PTR_NULL(az_map_get(&map, &map));
	CU_ASSERT_PTR_NULL(az_map_get(&map, NULL));
}

static void keeps_order_and_replaces(void)
{
	az_ctx *ctx = az_ctx_new();
	az_map map = {0};
	for (int i = 0; i < MANY; i++)
		az_map_put(&ctx->arena, &map, &keys[(i * 7) % MANY], &values[i]);
	for (int i = 0; i < MANY; i += 2)
		az_map_put(&ctx->arena, &map, &keys[(i * 7) % MANY], &values[0]);
	CU_ASSERT_EQUAL(map.count, MANY);
	bool ordered = true, right = true;
	for (int i = 0; i < MANY; i++) {
		const char *key = &keys[(i * 7) % MANY];
		ordered &= map.entry[i].key == key;
		right &= az_map_get(&map, key) == &values[i % 2 ? i : 0];
	}
	CU_ASSERT_TRUE(ordered);
	CU_ASSERT_TRUE(right);
	CU_ASSERT_PTR_NULL(az_map_get(&map, &map));
	az_map_put(&ctx->arena, &map, NULL, &values[1]); /* NULL is a key like any other */
	CU_ASSERT_PTR_EQUAL(az_map_get(&map, NULL), &values[1]);
	az_ctx_free(ctx);
}

static bool fill(az_ctx *ctx)
{
	az_map map = {0};
	AZ_GUARD(ctx, return false);
	for (int i = 0; i < 200; i++)
		az_map_put(&ctx->arena, &map, &keys[i], &values[i]);
	bool ok = az_map_get(&map, &keys[199]) == &values[199];
	AZ_UNGUARD(ctx);
	return ok;
}

static bool put_fails(az_ctx *ctx, az_map *map, long after)
{
	ctx->oom.fail_after = after;
	jmp_buf jump;
	ctx->oom.jump = &jump;
	if (setjmp(jump))
		return true;
	az_map_put(&ctx->arena, map, &keys[12], &values[12]);
	return false;
}

/* A growth that fails leaves what was there. */
static void failed_growth_keeps_entries(void)
{
	az_ctx *ctx = az_ctx_new();
	az_map map = {0};
	for (int i = 0; i < 12; i++)
		az_map_put(&ctx->arena, &map, &keys[i], &values[i]);
	CU_ASSERT_EQUAL(map.count, map.capacity);
	for (long n = 0; n < 2; n++) {
		CU_ASSERT_TRUE(put_fails(ctx, &map, n));
		CU_ASSERT_EQUAL(map.count, 12);
		CU_ASSERT_PTR_NULL(az_map_get(&map, &keys[12]));
		CU_ASSERT_PTR_EQUAL(az_map_get(&map, &keys[11]), &values[11]);
	}
	az_ctx_free(ctx);
}

static void hashes(void)
{
	CU_ASSERT_EQUAL(az_hash_bytes(AZ_HASH_SEED, "", 0), AZ_HASH_SEED);
	CU_ASSERT_EQUAL(az_hash_bytes(AZ_HASH_SEED, "foobar", 6), UINT64_C(0x85944171f73967e8));
	uint64_t foo = az_hash_bytes(AZ_HASH_SEED, "foo", 3);
	CU_ASSERT_EQUAL(az_hash_bytes(foo, "bar", 3), UINT64_C(0x85944171f73967e8));
}

static void names_are_interned(void)
{
	az_ctx *ctx = az_ctx_new();
	char text[16];
	az_name first[2000];
	for (int i = 0; i < 2000; i++) {
		snprintf(text, sizeof text, "n%d", i);
		first[i] = az_name_of(ctx, text);
		CU_ASSERT_PTR_NOT_EQUAL(first[i], text);
	}
	bool same = true;
	for (int i = 0; i < 2000; i++) {
		int n = snprintf(text, sizeof text, "n%d and more", i);
		same &= az_name_intern(ctx, text, (size_t)n - 9) == first[i];
		same &= strncmp(first[i], text, strlen(first[i])) == 0;
	}
	CU_ASSERT_TRUE(same);
	CU_ASSERT_EQUAL(ctx->names.count, 2000);
	CU_ASSERT_PTR_NULL(az_name_of(ctx, NULL));
	CHECK_TEXT(az_name_of(ctx, ""), "");
	CU_ASSERT_PTR_EQUAL(az_name_intern(ctx, NULL, 0), az_name_of(ctx, ""));
	az_ctx_free(ctx);
}

static bool intern_some(az_ctx *ctx)
{
	AZ_GUARD(ctx, return false);
	char text[16];
	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof text, "n%d", i % 150);
		az_name_of(ctx, text);
	}
	bool ok = ctx->names.count == 150;
	AZ_UNGUARD(ctx);
	return ok;
}

static void every_allocation_fails(void)
{
	unit_every_allocation_fails(fill);
	unit_every_allocation_fails(intern_some);
}

void test_map(void)
{
	unit_suite("map",
		AZ_CASES({"empty", empty}, {"keeps order and replaces", keeps_order_and_replaces},
			{"a failed growth keeps entries", failed_growth_keeps_entries},
			{"hashes are FNV-1a", hashes}, {"names are interned", names_are_interned},
			{"every allocation fails once", every_allocation_fails}));
}
