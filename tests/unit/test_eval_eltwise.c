/* SPDX-License-Identifier: Apache-2.0
 *
 * Element-wise operations by hand: broadcasting, wrap-around, NaN, division by zero, halves. */
#include "tests/unit/eval_kit.h"

static const float zero_six[] = {0, 6};

static void set_clamp(az_attrs *a)
{
	a->add.clamp = (az_reals){2, zero_six};
}

static void set_truncated(az_attrs *a)
{
	a->mod.truncated = true;
}

static void arithmetic(void)
{
	CHECK(NULL, .code = AZ_OP_add, ARGS("f32[2,1] 1 2", "f32[3] 10 20 30"),
		.result = "f32[2,3] 11 21 31 12 22 32");
	CHECK(set_clamp, .code = AZ_OP_add, ARGS("f32[3] -1 nan 5", "f32[] 2"),
		.result = "f32[3] 1 nan 6");
	CHECK(NULL, .code = AZ_OP_add, ARGS("i8[2] 127 -128", "i8[2] 1 -1"),
		.result = "i8[2] -128 127");
	CHECK(NULL, .code = AZ_OP_sub, ARGS("u8[1] 3", "u8[1] 5"), .result = "u8[1] 254");
	CHECK(NULL, .code = AZ_OP_mul, ARGS("i32[1] 65536", "i32[1] 65536"), .result = "i32[1] 0");
	/* 2049 is no f16: the sum rounds to even. */
	CHECK(NULL, .code = AZ_OP_add, ARGS("f16[1] 2048", "f16[1] 1"), .result = "f16[1] 2048");
	CHECK(NULL, .code = AZ_OP_mul, ARGS("bf16[1] 1.0078125", "bf16[1] 1.0078125"),
		.result = "bf16[1] 1.015625");
	CHECK(NULL, .code = AZ_OP_div, ARGS("i32[4] 7 -7 5 -2147483648", "i32[4] 2 2 0 -1"),
		.result = "i32[4] 3 -3 0 -2.14748365e+09");
	CHECK(NULL, .code = AZ_OP_mod, ARGS("i8[4] 7 -7 7 -7", "i8[4] 3 3 -3 0"),
		.result = "i8[4] 1 2 -2 0");
	CHECK(set_truncated, .code = AZ_OP_mod, ARGS("f32[2] 7.5 -7.5", "f32[] 2"),
		.result = "f32[2] 1.5 -1.5");
	CHECK(NULL, .code = AZ_OP_pow, ARGS("i32[4] 3 2 -1 0", "i32[4] 4 -1 -3 0"),
		.result = "i32[4] 81 0 -1 1");
	CHECK(NULL, .code = AZ_OP_pow, ARGS("f32[3] 2 -8 -2", "f32[3] 10 0.5 3"),
		.result = "f32[3] 1024 nan -8");
	CHECK(NULL, .code = AZ_OP_prelu, ARGS("f32[2] -2 2", "f32[] 0.25"),
		.result = "f32[2] -0.5 2");
	CHECK(NULL, .code = AZ_OP_add, ARGS("i4[1] 1", "i4[1] 1"),
		.result = "error: add: operands must be floating point or integers of 8 bits or "
			  "more, "
			  "not i4\n");
	CHECK(NULL, .code = AZ_OP_add, ARGS("f32[2] 1 1", "f32[3] 1 1 1"),
		.result = "error: add: shapes of f32[2] and f32[3] do not broadcast\n");
	CHECK(NULL, .code = AZ_OP_add, ARGS("f32[2] 1 1", "f16[2] 1 1"),
		.result = "error: add: operands of different element types: f32 and f16\n");
}

static void choose(void)
{
	CHECK(NULL, .code = AZ_OP_min, ARGS("f32[3] 1 nan 1", "f32[3] 2 1 nan"),
		.result = "f32[3] 1 nan nan");
	CHECK(NULL, .code = AZ_OP_max, ARGS("u4[2] 15 1", "u4[] 7"), .result = "u4[2] 15 7");
	CHECK(NULL, .code = AZ_OP_less, ARGS("f32[3] 1 nan 2", "f32[] 2"),
		.result = "bool[3] 1 0 0");
	CHECK(NULL, .code = AZ_OP_greater_equal, ARGS("i8[3] 1 2 3", "i8[] 2"),
		.result = "bool[3] 0 1 1");
	CHECK(NULL, .code = AZ_OP_equal, ARGS("bool[2] 1 0", "bool[2] 1 1"),
		.result = "bool[2] 1 0");
	CHECK(NULL, .code = AZ_OP_xor, ARGS("bool[2] 1 0", "bool[2] 1 1"), .result = "bool[2] 0 1");
	CHECK(NULL, .code = AZ_OP_not, ARGS("bool[2] 1 0"), .result = "bool[2] 0 1");
	CHECK(NULL, .code = AZ_OP_where, ARGS("bool[2,1] 1 0", "i4[2] 1 2", "i4[] -3"),
		.result = "i4[2,2] 1 2 -3 -3");
	CHECK(NULL, .code = AZ_OP_and, ARGS("i8[1] 1", "i8[1] 1"),
		.result = "error: and: operands must be bool, not i8\n");
}

static void set_clip(az_attrs *a)
{
	a->clip.lo = -1.5f;
	a->clip.hi = 2.5f;
}

static void one_operand(void)
{
	CHECK(set_clip, .code = AZ_OP_clip, ARGS("f32[3] -9 nan 9"),
		.result = "f32[3] -1.5 nan 2.5");
	CHECK(set_clip, .code = AZ_OP_clip, ARGS("i8[3] -9 1 9"), .result = "i8[3] -1 1 2");
	CHECK(NULL, .code = AZ_OP_clip, ARGS("i64[2] -9 9"), .result = "i64[2] -9 9");
	CHECK(NULL, .code = AZ_OP_relu, ARGS("f32[3] -1 nan 2"), .result = "f32[3] 0 nan 2");
	CHECK(NULL, .code = AZ_OP_neg, ARGS("i8[2] -128 5"), .result = "i8[2] -128 -5");
	CHECK(NULL, .code = AZ_OP_abs, ARGS("f16[2] -2 2"), .result = "f16[2] 2 2");
	CHECK(NULL, .code = AZ_OP_sign, ARGS("i32[3] -7 0 7"), .result = "i32[3] -1 0 1");
	CHECK(NULL, .code = AZ_OP_round, ARGS("f32[4] 0.5 1.5 -2.5 8388609"),
		.result = "f32[4] 0 2 -2 8388609");
	CHECK(NULL, .code = AZ_OP_leaky_relu, ARGS("f32[2] -100 3"), .result = "f32[2] -1 3");
	CHECK(NULL, .code = AZ_OP_hard_sigmoid, ARGS("f32[3] -5 0 5"), .result = "f32[3] 0 0.5 1");
	CHECK(NULL, .code = AZ_OP_hard_swish, ARGS("f32[3] -5 0 5"), .result = "f32[3] -0 0 5");
	CHECK(NULL, .code = AZ_OP_sigmoid, ARGS("f32[2] 0 -100"), .result = "f32[2] 0.5 0");
	CHECK(NULL, .code = AZ_OP_gelu, ARGS("f32[2] 0 10"), .result = "f32[2] 0 10");
	CHECK(NULL, .code = AZ_OP_tanh, ARGS("f64[1] 0.5"), .result = "f64[1] 0.462117157");
	CHECK(NULL, .code = AZ_OP_sqrt, ARGS("f32[2] 2 -1"), .result = "f32[2] 1.41421354 nan");
	CHECK(NULL, .code = AZ_OP_exp, ARGS("i32[1] 1"),
		.result = "error: exp: x must be floating point, not i32\n");
}

void test_eval_eltwise(void)
{
	unit_suite("eval_eltwise",
		AZ_CASES({"arithmetic", arithmetic}, {"choosing and comparing", choose},
			{"one operand", one_operand}));
}
