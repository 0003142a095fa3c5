/* SPDX-License-Identifier: Apache-2.0
 *
 * equalize: the function stays, channels reach equally far on both sides, and a bound stops it. */
#include "tests/unit/unit.h"

#include <math.h>
#include <string.h>

#include "ir/eval/eval.h"
#include "passes/pass.h"

static uint64_t state;

static float noise(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (float)(state >> 40) * 0x1p-23f - 1.0f;
}

/* `spread`: neighbouring output channels differ by so much. */
static void add_const(az_text *text, const char *name, const char *shape, int count, int inner,
	float spread)
{
	az_text_add(text, "const @%s : f32[%s] = [", name, shape);
	for (int i = 0; i < count; i++) {
		float v = noise() * powf(spread, (float)(i / inner % 3 - 1));
		az_text_add(text, "%s%.6f", i ? ", " : "", (double)v);
	}
	az_text_add(text, "]\n");
}

/* Convolution, depthwise, grouped after a pool, and a product behind a reshape; `top` is the bound between. */
static az_module *network(az_ctx *ctx, const char *top)
{
	az_text text = {.arena = &ctx->arena};
	state = 7;
	az_text_add(&text, "adze 1 module \"net\" stage canonical\n");
	add_const(&text, "w", "6,3,3,4", 216, 36, 20);
	add_const(&text, "b", "6", 6, 1, 20);
	add_const(&text, "d", "6,3,3,1", 54, 9, 10);
	add_const(&text, "e", "6", 6, 1, 3);
	add_const(&text, "g", "4,1,1,3", 12, 3, 5);
	add_const(&text, "m", "4,5", 20, 5, 8);
	az_text_add(&text,
		"func @main(%%x: f32[1,8,8,4]) -> (\"y\": f32[1,5]) {\n"
		"  %%c = conv %%x, @w, @b, pad = [1, 1, 1, 1], clamp = [0, %s] : f32[1,8,8,6]\n"
		"  %%d = conv %%c, @d, @e, stride = [2, 2], pad = [1, 1, 1, 1], groups = 6, "
		"clamp = [0, 0f7f800000] : f32[1,4,4,6]\n"
		"  %%p = avg_pool %%d, window = [4, 4] : f32[1,1,1,6]\n"
		"  %%g = conv %%p, @g, groups = 2 : f32[1,1,1,4]\n"
		"  %%r = reshape %%g, shape = [1, 4] : f32[1,4]\n"
		"  %%y = matmul %%r, @m : f32[1,5]\n"
		"  return %%y\n"
		"}\n",
		top);
	return az_parse_module(ctx, "net.adz", text.v, text.count, NULL);
}

static bool run(az_ctx *ctx, az_module *module, const char *text)
{
	az_pass_env env = {.verify_each = true};
	az_pipeline pipeline;
	return az_parse_pipeline(ctx, &ctx->arena, "pipeline", text, &pipeline) &&
	       az_pipeline_run(module, &pipeline, &env);
}

/* Weights of the first operation: the largest of output channel c. */
static double reach(const az_module *module, int c)
{
	const az_const *w = az_value_const(az_module_main(module)->first->args[1].value);
	double most = 0;
	for (uint64_t i = 0; i < 36; i++)
		most = fmax(most, fabs(az_const_get(w, (uint64_t)c * 36 + i)));
	return most;
}

static double reach_behind(const az_module *module, int c)
{
	const az_const *w = az_value_const(az_module_main(module)->first->next->args[1].value);
	double most = 0;
	for (uint64_t i = 0; i < 9; i++)
		most = fmax(most, fabs(az_const_get(w, (uint64_t)c * 9 + i)));
	return most;
}

static void function_stays(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *before = network(ctx, "0f7f800000"), *after = network(ctx, "0f7f800000");
	CU_ASSERT_FATAL(before && after);
	CU_ASSERT_FATAL(run(ctx, after, "equalize"));
	az_tensor in = az_tensor_new(&ctx->arena, az_module_main(before)->params.v[0]->type);
	for (int sample = 0; sample < 10; sample++) {
		az_tensor out[2];
		for (int i = 0; i < 256; i++)
			((float *)in.data)[i] = noise();
		CU_ASSERT_FATAL(az_eval_func(az_module_main(before), &ctx->arena, &in, &out[0]));
		CU_ASSERT_FATAL(az_eval_func(az_module_main(after), &ctx->arena, &in, &out[1]));
		double most = 0, error = 0;
		for (uint64_t k = 0; k < 5; k++) {
			double a = az_tensor_get(&out[0], k), b = az_tensor_get(&out[1], k);
			most = fmax(most, fabs(a));
			error = fmax(error, fabs(a - b));
		}
		CU_ASSERT(error <= 1e-5 * most);
	}
	for (int c = 0; c < 6; c++)
		CU_ASSERT_DOUBLE_EQUAL(reach(after, c) / reach_behind(after, c), 1, 0.01);
	CU_ASSERT(fabs(reach(before, 0) / reach_behind(before, 0) - 1) > 0.1);
	az_module_free(before);
	az_module_free(after);
	az_ctx_free(ctx);
}

static void bound_stops_it(void)
{
	az_ctx *ctx = az_ctx_new();
	az_module *before = network(ctx, "6"), *after = network(ctx, "6");
	CU_ASSERT_FATAL(run(ctx, after, "equalize"));
	for (int c = 0; c < 6; c++)
		CU_ASSERT(reach(after, c) == reach(before, c));
	CU_ASSERT_FATAL(run(ctx, after, "equalize{relax}"));
	CU_ASSERT(reach(after, 0) != reach(before, 0));
	CU_ASSERT(isinf(az_module_main(after)->first->attr.conv.clamp.v[1]));
	az_module_free(before);
	az_module_free(after);
	az_ctx_free(ctx);
}

void test_equalize(void)
{
	unit_suite("equalize", AZ_CASES({"the function stays", function_stays},
				       {"a bound stops it", bound_stops_it}));
}
