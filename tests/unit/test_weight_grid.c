/* SPDX-License-Identifier: Apache-2.0
 *
 * Grids fitted to weights: what lies on a grid is found again, scales are what they say, nothing breaks on zeros,
 * infinities and single numbers. */
#include "tests/unit/unit.h"

#include <math.h>

#include "passes/weight_grid.h"

static void odd(void)
{
	float w[8];
	for (int i = 0; i < 8; i++)
		w[i] = 0.25f * (float)(2 * i - 7);
	float scale = az_odd_scale(w, 8, 3);
	CU_ASSERT_DOUBLE_EQUAL(scale, 0.25, 1e-6);
	for (uint32_t i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(az_odd_nearest(w[i], scale, 3), i);
	CU_ASSERT_EQUAL(az_odd_nearest(INFINITY, 1, 3), az_odd_nearest(0, 1, 3));
	CU_ASSERT_EQUAL(az_odd_nearest(1e30f, 1, 3), 7);
	CU_ASSERT_EQUAL(az_odd_nearest(-1e30f, 1, 3), 0);
	float one[3] = {0.5f, -0.25f, 0.75f}; /* one bit: the mean of what they are without sign */
	CU_ASSERT_DOUBLE_EQUAL(az_odd_scale(one, 3, 1), 0.5, 1e-6);
	float none[2] = {0, NAN};
	CU_ASSERT_EQUAL(az_odd_scale(none, 2, 4), 1.0f);
}

static void power(void)
{
	float w[4] = {0.125f, -0.5f, 0.875f, 0};
	CU_ASSERT_EQUAL(az_power_scale(w, 4, 7), 0.125f);
	float big[2] = {1e-3f, 3e4f};
	int exponent;
	CU_ASSERT_EQUAL(frexpf(az_power_scale(big, 2, 127), &exponent), 0.5f);
	float none[1] = {0};
	CU_ASSERT_EQUAL(az_power_scale(none, 1, 127), 1.0f);
}

static void codebook(void)
{
	az_ctx *ctx = az_ctx_new();
	az_arena arena;
	az_arena_init(&arena, &ctx->oom);
	/* Two channels of the same four numbers, times 1 and times 3. */
	static const float entry[4] = {-1.0f, -0.25f, 0.125f, 0.5f};
	float w[2][64];
	for (int c = 0; c < 2; c++)
		for (int i = 0; i < 64; i++)
			w[c][i] = entry[i * 7 % 4] * (c ? 3.0f : 1.0f);
	az_codebook book;
	az_codebook_fit(w[0], 2, 64, 2, 127, &arena, &book);
	CU_ASSERT_EQUAL(book.count, 4);
	CU_ASSERT_DOUBLE_EQUAL(book.scale[1] / book.scale[0], 3, 1e-4);
	for (int i = 0; i < 64; i++) {
		uint32_t k = az_codebook_nearest(&book, w[1][i], book.scale[1]);
		CU_ASSERT_DOUBLE_EQUAL(book.scale[1] * (float)book.v[k], w[1][i], 0.02);
	}
	float none[3] = {0, INFINITY, NAN};
	az_codebook_fit(none, 1, 3, 8, 127, &arena, &book);
	CU_ASSERT_EQUAL(book.count, 256);
	CU_ASSERT_EQUAL(book.v[az_codebook_nearest(&book, 0, book.scale[0])], 0);
	az_arena_free(&arena);
	az_ctx_free(ctx);
}

void test_weight_grid(void)
{
	unit_suite("weight grids",
		AZ_CASES({"odd", odd}, {"powers of two", power}, {"codebooks", codebook}));
}
