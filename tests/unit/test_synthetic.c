/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples without data: the same every time, with the mean and deviation that their kind has, and neighbours
 * that resemble each other where they are pictures. */
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "data/data.h"

/* Mean, deviation and correlation of elements `step` apart, over all samples. */
static void measure(az_ctx *ctx, const az_type *type, const az_preprocess *pre, int64_t step,
	double out[3])
{
	az_stream *stream = az_data_synthetic(ctx, &ctx->arena, 1, &type, pre);
	CU_ASSERT_FATAL(stream != NULL);
	az_tensor t = az_tensor_new(&ctx->arena, type);
	int64_t count = az_type_numel(type);
	double n = 0, sum = 0, square = 0, product = 0;
	for (uint64_t s = 0; s < stream->count; s++) {
		CU_ASSERT_FATAL(stream->get(stream->data, s, &t));
		const float *v = t.data;
		for (int64_t i = 0; i + step < count; i++) {
			n++;
			sum += (double)v[i];
			square += (double)v[i] * (double)v[i];
			product += (double)v[i] * (double)v[i + step];
		}
	}
	out[0] = sum / n;
	out[1] = sqrt(square / n - out[0] * out[0]);
	out[2] = (product / n - out[0] * out[0]) / (out[1] * out[1]);
}

static void kinds(void)
{
	az_ctx *ctx = az_ctx_new();
	const int64_t nchw[] = {1, 3, 32, 24}, nhwc[] = {1, 20, 20, 3}, row[] = {1, 640};
	az_preprocess none = {.scale = 1}, pixels = {.set = true, .scale = 1};
	double m[3];
	measure(ctx, az_type_get(ctx, AZ_F32, 4, nchw), &none, 1, m);
	CU_ASSERT_DOUBLE_EQUAL(m[0], 0, 0.15);
	CU_ASSERT_DOUBLE_EQUAL(m[1], 1, 0.2);
	CU_ASSERT(m[2] > 0.4);
	measure(ctx, az_type_get(ctx, AZ_F32, 4, nhwc), &pixels, 3, m);
	CU_ASSERT_DOUBLE_EQUAL(m[0], 117, 12);
	CU_ASSERT_DOUBLE_EQUAL(m[1], 62, 12);
	CU_ASSERT(m[2] > 0.4);
	measure(ctx, az_type_get(ctx, AZ_F32, 2, row), &none, 1, m);
	CU_ASSERT_DOUBLE_EQUAL(m[0], 0, 0.05);
	CU_ASSERT_DOUBLE_EQUAL(m[1], 1, 0.05);
	CU_ASSERT_DOUBLE_EQUAL(m[2], 0, 0.05);
	az_ctx_free(ctx);
}

static void the_same_again(void)
{
	az_ctx *ctx = az_ctx_new();
	const int64_t dim[] = {1, 3, 8, 8};
	const az_type *type = az_type_get(ctx, AZ_F32, 4, dim);
	az_preprocess none = {.scale = 1};
	az_stream *stream = az_data_synthetic(ctx, &ctx->arena, 1, &type, &none);
	az_tensor a = az_tensor_new(&ctx->arena, type), b = az_tensor_new(&ctx->arena, type);
	CU_ASSERT(stream->get(stream->data, 3, &a) && stream->get(stream->data, 4, &b));
	CU_ASSERT(memcmp(a.data, b.data, az_type_size(type)) != 0);
	CU_ASSERT(stream->get(stream->data, 3, &b));
	CU_ASSERT(memcmp(a.data, b.data, az_type_size(type)) == 0);
	const az_type *bytes = az_type_get(ctx, AZ_U8, 4, dim);
	CU_ASSERT_PTR_NULL(az_data_synthetic(ctx, &ctx->arena, 1, &bytes, &none));
	CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0), "input 0 is not of floats"));
	az_ctx_free(ctx);
}

void test_synthetic(void)
{
	unit_suite("synthetic", AZ_CASES({"kinds", kinds}, {"the same again", the_same_again}));
}
