/* SPDX-License-Identifier: Apache-2.0
 *
 * Types, element types, shapes, and elements as numbers. */
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "ir/tensor.h"
#include "ir/type.h"

static void interned(void)
{
	az_ctx *ctx = az_ctx_new();
	const int64_t dim[] = {1, 8, 8, 3};
	const az_type *a = az_type_get(ctx, AZ_F32, 4, dim);
	for (int64_t i = 0; i < 1000; i++)
		az_type_get(ctx, AZ_I8, 1, &i);
	CU_ASSERT_PTR_EQUAL(a, az_type_get(ctx, AZ_F32, 4, dim));
	CU_ASSERT_PTR_NOT_EQUAL(a, az_type_get(ctx, AZ_F32, 3, dim));
	CU_ASSERT_PTR_NOT_EQUAL(a, az_type_with_elem(ctx, a, AZ_F16));
	CU_ASSERT_PTR_EQUAL(a, az_type_with_elem(ctx, az_type_with_elem(ctx, a, AZ_U8), AZ_F32));
	CHECK_TEXT(az_type_print(&ctx->arena, a), "f32[1,8,8,3]");
	CHECK_TEXT(az_type_print(&ctx->arena, az_type_get(ctx, AZ_BOOL8, 0, NULL)), "bool[]");
	az_ctx_free(ctx);
}

static void element_names(void)
{
	static const char *const good[] = {"bool", "bipolar", "i1", "i4", "i8", "i63", "i64", "u1",
		"u7", "u64", "f16", "bf16", "f32", "f64"};
	static const char *const bad[] = {"", "i", "i0", "i65", "u100", "i08", "f8", "bf32", "f32 ",
		"F32", "none", "int", "i4x", "b", "u-1"};
	az_elem e;
	char text[16];
	for (size_t i = 0; i < AZ_COUNT(good); i++) {
		CU_ASSERT_TRUE(az_elem_parse(good[i], &e));
		CHECK_TEXT(az_elem_print(text, e), good[i]);
	}
	for (size_t i = 0; i < AZ_COUNT(bad); i++)
		CU_ASSERT_FALSE(az_elem_parse(bad[i], &e));
}

static void element_limits(void)
{
	CU_ASSERT_EQUAL(az_elem_min(AZ_I8), -128);
	CU_ASSERT_EQUAL(az_elem_max(AZ_I8), 127);
	CU_ASSERT_EQUAL(az_elem_min(AZ_ELEM(INT, 1)), -1);
	CU_ASSERT_EQUAL(az_elem_max(AZ_ELEM(INT, 1)), 0);
	CU_ASSERT_EQUAL(az_elem_min(AZ_I64), INT64_MIN);
	CU_ASSERT_EQUAL(az_elem_max(AZ_I64), INT64_MAX);
	CU_ASSERT_EQUAL(az_elem_max(AZ_ELEM(UINT, 64)), INT64_MAX);
	CU_ASSERT_EQUAL(az_elem_max(AZ_ELEM(UINT, 63)), INT64_MAX);
	CU_ASSERT_EQUAL(az_elem_max(AZ_ELEM(UINT, 4)), 15);
	CU_ASSERT_EQUAL(az_elem_min(AZ_ELEM(BIPOLAR, 1)), -1);
	CU_ASSERT_EQUAL(az_elem_max(AZ_BOOL8), 1);
}

static void sizes(void)
{
	az_ctx *ctx = az_ctx_new();
	const int64_t dim[] = {3, 3}, empty[] = {0, 5};
	CU_ASSERT_EQUAL(az_type_size(az_type_get(ctx, AZ_ELEM(INT, 4), 2, dim)), 5);
	CU_ASSERT_EQUAL(az_type_size(az_type_get(ctx, AZ_F64, 2, dim)), 72);
	CU_ASSERT_EQUAL(az_type_size(az_type_get(ctx, AZ_F64, 2, empty)), 0);
	CU_ASSERT_EQUAL(az_type_numel(az_type_get(ctx, AZ_F64, 0, NULL)), 1);
	az_ctx_free(ctx);
}

static void shapes(void)
{
	const int64_t huge[] = {AZ_DIM_MAX, AZ_DIM_MAX}, hidden[] = {0, AZ_DIM_MAX, AZ_DIM_MAX};
	const int64_t negative[] = {-1}, long_one[] = {AZ_DIM_MAX + 1}, fine[] = {AZ_DIM_MAX, 8};
	CU_ASSERT_TRUE(az_shape_valid(0, NULL));
	CU_ASSERT_TRUE(az_shape_valid(2, fine));
	CU_ASSERT_FALSE(az_shape_valid(2, huge));
	CU_ASSERT_FALSE(az_shape_valid(3, hidden));
	CU_ASSERT_FALSE(az_shape_valid(1, negative));
	CU_ASSERT_FALSE(az_shape_valid(1, long_one));
	CU_ASSERT_FALSE(az_shape_valid(AZ_RANK_MAX + 1, (int64_t[AZ_RANK_MAX + 1]){1}));
	CU_ASSERT_EQUAL(az_axis_normalize(-1, 4), 3);
	CU_ASSERT_EQUAL(az_axis_normalize(4, 4), -1);
	CU_ASSERT_EQUAL(az_axis_normalize(-5, 4), -1);
	CU_ASSERT_EQUAL(az_axis_normalize(0, 0), -1);
}

static void broadcasting(void)
{
	const int64_t a[] = {4, 1, 3}, b[] = {5, 1}, c[] = {2, 3}, zero[] = {0};
	int64_t dim[AZ_RANK_MAX];
	uint32_t rank;
	CU_ASSERT_TRUE(az_shape_broadcast(3, a, 2, b, &rank, dim));
	CU_ASSERT_TRUE(rank == 3 && dim[0] == 4 && dim[1] == 5 && dim[2] == 3);
	CU_ASSERT_FALSE(az_shape_broadcast(2, b, 2, c, &rank, dim));
	CU_ASSERT_TRUE(az_shape_broadcast(0, NULL, 2, c, &rank, dim) && rank == 2 && dim[1] == 3);
	CU_ASSERT_TRUE(az_shape_broadcast(1, zero, 2, b, &rank, dim) && dim[1] == 0);
	CU_ASSERT_FALSE(az_shape_broadcast(1, zero, 2, c, &rank, dim));
}

static double stored(az_ctx *ctx, az_elem elem, double v)
{
	const int64_t dim = 3;
	az_tensor t = az_tensor_new(&ctx->arena, az_type_get(ctx, elem, 1, &dim));
	az_tensor_set(&t, 1, v);
	CU_ASSERT_EQUAL(az_tensor_get(&t, 0), elem.kind == AZ_KIND_BIPOLAR ? -1 : 0);
	return az_tensor_get(&t, 1);
}

static void elements(void)
{
	az_ctx *ctx = az_ctx_new();
	CU_ASSERT_EQUAL(stored(ctx, AZ_ELEM(INT, 3), 2.5), 2);
	CU_ASSERT_EQUAL(stored(ctx, AZ_ELEM(INT, 3), -3.5), -4);
	CU_ASSERT_EQUAL(stored(ctx, AZ_ELEM(INT, 3), 100), 3);
	CU_ASSERT_EQUAL(stored(ctx, AZ_U8, -1), 0);
	CU_ASSERT_EQUAL(stored(ctx, AZ_U8, (double)NAN), 0);
	CU_ASSERT_EQUAL(stored(ctx, AZ_U8, (double)INFINITY), 255);
	CU_ASSERT_EQUAL(stored(ctx, AZ_I64, 1e300), (double)INT64_MAX);
	CU_ASSERT_EQUAL(stored(ctx, AZ_I64, -1e300), (double)INT64_MIN);
	CU_ASSERT_EQUAL(stored(ctx, AZ_ELEM(UINT, 64), 1e300), 0x1p64);
	CU_ASSERT_EQUAL(stored(ctx, AZ_ELEM(UINT, 64), 0x1p63), 0x1p63);
	CU_ASSERT_EQUAL(stored(ctx, AZ_BOOL8, -7), 1);
	CU_ASSERT_EQUAL(stored(ctx, AZ_ELEM(BIPOLAR, 1), 0.25), 1);
	CU_ASSERT_EQUAL(stored(ctx, AZ_ELEM(BIPOLAR, 1), -0.25), -1);
	CU_ASSERT_EQUAL(stored(ctx, AZ_F32, 0.1), (double)0.1f);
	/* 1 + 2^-11 + 2^-40: rounded to f32 first it would be a tie and go down. */
	CU_ASSERT_EQUAL(stored(ctx, AZ_F16, 1 + 0x1p-11 + 0x1p-40), 1 + 0x1p-10);
	CU_ASSERT_EQUAL(stored(ctx, AZ_BF16, 1 + 0x1p-8 + 0x1p-40), 1 + 0x1p-7);
	CU_ASSERT_EQUAL(stored(ctx, AZ_F16, 1e300), (double)INFINITY);
	CU_ASSERT_TRUE(isnan(stored(ctx, AZ_F16, (double)NAN)));
	az_ctx_free(ctx);
}

void test_ir_types(void)
{
	unit_suite("ir_types",
		AZ_CASES({"equal types are one pointer", interned},
			{"names of element types", element_names},
			{"limits of element types", element_limits}, {"sizes", sizes},
			{"shapes and axes", shapes}, {"broadcasting", broadcasting},
			{"elements round once and saturate", elements}));
}
