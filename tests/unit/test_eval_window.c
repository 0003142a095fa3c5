/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalizations, pools, reductions and resize by hand. */
#include "tests/unit/eval_kit.h"

static const int64_t n1[] = {1}, n2[] = {2}, n3[] = {3}, ones[] = {1, 1}, none_one[] = {0, 1};
static const int64_t axes01[] = {0, 1}, to4[] = {4}, to3[] = {3}, to2x2[] = {2, 2}, to1[] = {1};

static void set_max3(az_attrs *a)
{
	a->max_pool.window = (az_ints){1, n3};
	a->max_pool.pad = (az_ints){2, ones};
	a->max_pool.stride = (az_ints){1, n2};
}

static void set_max_ceil(az_attrs *a)
{
	a->max_pool.window = (az_ints){1, n2};
	a->max_pool.stride = (az_ints){1, n2};
	a->max_pool.ceil = true;
}

/* Here the last window would start in the padding at the end and is left out. */
static void set_max_ceil_pad(az_attrs *a)
{
	a->max_pool.window = (az_ints){1, n2};
	a->max_pool.stride = (az_ints){1, n3};
	a->max_pool.pad = (az_ints){2, none_one};
	a->max_pool.ceil = true;
}

static void max_pool(void)
{
	CHECK(set_max3, .code = AZ_OP_max_pool, ARGS("f32[1,4,1] -4 -3 -2 -1"),
		.result = "f32[1,2,1] -3 -1");
	CHECK(set_max3, .code = AZ_OP_max_pool, ARGS("u8[1,4,2] 1 9 2 8 3 7 4 6"),
		.result = "u8[1,2,2] 2 9 4 8");
	CHECK(set_max3, .code = AZ_OP_max_pool, ARGS("f32[1,2,1] nan 1"),
		.result = "f32[1,1,1] nan");
	CHECK(set_max_ceil, .code = AZ_OP_max_pool,
		ARGS("u64[1,3,1] 1 18446744073709551615 9223372036854775808"),
		.result = "u64[1,2,1] 1.84467441e+19 9.22337204e+18");
	CHECK(set_max_ceil, .code = AZ_OP_max_pool, ARGS("i4[1,3,1] -8 -7 -6"),
		.result = "i4[1,2,1] -7 -6");
	CHECK(set_max_ceil_pad, .code = AZ_OP_max_pool, ARGS("f32[1,3,1] 1 2 3"),
		.result = "f32[1,1,1] 2");
	CHECK(NULL, .code = AZ_OP_max_pool, ARGS("f32[1,3,1] 1 2 3"),
		.result = "error: max_pool: window has 0 entries, it needs 1\n");
}

static void set_avg(az_attrs *a)
{
	a->avg_pool.window = (az_ints){1, n3};
	a->avg_pool.pad = (az_ints){2, ones};
	a->avg_pool.stride = (az_ints){1, n2};
	a->avg_pool.ceil = true;
}

static void set_avg_include(az_attrs *a)
{
	set_avg(a);
	a->avg_pool.include_pad = true;
}

static void set_sum(az_attrs *a)
{
	a->sum_pool.window = (az_ints){1, n3};
	a->sum_pool.pad = (az_ints){2, ones};
	a->sum_pool.zero = 10;
}

static void avg_pool(void)
{
	/* Windows [pad 1 2], [2 3 4], [4 pad, past the end]. */
	CHECK(set_avg, .code = AZ_OP_avg_pool, ARGS("f32[1,4,1] 3 6 9 12"),
		.result = "f32[1,3,1] 4.5 9 12");
	CHECK(set_avg_include, .code = AZ_OP_avg_pool, ARGS("f32[1,4,1] 3 6 9 12"),
		.result = "f32[1,3,1] 3 9 6");
	CHECK(set_sum, .code = AZ_OP_sum_pool, ARGS("u8[1,3,1] 11 12 13"),
		.result = "i32[1,3,1] 3 6 5");
	CHECK(set_sum, .code = AZ_OP_sum_pool, .want = "f32", ARGS("u8[1,3,1] 11 12 13"),
		.result = "error: sum_pool: sums of u8 accumulate in i32 or i64, not f32\n");
}

static void set_axes(az_attrs *a)
{
	a->reduce.axes = (az_ints){2, axes01};
	a->reduce.drop = true;
	a->reduce.zero = 1;
}

static void set_mean(az_attrs *a)
{
	a->reduce.kind = AZ_reduction_mean;
	a->reduce.axes = (az_ints){1, n1};
}

static void set_max(az_attrs *a)
{
	a->reduce.kind = AZ_reduction_max;
	a->reduce.axes = (az_ints){1, n1};
}

static void set_min(az_attrs *a)
{
	set_max(a);
	a->reduce.kind = AZ_reduction_min;
}

static void set_prod(az_attrs *a)
{
	a->reduce.kind = AZ_reduction_prod;
	a->reduce.axes = (az_ints){1, n1};
}

static void reduce(void)
{
	CHECK(set_axes, .code = AZ_OP_reduce, ARGS("u8[2,2,2] 1 2 3 4 5 6 7 255"),
		.result = "i32[2] 12 263");
	CHECK(set_axes, .code = AZ_OP_reduce, .want = "i64", ARGS("u8[2,2,1] 1 2 3 4"),
		.result = "i64[1] 6");
	CHECK(NULL, .code = AZ_OP_reduce, ARGS("i8[2] 100 100"), .result = "i32[2] 100 100");
	CHECK(set_mean, .code = AZ_OP_reduce, ARGS("f32[2,2] 1 2 3 5"), .result = "f32[2,1] 1.5 4");
	CHECK(set_max, .code = AZ_OP_reduce, ARGS("f32[2,2] 1 nan -3 -5"),
		.result = "f32[2,1] nan -3");
	CHECK(set_max, .code = AZ_OP_reduce, ARGS("u64[2,2] 1 18446744073709551615 3 2"),
		.result = "u64[2,1] 1.84467441e+19 3");
	CHECK(set_min, .code = AZ_OP_reduce, ARGS("u64[2,1] 9223372036854775808 3"),
		.result = "u64[2,1] 9.22337204e+18 3");
	CHECK(set_max, .code = AZ_OP_reduce, ARGS("f32[2,0]"), .result = "f32[2,1] -inf -inf");
	CHECK(set_prod, .code = AZ_OP_reduce, ARGS("i16[1,3] 300 300 2"),
		.result = "i16[1,1] -16608");
	CHECK(set_mean, .code = AZ_OP_reduce, ARGS("i8[2,2] 1 2 3 5"),
		.result = "error: reduce: the operand of a mean must be floating point, not i8\n");
}

static void set_arg_last(az_attrs *a)
{
	a->arg_reduce.axis = 1;
	a->arg_reduce.last = true;
	a->arg_reduce.drop = true;
}

static void set_arg_min(az_attrs *a)
{
	a->arg_reduce.kind = AZ_extremum_min;
}

static void arg_reduce(void)
{
	CHECK(NULL, .code = AZ_OP_arg_reduce, ARGS("f32[3,2] 1 5 3 5 3 4"),
		.result = "i64[1,2] 1 0");
	CHECK(set_arg_last, .code = AZ_OP_arg_reduce, ARGS("f32[2,3] 3 1 3 2 2 1"),
		.result = "i64[2] 2 1");
	CHECK(set_arg_min, .code = AZ_OP_arg_reduce, ARGS("u64[2] 18446744073709551615 1"),
		.result = "i64[1] 1");
	CHECK(set_arg_min, .code = AZ_OP_arg_reduce, ARGS("i8[3] 4 -5 -5"), .result = "i64[1] 1");
}

static void set_lrn(az_attrs *a)
{
	a->lrn.size = 3;
	a->lrn.alpha = 3.0f;
	a->lrn.beta = 1.0f;
}

static void set_axis0(az_attrs *a)
{
	a->softmax.axis = 0;
}

static void normalize(void)
{
	CHECK(NULL, .code = AZ_OP_batch_norm,
		ARGS("f32[1,2] 3 10", "f32[2] 2 1", "f32[2] 1 0", "f32[2] 1 4", "f32[2] 3.99999 9"),
		.result = "f32[1,2] 3 1.99999893");
	/* 1 / (1 + 1 + 4), 2 / (1 + 1 + 4 + 9), 3 / (1 + 4 + 9) */
	CHECK(set_lrn, .code = AZ_OP_lrn, ARGS("f32[1,3] 1 2 3"),
		.result = "f32[1,3] 0.166666672 0.13333334 0.214285716");
	CHECK(NULL, .code = AZ_OP_softmax, ARGS("f32[2,2] 0 0 1000 -1000"),
		.result = "f32[2,2] 0.5 0.5 1 0");
	CHECK(set_axis0, .code = AZ_OP_softmax, ARGS("f32[2,1] 5 5"), .result = "f32[2,1] 0.5 0.5");
	CHECK(NULL, .code = AZ_OP_log_softmax, ARGS("f32[2] 0 -200"), .result = "f32[2] 0 -200");
}

static void set_nearest(az_attrs *a)
{
	a->resize.size = (az_ints){1, to4};
}

static void set_nearest_ceil(az_attrs *a)
{
	a->resize.size = (az_ints){1, to3};
	a->resize.coordinate = AZ_coordinate_asymmetric;
	a->resize.nearest = AZ_nearest_mode_ceil;
}

static void set_linear(az_attrs *a)
{
	a->resize.size = (az_ints){1, to4};
	a->resize.mode = AZ_interpolation_linear;
}

static void set_linear_corners(az_attrs *a)
{
	a->resize.size = (az_ints){1, to3};
	a->resize.mode = AZ_interpolation_linear;
	a->resize.coordinate = AZ_coordinate_align_corners;
}

static void set_linear_2d(az_attrs *a)
{
	a->resize.size = (az_ints){2, to2x2};
	a->resize.mode = AZ_interpolation_linear;
}

static void set_cubic(az_attrs *a)
{
	a->resize.size = (az_ints){1, to4};
	a->resize.mode = AZ_interpolation_cubic;
}

static void set_cubic_inside(az_attrs *a)
{
	set_cubic(a);
	a->resize.exclude_outside = true;
}

static void set_one(az_attrs *a)
{
	a->resize.size = (az_ints){1, to1};
	a->resize.mode = AZ_interpolation_linear;
	a->resize.coordinate = AZ_coordinate_pytorch_half_pixel;
}

static void resize(void)
{
	CHECK(set_nearest, .code = AZ_OP_resize, ARGS("i4[2] 1 2"), .result = "i4[4] 1 1 2 2");
	CHECK(set_nearest_ceil, .code = AZ_OP_resize, ARGS("f32[4] 1 2 3 4"),
		.result = "f32[3] 1 3 4");
	CHECK(set_linear, .code = AZ_OP_resize, ARGS("f32[2] 0 4"), .result = "f32[4] 0 1 3 4");
	CHECK(set_linear_corners, .code = AZ_OP_resize, ARGS("f32[2] 0 4"),
		.result = "f32[3] 0 2 4");
	CHECK(set_linear_2d, .code = AZ_OP_resize,
		ARGS("f32[4,4] 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"),
		.result = "f32[2,2] 2.5 4.5 10.5 12.5");
	CHECK(set_cubic, .code = AZ_OP_resize, ARGS("f32[2] 0 1"),
		.result = "f32[4] -0.10546875 0.2265625 0.7734375 1.10546875");
	CHECK(set_cubic_inside, .code = AZ_OP_resize, ARGS("f32[2] 1 1"),
		.result = "f32[4] 1 1 1 1");
	CHECK(set_one, .code = AZ_OP_resize, ARGS("f32[3] 7 8 9"), .result = "f32[1] 7");
	CHECK(set_linear, .code = AZ_OP_resize, ARGS("u8[2] 0 4"),
		.result = "error: resize: x of an interpolating resize must be floating point, not "
			  "u8\n");
}

void test_eval_window(void)
{
	unit_suite("eval_window", AZ_CASES({"max_pool", max_pool}, {"avg_pool, sum_pool", avg_pool},
					  {"reduce", reduce}, {"arg_reduce", arg_reduce},
					  {"normalizations", normalize}, {"resize", resize}));
}
