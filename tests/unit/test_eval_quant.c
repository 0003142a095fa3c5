/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes of representation by hand: ties, NaN, zero and subnormal scales, zero points, widths, groups. */
#include "tests/unit/eval_kit.h"

static const int64_t axis_bounds[] = {1, 6};

static void set_floor(az_attrs *a)
{
	a->quantize.rounding = AZ_rounding_floor;
}

static void set_ceil(az_attrs *a)
{
	a->quantize.rounding = AZ_rounding_ceil;
}

static void set_zero(az_attrs *a)
{
	a->quantize.rounding = AZ_rounding_zero;
}

static void set_clamp(az_attrs *a)
{
	a->quantize.clamp = (az_ints){2, axis_bounds};
}

static void set_axis0(az_attrs *a)
{
	a->quantize.axis = 0;
}

static void set_group2(az_attrs *a)
{
	a->quantize.group = 2;
}

static void quantize(void)
{
	/* Ties to even on both sides of the zero point. */
	CHECK(NULL, .code = AZ_OP_quantize, .want = "i8",
		ARGS("f32[6] 0.5 1.5 2.5 -0.5 -1.5 -2.5", "f32[] 1", "i8[] 1"),
		.result = "i8[6] 1 3 3 1 -1 -1");
	/* NaN gives the lower bound, infinities saturate. */
	CHECK(NULL, .code = AZ_OP_quantize, .want = "u8",
		ARGS("f32[4] nan inf -inf 1e30", "f32[] 0.5", "u8[] 7"),
		.result = "u8[4] 0 255 0 255");
	CHECK(set_clamp, .code = AZ_OP_quantize, .want = "u8", ARGS("f32[4] nan 9 0 3", "f32[1] 1"),
		.result = "u8[4] 1 6 1 3");
	/* A zero or subnormal scale: every value is 0, stored as the zero point. */
	CHECK(NULL, .code = AZ_OP_quantize, .want = "i8",
		ARGS("f32[3] 5 nan inf", "f32[] 0", "i8[] 3"), .result = "i8[3] 3 3 3");
	CHECK(NULL, .code = AZ_OP_quantize, .want = "i8", ARGS("f32[2] 5 -5", "f32[] 1e-40"),
		.result = "i8[2] 0 0");
	/* Division, not multiplication by the reciprocal: 0.35 / 0.1 is the tie 3.5 in f32. */
	CHECK(NULL, .code = AZ_OP_quantize, .want = "i8", ARGS("f32[2] 2.5 0.35", "f32[] 0.1"),
		.result = "i8[2] 25 4");
	CHECK(set_floor, .code = AZ_OP_quantize, .want = "i4",
		ARGS("f32[4] 1.7 -1.2 9 -9", "f32[] 1"), .result = "i4[4] 1 -2 7 -8");
	CHECK(set_ceil, .code = AZ_OP_quantize, .want = "i4", ARGS("f32[2] 1.2 -1.7", "f32[] 1"),
		.result = "i4[2] 2 -1");
	CHECK(set_zero, .code = AZ_OP_quantize, .want = "i4", ARGS("f32[2] 1.7 -1.7", "f32[] 1"),
		.result = "i4[2] 1 -1");
	CHECK(NULL, .code = AZ_OP_quantize, .want = "bipolar",
		ARGS("f32[4] 0.1 -0.1 0 nan", "f32[] 1"), .result = "bipolar[4] 1 -1 1 -1");
	/* 32 bits: bounds are the floats inside. */
	CHECK(NULL, .code = AZ_OP_quantize, .want = "i32", ARGS("f32[2] 1e20 -1e20", "f32[] 1"),
		.result = "i32[2] 2.14748352e+09 -2.14748365e+09");
}

static void quantize_axes(void)
{
	CHECK(NULL, .code = AZ_OP_quantize, .want = "i8",
		ARGS("f32[2,2] 1 1 2 2", "f32[2] 1 0.5", "i8[2] 0 10"),
		.result = "i8[2,2] 1 12 2 14");
	CHECK(set_axis0, .code = AZ_OP_quantize, .want = "i8",
		ARGS("f32[2,2] 1 1 2 2", "f32[2] 1 0.5"), .result = "i8[2,2] 1 1 4 4");
	CHECK(set_group2, .code = AZ_OP_quantize, .want = "i8",
		ARGS("f32[2,3] 1 1 1 2 2 2", "f32[2,2] 1 0.5 0.25 2"),
		.result = "i8[2,3] 1 1 2 8 8 1");
	CHECK(NULL, .code = AZ_OP_quantize, .want = "i8", ARGS("f32[2,2] 0 0 0 0", "f32[3] 1 1 1"),
		.result = "error: quantize: scale f32[3] is neither one number nor one for each of "
			  "the "
			  "2 places of axis 1\n");
	CHECK(NULL, .code = AZ_OP_quantize, .want = "u4", ARGS("f32[1] 0", "f32[] 1", "i8[] 16"),
		.result = "error: quantize: zero point 16 is outside the stored type\n");
	CHECK(NULL, .code = AZ_OP_quantize, ARGS("f32[1] 0", "f32[] 1"),
		.result = "error: quantize: the result's element type must be stated\n");
	CHECK(NULL, .code = AZ_OP_quantize, .want = "i8", ARGS("i32[1] 0", "f32[] 1"),
		.result = "error: quantize: x must be floating point, not i32\n");
}

static void dequantize(void)
{
	CHECK(NULL, .code = AZ_OP_dequantize, ARGS("u8[3] 0 128 255", "f32[] 0.5", "u8[] 128"),
		.result = "f32[3] -64 0 63.5");
	CHECK(NULL, .code = AZ_OP_dequantize, .want = "f16", ARGS("i4[2] -8 7", "f32[1] 0.1"),
		.result = "f16[2] -0.799804688 0.700195312");
	CHECK(NULL, .code = AZ_OP_dequantize, ARGS("bipolar[2] 1 -1", "f32[] 3"),
		.result = "f32[2] 3 -3");
	/* The accumulator is rounded to f32 first: 2^24 + 1 becomes 2^24. */
	CHECK(NULL, .code = AZ_OP_dequantize, ARGS("i32[1] 16777217", "f32[] 1"),
		.result = "f32[1] 16777216");
	CHECK(NULL, .code = AZ_OP_dequantize, ARGS("i8[1] 100", "f32[] 1e-39"),
		.result = "f32[1] 0");
}

static void set_zero_point(az_attrs *a)
{
	a->requantize.zero = 100;
}

static void requantize(void)
{
	CHECK(NULL, .code = AZ_OP_requantize, .want = "i8", ARGS("i32[5] 1 3 5 -1 -3", "f32[] 0.5"),
		.result = "i8[5] 0 2 2 0 -2");
	/* Clamp in float, before rounding and the conversion: no overflow. */
	CHECK(set_zero_point, .code = AZ_OP_requantize, .want = "u8",
		ARGS("i32[4] 2147483647 -2147483648 10 -300", "f32[] 1000"),
		.result = "u8[4] 255 0 255 0");
	CHECK(NULL, .code = AZ_OP_requantize, .want = "i16",
		ARGS("i32[2,2] 10 10 20 20", "f32[2] 1 0.1"), .result = "i16[2,2] 10 1 20 2");
	CHECK(NULL, .code = AZ_OP_requantize, .want = "i8",
		ARGS("i64[2] 1099511627776 -5", "f32[] 1e-11"), .result = "i8[2] 11 0");
	CHECK(NULL, .code = AZ_OP_requantize, .want = "bipolar", ARGS("i32[3] 5 0 -5", "f32[] 1"),
		.result = "bipolar[3] 1 1 -1");
	CHECK(NULL, .code = AZ_OP_requantize, .want = "i8", ARGS("i32[2] 1 2", "f32[2,1] 1 1"),
		.result = "error: requantize: scale f32[2,1] does not broadcast to i32[2]\n");
}

static void lookup(void)
{
	CHECK(NULL, .code = AZ_OP_lookup, ARGS("i2[4] -2 -1 0 1", "u8[4] 10 20 30 40"),
		.result = "u8[4] 10 20 30 40");
	CHECK(NULL, .code = AZ_OP_lookup, ARGS("bipolar[2] 1 -1", "f32[2] 0.5 2"),
		.result = "f32[2] 2 0.5");
	CHECK(NULL, .code = AZ_OP_lookup, ARGS("u2[1] 1", "u8[3] 1 2 3"),
		.result = "error: lookup: table u8[3] must have 4 entries for u2\n");
}

static void set_levels(az_attrs *a)
{
	a->threshold.base = -1;
}

static void set_bipolar(az_attrs *a)
{
	a->threshold.base = -1;
	a->threshold.step = 2;
}

static void threshold(void)
{
	/* Two channels; levels 0 and 3, and -5 and 5 of the second, which falls: ~x. */
	CHECK(set_levels, .code = AZ_OP_threshold, .want = "i2",
		ARGS("i32[4,2] -1 4 0 -6 2 -5 3 5", "i32[2,2] 0 -5 3 5", "i32[2] 0 -1"),
		.result = "i2[4,2] -1 0 0 1 0 0 1 -1");
	CHECK(set_bipolar, .code = AZ_OP_threshold, .want = "bipolar",
		ARGS("i64[3] 5 6 7", "i64[1,1] 6"), .result = "bipolar[3] -1 1 1");
	CHECK(NULL, .code = AZ_OP_threshold, .want = "u1", ARGS("i32[1] 0", "i32[2,1] 0 1"),
		.result = "error: threshold: results from 0 in 2 steps of 1 leave u1\n");
	CHECK(NULL, .code = AZ_OP_threshold, .want = "u8", ARGS("i32[3] 0 0 0", "i32[1,2] 0 1"),
		.result = "error: threshold: levels i32[1,2] must be at most 15 for each of 3 "
			  "channels or for all\n");
	CHECK(NULL, .code = AZ_OP_threshold, .want = "u8", ARGS("i8[1] 0", "i8[1,1] 0"),
		.result = "error: threshold: the accumulator must be i32 or i64, not i8\n");
}

static void cast(void)
{
	CHECK(NULL, .code = AZ_OP_cast, .want = "u8", ARGS("f32[5] -1.9 300 nan 1.9 -0.5"),
		.result = "u8[5] 0 255 0 1 0");
	CHECK(NULL, .code = AZ_OP_cast, .want = "i8", ARGS("i32[3] 128 255 -129"),
		.result = "i8[3] -128 -1 127");
	CHECK(NULL, .code = AZ_OP_cast, .want = "i64", ARGS("f32[2] 1e30 -inf"),
		.result = "i64[2] 9.22337204e+18 -9.22337204e+18");
	CHECK(NULL, .code = AZ_OP_cast, .want = "bool", ARGS("f32[3] 0 -0 nan"),
		.result = "bool[3] 0 0 1");
	CHECK(NULL, .code = AZ_OP_cast, .want = "bf16", ARGS("f64[2] 1.00390625 1.0039062501"),
		.result = "bf16[2] 1 1.0078125");
	CHECK(NULL, .code = AZ_OP_cast, .want = "f32", ARGS("bool[2] 1 0"), .result = "f32[2] 1 0");
	CHECK(NULL, .code = AZ_OP_cast, .want = "f64", ARGS("f16[1] 0.1"),
		.result = "f64[1] 0.0999755859");
}

void test_eval_quant(void)
{
	unit_suite("eval_quant",
		AZ_CASES({"quantize", quantize}, {"quantize along axes", quantize_axes},
			{"dequantize", dequantize}, {"requantize", requantize}, {"lookup", lookup},
			{"threshold", threshold}, {"cast", cast}));
}
