/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges: what the histogram keeps of streams of any order of magnitude, what the methods make of it, and
 * what calibrate does with samples that show little, nothing, or no numbers. */
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "ir/eval/eval.h"
#include "passes/histogram.h"
#include "passes/pass.h"

static uint64_t state;

static float noise(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (float)(state >> 40) * 0x1p-23f - 1.0f;
}

static uint64_t counted(const az_histogram *h)
{
	uint64_t sum = h->zeros;
	for (int i = 0; i < AZ_HISTOGRAM_BINS; i++)
		sum += h->count[i];
	return sum;
}

/* Numbers from 1e-45 to 3e38 of both signs: every finite one is in some bin, whatever came first. */
static void bins_widen(void)
{
	az_ctx *ctx = az_ctx_new();
	az_histogram h;
	az_histogram_init(&h, true, &ctx->arena);
	uint64_t count = 0;
	state = 1;
	for (int exponent = -149; exponent < 128; exponent++) {
		float v[5];
		for (int i = 0; i < 4; i++)
			v[i] = ldexpf(noise(), exponent);
		v[4] = exponent % 3 ? NAN : exponent % 2 ? 0.0f : -0.0f;
		az_histogram_add(&h, v, 5);
		count += exponent % 3 ? 4u : 5u;
		CU_ASSERT_EQUAL_FATAL(counted(&h), count);
		CU_ASSERT_EQUAL(h.finite, count);
		CU_ASSERT((double)h.first * h.width <= (double)h.lo);
		CU_ASSERT(((double)h.first + AZ_HISTOGRAM_BINS) * h.width > (double)h.hi ||
			  h.width == 0);
	}
	CU_ASSERT_EQUAL(h.finite + h.other, 5u * 277u);
	az_ctx_free(ctx);
}

/* The same numbers in small pieces, backwards: the same ranges up to a bin. */
static void order_is_nothing(void)
{
	az_ctx *ctx = az_ctx_new();
	az_histogram a, b;
	static float v[20000];
	az_histogram_init(&a, true, &ctx->arena);
	az_histogram_init(&b, true, &ctx->arena);
	state = 3;
	for (int i = 0; i < 20000; i++)
		v[i] = noise() + noise() + noise() + 0.2f;
	az_histogram_add(&a, v, 20000);
	for (int i = 20000; i-- > 0;)
		az_histogram_add(&b, &v[i], 1);
	for (int bits = 1; bits <= 8; bits++) {
		az_range x = az_histogram_mse(&a, bits), y = az_histogram_mse(&b, bits);
		CU_ASSERT_DOUBLE_EQUAL(x.lo, y.lo, 0.02);
		CU_ASSERT_DOUBLE_EQUAL(x.hi, y.hi, 0.02);
		CU_ASSERT(x.lo >= a.lo && x.hi <= a.hi && x.lo <= 0 && x.hi >= 0);
	}
	az_range p = az_histogram_percentile(&a, 99.0), q = az_histogram_percentile(&b, 99.0);
	CU_ASSERT_DOUBLE_EQUAL(p.lo, q.lo, 0.002);
	CU_ASSERT_DOUBLE_EQUAL(p.hi, q.hi, 0.002);
	az_ctx_free(ctx);
}

static double error_of(const float *v, int count, az_range r, int bits)
{
	float levels = (float)((1 << bits) - 1), scale = (r.hi - r.lo) / levels;
	float zero = rintf(-r.lo / scale);
	double sum = 0;
	for (int i = 0; i < count; i++) {
		float q = fminf(fmaxf(rintf(v[i] / scale) + zero, 0), levels);
		double d = (double)(v[i] - (q - zero) * scale);
		sum += d * d;
	}
	return sum;
}

/* A few numbers far outside: at few bits clipping pays, and mse finds how much; entropy and percentile clip
 * too; no method leaves what was seen. */
static void clipping_pays(void)
{
	az_ctx *ctx = az_ctx_new();
	az_histogram h;
	static float v[40000];
	az_histogram_init(&h, true, &ctx->arena);
	state = 5;
	for (int i = 0; i < 40000; i++)
		v[i] = i % 1000 ? fmaxf(noise() + noise() + noise(), 0) : 9.0f * fabsf(noise());
	az_histogram_add(&h, v, 40000);
	az_range all = az_histogram_min_max(&h);
	double before = 1e30;
	for (int bits = 1; bits <= 8; bits++) {
		az_range best = az_histogram_mse(&h, bits);
		double least = error_of(v, 40000, best, bits);
		for (int i = 1; i <= 60; i++) {
			az_range r = {true, 0, all.hi * (float)i / 60.0f};
			CU_ASSERT(least <= error_of(v, 40000, r, bits) * 1.01);
		}
		CU_ASSERT(least < before);
		before = least;
		CU_ASSERT(best.lo == 0);
	}
	CU_ASSERT(az_histogram_entropy(&h, 4).hi < 5.0f);
	CU_ASSERT_DOUBLE_EQUAL(az_histogram_percentile(&h, 99.8).hi, 2.9, 0.4);
	CU_ASSERT(az_histogram_percentile(&h, 100).hi == all.hi);
	az_ctx_free(ctx);
}

/* --- The pass ------------------------------------------------------------------------------------ */

static const char net[] = "adze 1 module \"net\" stage canonical\n"
			  "const @w : f32[1,2] = [1, -1]\n"
			  "func @main(%x: f32[4,2]) -> (\"y\": f32[4,1]) {\n"
			  "  %c = clip %x, lo = -2, hi = 3 : f32[4,2]\n"
			  "  %w.t = transpose @w, perm = [1, 0] : f32[2,1]\n"
			  "  %y = matmul %c, %w.t : f32[4,1]\n"
			  "  return %y\n"
			  "}\n";

static float shown[8];

static bool show(void *data, uint64_t i, az_tensor *inputs)
{
	(void)data;
	(void)i;
	memcpy(inputs[0].data, shown, sizeof shown);
	return true;
}

/* Runs calibrate on one sample and gives the range of %c; the message goes into *said. */
static bool calibrated(const char *options, az_ctx *ctx, az_range *range)
{
	static const az_stream one = {.count = 1, .get = show};
	az_pass_env env = {.exec = &az_eval_exec, .calib = &one};
	az_pipeline pipeline;
	char *text = az_arena_printf(&ctx->arena, "fold-constants,calibrate%s", options);
	az_module *module = az_parse_module(ctx, "net.adz", net, strlen(net), NULL);
	CU_ASSERT_FATAL(module != NULL);
	CU_ASSERT_FATAL(az_parse_pipeline(ctx, &ctx->arena, "pipeline", text, &pipeline));
	bool ok = az_pipeline_run(module, &pipeline, &env);
	*range = az_module_main(module)->first->results[0]->range;
	az_module_free(module);
	return ok;
}

static const char *const methods[] = {"{method=min-max}", "{method=percentile,percent=99}",
	"{method=mse,acts=4}", "{method=entropy,acts=4}", "{acts=2}", "{}"};

/* One sample of equal numbers, zeros, or little else. */
static void constant_samples(void)
{
	static const float each[] = {0.0f, 1.0f, -1.5f, 1e-40f};
	for (size_t m = 0; m < AZ_COUNT(methods); m++) {
		for (size_t k = 0; k < AZ_COUNT(each); k++) {
			az_ctx *ctx = az_ctx_new();
			az_range range;
			for (int i = 0; i < 8; i++)
				shown[i] = each[k];
			CU_ASSERT(calibrated(methods[m], ctx, &range));
			CU_ASSERT_FATAL(range.known);
			CU_ASSERT(fminf(range.lo, 0) >= fminf(each[k], 0));
			CU_ASSERT(fmaxf(range.hi, 0) <= fmaxf(each[k], 0));
			float far = each[k] < 0 ? range.lo : range.hi;
			CU_ASSERT_DOUBLE_EQUAL(far, each[k], fabs((double)each[k]) * 0.03);
			az_ctx_free(ctx);
		}
	}
}

static void strange_numbers(void)
{
	for (size_t m = 0; m < AZ_COUNT(methods); m++) {
		az_ctx *ctx = az_ctx_new();
		az_range range;
		for (int i = 0; i < 8; i++)
			shown[i] = i < 6 ? 1.0f : NAN;
		CU_ASSERT(calibrated(methods[m], ctx, &range));
		CU_ASSERT(range.known && range.hi > 0.9f && range.hi <= 1.0f);
		CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0),
			"calibrate: 4 numbers of 2 values, \"x\" first, are not finite and were "
			"left out"));
		az_ctx_free(ctx);
		ctx = az_ctx_new();
		for (int i = 0; i < 8; i++)
			shown[i] = NAN;
		CU_ASSERT_FALSE(calibrated(methods[m], ctx, &range));
		CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0),
			"calibrate: no number of value \"x\" is finite in any sample"));
		az_ctx_free(ctx);
	}
}

static void refused(void)
{
	static const char *const pairs[][2] = {
		{"{method=max}", "there is no method \"max\""},
		{"{percent=50}", "percent must be above 50 and at most 100"},
		{"{percent=101}", "percent must be above 50 and at most 100"},
	};
	for (size_t i = 0; i < AZ_COUNT(pairs); i++) {
		az_ctx *ctx = az_ctx_new();
		az_range range;
		CU_ASSERT_FALSE(calibrated(pairs[i][0], ctx, &range));
		CU_ASSERT_PTR_NOT_NULL(strstr(unit_message(ctx, 0), pairs[i][1]));
		az_ctx_free(ctx);
	}
}

void test_calibrate(void)
{
	unit_suite("calibrate",
		AZ_CASES({"bins widen", bins_widen}, {"order is nothing", order_is_nothing},
			{"clipping pays", clipping_pays}, {"constant samples", constant_samples},
			{"strange numbers", strange_numbers}, {"refused", refused}));
}
