/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions and matrix products by hand: padding with zero points, groups, strides, dilation, one to
 * three spatial dimensions, accumulators that wrap around or do not, broadcasting. */
#include "tests/unit/eval_kit.h"

static const int64_t ones4[] = {1, 1, 1, 1}, ones2[] = {1, 1}, twos[] = {2, 2};
static const int64_t zeros_x128[] = {128, 0}, zeros_both[] = {10, 3};
static const float relu6[] = {0, 6};

static void set_pad(az_attrs *a)
{
	a->conv.pad = (az_ints){4, ones4};
}

static void set_pad_zero(az_attrs *a)
{
	a->conv.pad = (az_ints){2, ones2};
	a->conv.zero = (az_ints){2, zeros_x128};
}

static void set_zeros(az_attrs *a)
{
	a->conv.zero = (az_ints){2, zeros_both};
}

static void set_stride2(az_attrs *a)
{
	a->conv.stride = (az_ints){2, twos};
}

static void set_dilation2(az_attrs *a)
{
	a->conv.dilation = (az_ints){2, twos};
}

static void set_groups2(az_attrs *a)
{
	a->conv.groups = 2;
}

static void set_relu6(az_attrs *a)
{
	a->conv.clamp = (az_reals){2, relu6};
}

static void conv_float(void)
{
	/* 3x3 ones over a padded 2x2 image: every result sees the whole image. */
	CHECK(set_pad, .code = AZ_OP_conv,
		ARGS("f32[1,2,2,1] 1 2 3 4", "f32[1,3,3,1] 1 1 1 1 1 1 1 1 1"),
		.result = "f32[1,2,2,1] 10 10 10 10");
	/* Two channels in, two out, bias. */
	CHECK(NULL, .code = AZ_OP_conv,
		ARGS("f32[1,1,1,2] 1 2", "f32[2,1,1,2] 10 100 1000 1", "f32[2] 0.5 -1"),
		.result = "f32[1,1,1,2] 210.5 1001");
	CHECK(set_stride2, .code = AZ_OP_conv,
		ARGS("f32[1,3,3,1] 1 2 3 4 5 6 7 8 9", "f32[1,1,1,1] 2"),
		.result = "f32[1,2,2,1] 2 6 14 18");
	CHECK(set_dilation2, .code = AZ_OP_conv,
		ARGS("f32[1,3,3,1] 1 2 3 4 5 6 7 8 9", "f32[1,2,2,1] 1 10 100 1000"),
		.result = "f32[1,1,1,1] 9731");
	/* Depthwise. */
	CHECK(set_groups2, .code = AZ_OP_conv,
		ARGS("f32[1,2,2] 1 2 3 4", "f32[2,2,1] 1 10 100 1000"),
		.result = "f32[1,1,2] 31 4200");
	CHECK(set_relu6, .code = AZ_OP_conv, ARGS("f32[1,3,1] -1 2 nan", "f32[1,1,1] 4"),
		.result = "f32[1,3,1] 0 6 nan");
	CHECK(NULL, .code = AZ_OP_conv, ARGS("f32[1,1,1,2,1] 3 4", "f32[1,1,1,2,1] 1 2"),
		.result = "f32[1,1,1,1,1] 11");
	CHECK(NULL, .code = AZ_OP_conv, ARGS("f16[1,1,2] 2048 1", "f16[1,1,2] 1 1"),
		.result = "f16[1,1,1] 2048");
	CHECK(NULL, .code = AZ_OP_conv, ARGS("f64[1,1,2] 1 1e-12", "f64[1,1,2] 1 1"),
		.result = "f64[1,1,1] 1");
}

static void conv_int(void)
{
	/* Padding is the zero point: it adds nothing. (200-128)*1 + (100-128)*2 = 16 */
	CHECK(set_pad_zero, .code = AZ_OP_conv, ARGS("u8[1,2,1] 200 100", "i8[1,3,1] 5 1 2"),
		.result = "i32[1,2,1] 16 332");
	CHECK(set_zeros, .code = AZ_OP_conv,
		ARGS("u8[1,1,2] 12 7", "u8[1,1,2] 1 255", "i32[1] 1000"),
		.result = "i32[1,1,1] 240");
	/* i32 wraps around, i64 does not. */
	CHECK(NULL, .code = AZ_OP_conv, ARGS("i32[1,1,1] 65536", "i32[1,1,1] 65537"),
		.result = "i32[1,1,1] 65536");
	CHECK(NULL, .code = AZ_OP_conv, .want = "i64", ARGS("i32[1,1,1] 65536", "i32[1,1,1] 65537"),
		.result = "i64[1,1,1] 4.29503283e+09");
	CHECK(NULL, .code = AZ_OP_conv, ARGS("bipolar[1,1,3] 1 -1 -1", "bipolar[1,1,3] 1 1 -1"),
		.result = "i32[1,1,1] 1");
	CHECK(NULL, .code = AZ_OP_conv, ARGS("u4[1,1,3] 15 1 2", "i2[1,1,3] -2 1 0"),
		.result = "i32[1,1,1] -29");
}

static void conv_refused(void)
{
	CHECK(set_groups2, .code = AZ_OP_conv,
		ARGS("f32[1,2,4] 1 1 1 1 1 1 1 1", "f32[2,1,3] 1 1 1 1 1 1"),
		.result = "error: conv: weights have 3 input channels per group, x has 4 / 2 "
			  "groups\n");
	CHECK(NULL, .code = AZ_OP_conv, ARGS("f32[1,2,1] 1 1", "f32[1,3,1] 1 1 1"),
		.result = "error: conv: a window of 3 places does not fit spatial dimension 0 of "
			  "f32[1,2,1] with 0 padding\n");
	CHECK(NULL, .code = AZ_OP_conv, ARGS("f32[1,2,1] 1 1", "i8[1,1,1] 1"),
		.result = "error: conv: operands of f32 and i8: both must be floating point or "
			  "neither\n");
	CHECK(NULL, .code = AZ_OP_conv, ARGS("f32[1,2,1] 1 1", "f32[1,1,1] 1", "f32[2] 1 1"),
		.result = "error: conv: bias f32[2] must have one entry for each of 1 outputs\n");
	CHECK(set_relu6, .code = AZ_OP_conv, ARGS("i8[1,2,1] 1 1", "i8[1,1,1] 1"),
		.result = "error: conv: clamp needs a floating-point result, not i32\n");
	CHECK(set_zeros, .code = AZ_OP_conv, ARGS("u2[1,2,1] 1 1", "u8[1,1,1] 1"),
		.result = "error: conv: zero point 10 of the first operand is outside u2\n");
}

static void set_transpose(az_attrs *a)
{
	a->conv_transpose.stride = (az_ints){1, twos};
}

static void set_transpose_pads(az_attrs *a)
{
	a->conv_transpose.stride = (az_ints){1, twos};
	a->conv_transpose.pad = (az_ints){2, ones2};
	a->conv_transpose.output_pad = (az_ints){1, ones2};
}

static void conv_transpose(void)
{
	/* Each x spreads the window [1, 10, 100] over the result, two places apart. */
	CHECK(set_transpose, .code = AZ_OP_conv_transpose,
		ARGS("f32[1,2,1] 1 2", "f32[1,3,1] 1 10 100"),
		.result = "f32[1,5,1] 1 10 102 20 200");
	CHECK(set_transpose_pads, .code = AZ_OP_conv_transpose,
		ARGS("f32[1,2,1] 1 2", "f32[1,3,1] 1 10 100"),
		.result = "f32[1,4,1] 10 102 20 200");
	CHECK(NULL, .code = AZ_OP_conv_transpose,
		ARGS("i8[1,1,2] 3 4", "i8[1,2,2] 1 2 10 20", "i32[1] 7"),
		.result = "i32[1,2,1] 18 117");
}

static void set_matmul_zero(az_attrs *a)
{
	a->matmul.zero = (az_ints){2, zeros_both};
}

static void matmul(void)
{
	CHECK(NULL, .code = AZ_OP_matmul,
		ARGS("f32[2,2] 1 2 3 4", "f32[2,3] 1 10 100 2 20 200", "f32[3] 0 0 1"),
		.result = "f32[2,3] 5 50 501 11 110 1101");
	/* One matrix a for two matrices b, and the other way round. */
	CHECK(NULL, .code = AZ_OP_matmul, ARGS("f32[1,2] 1 2", "f32[2,2,1] 1 2 3 4"),
		.result = "f32[2,1,1] 5 11");
	CHECK(NULL, .code = AZ_OP_matmul, ARGS("f32[2,1,1,2] 1 2 3 4", "f32[3,2,1] 1 0 0 1 1 1"),
		.result = "f32[2,3,1,1] 1 2 3 3 4 7");
	CHECK(set_matmul_zero, .code = AZ_OP_matmul, ARGS("u8[1,2] 11 12", "i8[2,1] 4 5"),
		.result = "i32[1,1] 5");
	CHECK(NULL, .code = AZ_OP_matmul, ARGS("f32[2,2] 1 2 3 4", "f32[3,1] 1 1 1"),
		.result = "error: matmul: a has 2 columns, b has 3 rows\n");
	CHECK(NULL, .code = AZ_OP_matmul, ARGS("f32[2,0]", "f32[0,1]"), .result = "f32[2,1] 0 0");
	CHECK(NULL, .code = AZ_OP_matmul, ARGS("f32[0,2]", "f32[2,1] 1 1"), .result = "f32[0,1]");
}

/* More columns and positions than one block of the loops holds. */
static void blocks(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *module = az_module_new(ctx, "test");
	az_builder at = {.func = az_func_new(module, "f")};
	const az_type *xt = az_type_get(ctx, AZ_I16, 3, (const int64_t[]){1, 70, 2});
	const az_type *wt = az_type_get(ctx, AZ_I8, 3, (const int64_t[]){67, 2, 2});
	az_tensor x = az_tensor_new(&module->arena, xt), w = az_tensor_new(&module->arena, wt), y;
	for (uint64_t i = 0; i < 140; i++)
		az_tensor_set(&x, i, (double)(i * 7919 % 1000) - 500);
	for (uint64_t i = 0; i < 268; i++)
		az_tensor_set(&w, i, (double)(i * 31 % 255) - 127);
	az_value *args[] = {
		az_func_add_param(at.func, "x", xt), az_func_add_param(at.func, "w", wt)};
	az_op *op = az_op_new(&at, AZ_OP_conv, 2, args, NULL, AZ_ELEM_NONE);
	const az_tensor *tensors[] = {&x, &w};
	CU_ASSERT_TRUE_FATAL(op && az_eval_op(op, &module->arena, tensors, &y));
	bool same = true;
	for (uint64_t p = 0; p < 69; p++)
		for (uint64_t o = 0; o < 67; o++) {
			double sum = 0;
			for (uint64_t k = 0; k < 4; k++)
				sum += az_tensor_get(&x, p * 2 + k) * az_tensor_get(&w, o * 4 + k);
			same = same && az_tensor_get(&y, p * 67 + o) == sum;
		}
	CU_ASSERT_TRUE(same);
	az_module_free(module);
	az_ctx_free(ctx);
}

void test_eval_contract(void)
{
	unit_suite("eval_contract",
		AZ_CASES({"float convolution", conv_float}, {"integer convolution", conv_int},
			{"what conv refuses", conv_refused},
			{"transposed convolution", conv_transpose}, {"matrix product", matmul},
			{"blocks", blocks}));
}
